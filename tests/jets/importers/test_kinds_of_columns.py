"""What programs store beside plain numbers and lists: codes instead of text, views, decimals, streams, parts, RNTuples.

Every file holds the jets of `truth`, half of them with one label and half with another.
"""

import fcntl
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import uproot

from darkclr_ray.jets.importers import CannotImport, ImportOptions, detect_format

NAMES = ("px", "py", "pz", "E")
CARTESIAN = {name: name for name in NAMES}
KINDS = np.array(["qcd", "top"] * 20)
BY_LABEL = {"sample": None, "labels": {"top": "mine"}}
TOPS = np.arange(1, 40, 2)


def lists(truth) -> dict[str, list[list[float]]]:
    return {name: truth.ragged(getattr(truth.constituents(), name)) for name in NAMES}


def wide(truth) -> dict[str, np.ndarray]:
    parts = truth.constituents()
    block = truth.padded([parts.E, parts.px, parts.py, parts.pz])
    return {f"{name}_{i}": block[:, i, k] for i in range(15) for k, name in enumerate(("E", "PX", "PY", "PZ"))}


def labels() -> dict[str, pa.Array]:
    text = pa.array(KINDS.tolist())
    codes = pa.DictionaryArray.from_arrays
    index = (KINDS == "top").astype(int)
    return {
        "plain": text,
        "large": text.cast(pa.large_string()),
        "view": text.cast(pa.string_view()),
        **{
            kind: codes(pa.array(index, kind), pa.array(["qcd", "top"]))
            for kind in ("int8", "uint8", "int16", "uint16", "int32", "int64")
        },
    }


