"""Parquet, Feather and ROOT files with columns by name, JetClass among them."""

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import uproot

from darkclr_ray.jets.folder import starter_jets
from darkclr_ray.jets.importers import CannotImport, columns

CARTESIAN = {"px": "px", "py": "py", "pz": "pz", "E": "E"}


def ragged(truth, names: tuple[str, ...]) -> dict[str, list[list[float]]]:
    parts = truth.constituents()
    return {name: truth.ragged(getattr(parts, name)) for name in names}


def jetclass(truth) -> dict[str, ak.Array | np.ndarray]:
    axes = truth.axes()
    lists = ragged(truth, ("px", "py", "pz", "E"))
    names = {"px": "part_px", "py": "part_py", "pz": "part_pz", "E": "part_energy"}
    arrays = {names[name]: ak.values_astype(ak.Array(values), np.float32) for name, values in lists.items()}
    own = {"jet_pt": axes.pt, "jet_eta": axes.eta, "jet_phi": axes.phi, "jet_energy": axes.E}
    arrays |= {name: np.ascontiguousarray(values) for name, values in own.items()}
    kind = np.arange(40) % 2
    return arrays | {"label_QCD": (kind == 0).astype(np.float32), "label_Hbb": (kind == 1).astype(np.float32)}


def test_parquet_by_name(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(ragged(truth, ("px", "py", "pz", "E"))), path)
    with pytest.raises(CannotImport, match=r"Say --columns pt=NAME.*px \(list<.*double>\)"):
        run(path)
    compare(run(path, columns=CARTESIAN)[0], truth)


