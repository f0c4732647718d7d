"""Opening HDF5 files, with the filters that PyTables and h5py compress with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darkclr_ray.jets.importers.unselected import require


def opened(path: Path) -> Any:
    """The file, open for reading; a context manager."""
    require("h5py", "hdf5plugin")
    import h5py
    import hdf5plugin  # noqa: F401  # registers Blosc and others, which PyTables uses and h5py lacks

    return h5py.File(path, "r")
