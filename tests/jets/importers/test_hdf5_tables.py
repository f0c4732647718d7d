"""Files that pandas and PyTables write."""

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from darkclr_ray.jets.importers import CannotImport, ImportOptions, detect_format, hdf5_tables

pytestmark = pytest.mark.filterwarnings("ignore::tables.NaturalNameWarning")


def frame(truth, label: int = 1) -> pd.DataFrame:
    """As in the top-tagging set: E_0, PX_0, PY_0, PZ_0, E_1, ..., float32, padded with zeros."""
    px, py, pz, energy = np.concatenate(truth.momenta).T
    block = truth.padded([energy, px, py, pz]).astype(np.float32)
    names = [f"{name}_{i}" for i in range(block.shape[1]) for name in ("E", "PX", "PY", "PZ")]
    table = pd.DataFrame(block.reshape(len(block), -1), columns=names)
    table["is_signal_new"] = label
    return table


def write(path: Path, table: pd.DataFrame, **how: object) -> Path:
    table.to_hdf(path, key="table", mode="w", **({"format": "table"} | how))
    return path


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"complib": "blosc", "complevel": 5},
        {"complib": "zlib", "complevel": 5},
        {"data_columns": True},
        {"format": "fixed"},
    ],
    ids=str,
)
def test_round_trip(how: dict[str, object], truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    jets, summary = run(write(tmp_path / "jets.dat", frame(truth), **how))
    compare(jets, truth)
    assert (summary.kept, summary.files[0].read, sum(summary.dropped.values())) == (40, 40, 0)
    assert summary.files[0].format == "hdf5_tables"


def test_stretches_do_not_matter(
    truth, run: Callable, compare: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_tables, "ROWS", 7)
    path = write(tmp_path / "jets.h5", frame(truth))
    assert [len(raw) for raw in detect_format(path, ImportOptions()).stream("")] == [7, 7, 7, 7, 7, 5]
    compare(run(path)[0], truth)


def test_mev(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    table = frame(truth)
    table.iloc[:, :-1] *= 1000
    path = write(tmp_path / "jets.h5", table)
    with pytest.raises(CannotImport, match="--unit MeV"):
        run(path)
    compare(run(path, unit="MeV")[0], truth)


def test_other_column_names(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    table = frame(truth).drop(columns="is_signal_new")
    table.columns = [name.replace("PX", "p_x").replace("PY", "p_y").replace("PZ", "p_z") for name in table.columns]
    path = write(tmp_path / "jets.h5", table)
    with pytest.raises(CannotImport, match=r"missing: PX_0, PX_1.*it has E_0, p_x_0"):
        run(path)
    compare(run(path, columns={"E": "E", "px": "p_x", "py": "p_y", "pz": "p_z"})[0], truth)


def test_drops_are_counted_with_their_reason(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    table = frame(truth)
    values = table.columns[:-1]
    table.loc[0, "E_1"] = np.nan
    table.loc[1, "PX_0"] = np.inf
    table.loc[2, "E_0"] = -5.0
    table.loc[3, values] = 0.0
    table.loc[4, values] *= 0.5
    table.loc[5, values] *= 2.0
    jets, summary = run(write(tmp_path / "jets.h5", table))
    compare(jets, truth.take(np.arange(6, 40)))
    assert summary.dropped == {
        "a number that is not finite, or a negative pT or energy": 3,
        "no constituents": 1,
        "pT outside 150 to 300 GeV": 2,
    }
    assert summary.files[0].read == 40


def test_is_signal_new_tells_samples_apart(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    table = frame(truth)
    table["is_signal_new"] = np.arange(40) % 2
    path = write(tmp_path / "jets.h5", table)
    with pytest.raises(CannotImport, match="or by its label --labels 0=NAME,1=NAME"):
        run(path, sample=None)
    compare(run(path, sample=None, labels={"1": "mine"})[0], truth.take(np.arange(1, 40, 2)))


def test_missing_columns(truth, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "jets.h5", frame(truth).drop(columns=["PY_3", "PZ_0"]))
    with pytest.raises(CannotImport, match="missing: PY_3, PZ_0"):
        run(path)


def test_which_table(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    path = tmp_path / "jets.h5"
    frame(truth).to_hdf(path, key="train", format="table")
    frame(truth.take(np.arange(5))).to_hdf(path, key="val", format="table")
    with pytest.raises(CannotImport, match=r"which table\? Say --dataset NAME; usable here: train, val"):
        run(path)
    compare(run(path, dataset="val")[0], truth.take(np.arange(5)))


def test_truncated(truth, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "jets.h5", frame(truth))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(CannotImport, match=r"jets.h5: damaged or truncated"):
        run(path)
    assert not list((tmp_path / "jets").glob("*"))


def test_no_code_of_a_file_is_run(truth, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "jets.h5", frame(truth))
    with h5py.File(path, "a") as file:
        file["table/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(print, protocol=0))
    with pytest.raises(CannotImport, match="refers to"):
        run(path)