def test_awkward_records_in_parquet(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    parts = ak.zip(ragged(truth, ("pt", "eta", "phi", "mass")))
    events = ak.Array(np.arange(40) // 2)
    ak.to_parquet(
        ak.zip({"jet": ak.zip({"parts": parts}, depth_limit=1), "event": events}, depth_limit=1), tmp_path / "a"
    )
    named = {name: f"jet.parts.{name}" for name in ("pt", "eta", "phi", "mass")} | {"event": "event"}
    jets, _ = run(tmp_path / "a", columns=named)
    compare(jets, truth)
    assert np.array_equal(jets.events[::2], jets.events[1::2])
    assert len(np.unique(jets.events)) == 20


def test_padded_lists_in_feather(
    truth, run: Callable, compare: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "ROWS", 11)
    parts = truth.constituents()
    table = pa.table({name: list(truth.padded([getattr(parts, name)])[..., 0]) for name in CARTESIAN})
    pyarrow.feather.write_feather(table, tmp_path / "a.feather")
    compare(run(tmp_path / "a.feather", columns=CARTESIAN)[0], truth)


def test_missing_values(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    lists = ragged(truth, ("px", "py", "pz", "E"))
    lists["px"][0] = None  # type: ignore[call-overload]
    for name in ("py", "pz", "E"):
        lists[name][0] = []
    lists["E"][1][0] = None  # type: ignore[call-overload]
    pq.write_table(pa.table(lists), tmp_path / "a.parquet")
    jets, summary = run(tmp_path / "a.parquet", columns=CARTESIAN)
    compare(jets, truth.take(np.arange(2, 40)))
    assert sorted(summary.dropped) == ["a number that is not finite, or a negative pT or energy", "no constituents"]


def test_faults_of_columns(truth, run: Callable, tmp_path: Path) -> None:
    lists = ragged(truth, ("px", "py", "pz", "E"))
    lists["pz"] = [jet[:-1] for jet in lists["pz"]]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(lists | {"flat": np.zeros(40)}), path)
    for named, message in (
        (CARTESIAN, "column pz has another number of constituents"),
        (CARTESIAN | {"px": "p_x"}, r"no column p_x in it; it has px \("),
        (CARTESIAN | {"px": "flat"}, "expected a list of numbers a jet"),
        ({"px": "px"}, "constituents need pt, eta, phi or px, py, pz"),
        (CARTESIAN | {"pT": "pt"}, "--columns says pT: expected some of pt,"),
        (CARTESIAN | {"jet_pt": "flat"}, "axis needs jet_pt, jet_eta and jet_phi"),
    ):
        with pytest.raises(CannotImport, match=message):
            run(path, columns=named)


def test_truncated(truth, run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(ragged(truth, ("px", "py", "pz", "E"))), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CannotImport, match=r"a.parquet: damaged or truncated"):
        run(path, columns=CARTESIAN)


def test_our_own_shards_need_no_import(run: Callable) -> None:
    shard = sorted((starter_jets() / "test" / "qcd").glob("*.parquet"))[0]
    with pytest.raises(CannotImport, match="is a shard of jets already"):
        run(shard)


def write_root(path: Path, arrays: dict[str, ak.Array | np.ndarray], tree: str = "tree") -> Path:
    with uproot.recreate(path) as file:
        kinds = {name: array.type if isinstance(array, ak.Array) else array.dtype for name, array in arrays.items()}
        file.mktree(tree, kinds, counter_name=lambda name: f"n_{name}")
        half = len(next(iter(arrays.values()))) // 2
        for part in (slice(0, half), slice(half, None)):
            file[tree].extend({name: array[part] for name, array in arrays.items()})
    return path


def test_jetclass(truth, run: Callable, compare: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "ROWS", 13)
    path = write_root(tmp_path / "a.root", jetclass(truth))
    with pytest.raises(CannotImport, match=r"which sample are these jets\? .*--labels Hbb=NAME,QCD=NAME"):
        run(path, sample=None)
    with pytest.raises(CannotImport, match="--sample mine would mix them"):
        run(path)
    jets, summary = run(path, sample=None, labels={"Hbb": "mine"})
    compare(jets, truth.take(np.arange(1, 40, 2)), tolerance=2e-3)
    assert summary.files[0].format == "jetclass"
    assert summary.dropped == {"a label that was not asked for (QCD)": 20}


def test_jetclass_in_parquet_with_everything_mixed(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    ak.to_parquet(ak.zip(jetclass(truth), depth_limit=1), tmp_path / "a")
    compare(run(tmp_path / "a", sample=None, labels={"*": "mine"})[0], truth, tolerance=2e-3)


def test_flat_branches_without_an_axis(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    arrays = {name: values for name, values in jetclass(truth).items() if not name.startswith(("jet_", "label_"))}
    compare(run(write_root(tmp_path / "a.root", arrays))[0], truth)


def test_axis_of_the_file_counts(truth, run: Callable, tmp_path: Path) -> None:
    arrays = jetclass(truth)
    arrays["jet_eta"] = arrays["jet_eta"] + 0.05
    path = write_root(tmp_path / "a.root", arrays)
    jets, _ = run(path, sample=None, labels={"*": "mine"})
    np.testing.assert_allclose(jets.kinematics[:, 1], truth.axes().eta + 0.05, rtol=1e-5)
    arrays["jet_eta"] = -truth.axes().eta
    with pytest.raises(CannotImport, match="flipped sign"):
        run(write_root(tmp_path / "b.root", arrays), sample=None, labels={"*": "other"})


def test_root_by_name_and_which_tree(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    arrays = {name: ak.Array(values) for name, values in ragged(truth, ("pt", "eta", "phi", "mass")).items()}
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        for tree in ("one", "two"):
            file.mktree(tree, {name: array.type for name, array in arrays.items()})
            file[tree].extend(arrays)
    with pytest.raises(CannotImport, match=r"which tree\? .* one, two"):
        run(path)
    compare(run(path, dataset="two", columns={name: name for name in arrays})[0], truth)


def test_truncated_root(truth, run: Callable, tmp_path: Path) -> None:
    path = write_root(tmp_path / "a.root", jetclass(truth))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CannotImport, match=r"a.root: damaged or truncated"):
        run(path)


def test_truncated_feather(truth, run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    pyarrow.feather.write_feather(pa.table(ragged(truth, ("px", "py", "pz", "E"))), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(CannotImport, match=r"a.feather: damaged or truncated"):
        run(path, columns=CARTESIAN)
