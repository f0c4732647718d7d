"""Open HDF5 files, with the filters that PyTables and h5py compress with, and NumPy's files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from darkclr_ray.jets.importers.unselected import CannotImport, require


def opened(path: Path) -> Any:
    """Open a file for reading as a context manager; NumPy's files are dictionaries of arrays, and read completely."""
    if is_numpy(path):
        return _numpy(path)
    require("h5py", "hdf5plugin")
    import h5py
    import hdf5plugin  # noqa: F401  # registers Blosc and others, which PyTables uses and h5py lacks

    return h5py.File(path, "r")


NUMPY_ARRAY, ZIP = b"\x93NUMPY", b"PK\x03\x04"


def is_numpy(path: Path) -> bool:
    """Return whether a file begins as .npy and .npz files do."""
    with path.open("rb") as file:
        return file.read(len(NUMPY_ARRAY)).startswith((NUMPY_ARRAY, ZIP))


@contextlib.contextmanager
def _numpy(path: Path) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        yield {"array": loaded}
        return
    with loaded:
        try:
            arrays = {name: loaded[name] for name in loaded.files}
        except ValueError as error:
            raise CannotImport(
                f"{path}: holds Python objects, which are not read, as they may hold code ({error}); save arrays of "
                "numbers alone, padded with zeros"
            ) from None
    yield {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