@pytest.mark.parametrize("stored", list(labels()))
def test_text_however_it_is_stored(stored: str, truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    table = pa.table(lists(truth) | {"label": labels()[stored]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=17)
    with pa.ipc.new_stream(tmp_path / "a.stream", table.schema) as file:
        file.write_table(table, max_chunksize=17)
    for name in ("a.parquet", "a.arrow", "a.stream"):
        shutil.rmtree(tmp_path / "jets", ignore_errors=True)
        jets, summary = run(tmp_path / name, columns=CARTESIAN | {"label": "label"}, **BY_LABEL)
        compare(jets, truth.take(TOPS))
        assert summary.dropped == {"a label that was not asked for (qcd)": 20}


def test_missing_labels_among_codes(truth, run: Callable, tmp_path: Path) -> None:
    kinds = [None, *KINDS[1:].tolist()]
    pq.write_table(pa.table(lists(truth) | {"label": pa.array(kinds).dictionary_encode()}), tmp_path / "a.parquet")
    _, summary = run(tmp_path / "a.parquet", columns=CARTESIAN | {"label": "label"}, **BY_LABEL)
    assert summary.dropped == {"a label that was not asked for (qcd)": 19, "a missing label": 1}


def test_decimals(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    rounded = {
        name: pa.array([[Decimal(f"{value:.8f}") for value in jet] for jet in values], pa.list_(pa.decimal128(18, 8)))
        for name, values in lists(truth).items()
    }
    kind = pa.array([Decimal(i % 2) for i in range(40)], pa.decimal128(3, 1))
    pq.write_table(pa.table(rounded | {"label": kind}), tmp_path / "a.parquet")
    given = {"sample": None, "labels": {"1": "mine"}, "columns": CARTESIAN | {"label": "label"}}
    compare(run(tmp_path / "a.parquet", **given)[0], truth.take(TOPS))


def test_views_of_lists_are_refused_by_name(truth, run: Callable, tmp_path: Path) -> None:
    table = pa.table({name: pa.array(v, pa.list_view(pa.float64())) for name, v in lists(truth).items()})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table)
    with pytest.raises(CannotImport, match=r"a.arrow: column px is of Arrow's type list_view.*write it as list"):
        run(tmp_path / "a.arrow", columns=CARTESIAN)


def test_lists_of_records(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    numbers = lists(truth)
    records = [
        [dict(zip(NAMES, row, strict=True)) for row in zip(*jet, strict=True)]
        for jet in zip(*numbers.values(), strict=True)
    ]
    pq.write_table(pa.table({"parts": records, "n": np.arange(40)}), tmp_path / "a.parquet")
    columns = {name: f"parts.{name}" for name in NAMES}
    with pytest.raises(CannotImport, match=r"--columns px=parts: expected a list of numbers .*say px=parts.FIELD"):
        run(tmp_path / "a.parquet", columns=columns | {"px": "parts"})
    with pytest.raises(CannotImport, match=r"no column parts.p_x in it; beside 'p_x' there are px, py, pz, E"):
        run(tmp_path / "a.parquet", columns=columns | {"px": "parts.p_x"})
    with pytest.raises(CannotImport, match=r"column parts: expected one value a jet"):
        run(tmp_path / "a.parquet", columns=columns | {"label": "parts"})
    compare(run(tmp_path / "a.parquet", columns=columns)[0], truth)


@pytest.mark.parametrize("missing", ["nan", "null"])
def test_padding_that_is_no_number(missing: str, truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    parts = truth.constituents()
    table = {}
    for name in NAMES:
        block = truth.padded([getattr(parts, name)])[..., 0]
        block[truth.sizes[:, None] <= np.arange(15)] = np.nan
        table[name] = pa.array(block.tolist(), from_pandas=False)
        if missing == "null":
            rows = [[None if np.isnan(value) else value for value in jet] for jet in block.tolist()]
            table[name] = pa.array(rows)
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    jets, summary = run(tmp_path / "a.parquet", columns=CARTESIAN)
    compare(jets, truth)
    assert not summary.dropped


def test_one_list_that_is_missing_loses_one_jet(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    columns = lists(truth)
    columns["px"][7] = None  # type: ignore[call-overload]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    jets, summary = run(tmp_path / "a.parquet", columns=CARTESIAN)
    compare(jets, truth.take(np.delete(np.arange(40), 7)))
    assert summary.dropped == {"no constituents": 1}


@pytest.mark.parametrize("form", ["parquet", "feather", "root", "prefixes"])
def test_constituents_side_by_side(form: str, truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    columns = wide(truth) | {"is_signal_new": np.arange(40) % 2}
    pd.DataFrame(columns).to_hdf(tmp_path / "a.h5", key="table", format="table")
    given: dict = {"sample": None, "labels": {"1": "mine"}}
    table = pa.table({k: pa.array(v) for k, v in columns.items()})
    if form == "prefixes":
        renamed = table.rename_columns([name.replace("E_", "energy_").replace("PX", "p.x") for name in columns])
        pq.write_table(renamed, tmp_path / "other")
        given["columns"] = {"E": "energy", "px": "p.x", "py": "PY", "pz": "PZ"}
    elif form == "parquet":
        pq.write_table(table, tmp_path / "other")
    elif form == "feather":
        pa.feather.write_feather(table, tmp_path / "other")
    else:
        with uproot.recreate(tmp_path / "other") as file:
            file.mktree("tree", {name: values.dtype for name, values in columns.items()})
            file["tree"].extend(columns)
    jets, _ = run(tmp_path / "other", **given)
    compare(jets, truth.take(TOPS))
    shutil.rmtree(tmp_path / "jets")
    expected, _ = run(tmp_path / "a.h5", sample=None, labels={"1": "mine"})
    np.testing.assert_array_equal(jets.constituents, expected.constituents)
    np.testing.assert_array_equal(jets.kinematics, expected.kinematics)


def test_rntuples(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    arrays = {f"part_{name}": ak.Array(values) for name, values in lists(truth).items()}
    arrays["part_energy"] = arrays.pop("part_E")
    arrays |= {f"label_{kind}": (kind == KINDS).astype("f4") for kind in ("qcd", "top")}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("jets", arrays)
        assert "RNTuple" in str(file.classnames())
    jets, summary = run(tmp_path / "a.root", **BY_LABEL)
    compare(jets, truth.take(TOPS), tolerance=2e-3)
    assert summary.files[0].format == "jetclass"
    with uproot.recreate(tmp_path / "b.root") as file:
        file.mkrntuple("jets", {"parts": ak.zip(lists(truth)), "label": KINDS.tolist()})
        file.mktree("other", {"x": "f8"})
    columns = {name: f"parts.{name}" for name in NAMES} | {"label": "label"}
    with pytest.raises(CannotImport, match=r"which tree\? Say --dataset NAME; usable here: jets, other"):
        run(tmp_path / "b.root", columns=columns, **BY_LABEL)
    shutil.rmtree(tmp_path / "jets")
    compare(run(tmp_path / "b.root", dataset="jets", columns=columns, **BY_LABEL)[0], truth.take(TOPS))


def test_folders_of_parts(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    table = pa.table(lists(truth))
    folder = tmp_path / "parts"
    (folder / "deeper").mkdir(parents=True)
    for start, name in ((0, "part-0.parquet"), (30, "part-2.parquet"), (10, "part-1.parquet")):
        pq.write_table(table.slice(start, 10 if start != 10 else 20), folder / name)
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_text("crc")
    (folder / "state.json").write_text("{}")
    jets, summary = run(folder, columns=CARTESIAN)
    compare(jets, truth)
    assert [Path(file.path).name for file in summary.files] == [f"part-{i}.parquet" for i in range(3)]
    with pytest.raises(CannotImport, match="deeper: a folder without files"):
        run(folder / "deeper", columns=CARTESIAN)
    (folder / "label=1").mkdir()
    shutil.copy(folder / "part-0.parquet", folder / "label=1")
    with pytest.raises(CannotImport, match=r"kept in the names of its folders \(label=1\)"):
        run(folder, columns=CARTESIAN)


def test_arrays_of_numpy(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    parts = truth.constituents()
    block = truth.padded([parts.px, parts.py, parts.pz, parts.E])
    np.savez_compressed(tmp_path / "a.npz", X=block, y=KINDS)
    np.save(tmp_path / "b.npy", block)
    np.savez(tmp_path / "objects.npz", X=np.array([{}], dtype=object))
    compare(run(tmp_path / "a.npz", columns={"label": "y"}, **BY_LABEL)[0], truth.take(TOPS))
    compare(run(tmp_path / "b.npy", sample="all")[0], truth)
    with pytest.raises(CannotImport, match=r"objects.npz: holds Python objects.*save arrays of numbers"):
        run(tmp_path / "objects.npz")


@pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
@pytest.mark.parametrize(("form", "kind"), [("fixed", "text"), ("table", "text"), ("table", "category")])
def test_labels_of_pandas_tables(form: str, kind: str, truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    frame = pd.DataFrame(wide(truth))
    frame["label"] = pd.Series(KINDS, dtype=object) if kind == "text" else pd.Categorical(KINDS)
    with pd.HDFStore(str(tmp_path / "a.h5"), "w") as store:
        store.put("jets", frame, format=form, track_times=False)
    given = {"columns": {"label": "label"}, **BY_LABEL}
    if form == "fixed":
        with pytest.raises(CannotImport, match=r"column label holds Python objects.*format=\"table\""):
            run(tmp_path / "a.h5", **given)
    else:
        compare(run(tmp_path / "a.h5", **given)[0], truth.take(TOPS))


def test_text_labels_of_hdf5_arrays(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    parts = truth.constituents()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = truth.padded([parts.px, parts.py, parts.pz, parts.E])
        file["fixed"], file["variable"] = KINDS.astype("S"), KINDS.astype(object)
    for name in ("fixed", "variable"):
        shutil.rmtree(tmp_path / "jets", ignore_errors=True)
        compare(run(tmp_path / "a.h5", columns={"label": name}, **BY_LABEL)[0], truth.take(TOPS))


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_events_of_the_lhc_olympics(form: str, run: Callable, tmp_path: Path) -> None:
    pd.DataFrame(np.random.default_rng(1).uniform(size=(5, 2101))).to_hdf(tmp_path / "a.h5", key="df", format=form)
    with pytest.raises(CannotImport, match=r"2101 columns have numbers for names, as in files of the LHC Olympics"):
        run(tmp_path / "a.h5")


def test_locked_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = np.zeros((3, 4, 4))
    with (tmp_path / "a.h5").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CannotImport, match=r"a.h5: another program has locked it"):
            detect_format(tmp_path / "a.h5", ImportOptions())
