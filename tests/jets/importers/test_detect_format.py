"""Formats by content, not by name."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from darkclr_ray.jets.importers import FORMATS, CannotImport, ImportOptions, detect_format


def test_every_format_says_what_it_is() -> None:
    assert list(FORMATS) == ["hdf5_tables", "hdf5_arrays", "delphes", "jetclass", "columns", "hepmc", "lhe"]
    assert all(FORMATS.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file of 0 bytes"),
        (b"pt,eta,phi\n1,2,3\n", r"of no known format. Can be read: hdf5_tables \("),
        (b"\x89HDF\r\n\x1a\n and no more", "damaged or truncated"),
        (b"root and no more", "damaged or truncated"),
        (b"PAR1 and no more", "damaged or truncated"),
        (b"ARROW1 and no more", "damaged or truncated"),
        (b"\x1f\x8b and no more", "damaged or truncated"),
    ],
)
def test_what_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "jets.root"
    path.write_bytes(content)
    with pytest.raises(CannotImport, match=f"jets.root: .*{message}"):
        detect_format(path, ImportOptions())


def test_no_file_no_arrays_and_a_wrong_claim(tmp_path: Path, truth) -> None:
    with pytest.raises(CannotImport, match="no such file"):
        detect_format(tmp_path / "none.h5", ImportOptions())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["text"] = "jets"
    with pytest.raises(CannotImport, match="without a pandas table or an array"):
        detect_format(tmp_path / "a.h5", ImportOptions())
    parts = truth.constituents()
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["jets"] = truth.padded([parts.px, parts.py, parts.pz, parts.E])
    assert detect_format(tmp_path / "b.h5", ImportOptions()).format == "hdf5_arrays"
    with pytest.raises(CannotImport, match="--format delphes: its content is that of hdf5_arrays"):
        detect_format(tmp_path / "b.h5", ImportOptions(format="delphes"))
    with pytest.raises(CannotImport, match="unknown format 'root'"):
        detect_format(tmp_path / "b.h5", ImportOptions(format="root"))


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["jets"] = np.zeros((3, 4, 4))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs h5py, hdf5plugin: pip install 'darkclr_ray\[import\]'"):
        detect_format(path, ImportOptions())


def test_an_empty_table_keeps_nothing(run: Callable, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = np.zeros((0, 4, 4))
    with pytest.raises(CannotImport, match="no jet kept: there are none"):
        run(tmp_path / "a.h5", order=("px", "py", "pz", "E"))
