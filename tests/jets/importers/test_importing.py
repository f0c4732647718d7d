"""The import as a whole: samples, splits, summary, record, and what a killed one leaves."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.importers import CannotImport, ImportOptions, Summary, import_jets, processes, shard_writer
from darkclr_ray.jets.importers.portions import split_events


@pytest.fixture
def arrays(truth, tmp_path: Path) -> Callable[..., Path]:
    """Writes four-vectors of some of the jets, with a label and an event number."""

    def write(name: str = "a.h5", jets: slice = slice(None), label: object = 0) -> Path:
        parts = truth.constituents()
        block = truth.padded([parts.px, parts.py, parts.pz, parts.E])[jets]
        with h5py.File(tmp_path / name, "w") as file:
            file["jets"] = block
            file["label"] = np.broadcast_to(label, len(block))
            file["event"] = np.arange(len(block)) // 2
        return tmp_path / name

    return write


BY_LABEL = {"label": "label", "event": "event"}


def options(**given: object) -> ImportOptions:
    return ImportOptions.model_validate({"sample": "mine"} | given)


def test_splits_go_by_event(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    splits = {"train": 0.5, "validation": 0.25, "test": 0.25}
    summary = import_jets([arrays()], tmp_path / "out", options(columns=BY_LABEL, splits=splits), console=quiet)
    folder = open_jets(tmp_path / "out")
    assert folder.splits() == ("train", "validation", "test")
    found = {split: folder.load(split, "mine") for split in folder.splits()}
    assert {split: len(jets) for split, jets in found.items()} == {
        split: summary.written[split, "mine"] for split in found
    }
    assert sum(map(len, found.values())) == summary.kept == 40
    for jets in found.values():
        assert np.all(np.unique(jets.events, return_counts=True)[1] == 2)
    assert len(np.unique(np.concatenate([jets.ids for jets in found.values()]))) == 40


def test_shares_of_splits() -> None:
    events = np.random.default_rng(1).integers(0, 2**63 - 1, 20_000)
    parts = split_events(events, {"train": 0.8, "validation": 0.1, "test": 0.1})
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(np.mean(parts == name) - share) < 0.01


def test_labels_make_samples(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    path = arrays(label=np.arange(40) % 4)
    given = options(sample=None, labels={"0": "qcd", "1": "top"}, columns=BY_LABEL, splits={"test": 1.0})
    summary = import_jets([path], tmp_path / "out", given, console=quiet)
    assert dict(summary.written) == {("test", "qcd"): 10, ("test", "top"): 10}
    assert open_jets(tmp_path / "out").samples("test") == ("qcd", "top")
    assert summary.dropped == {f"a label that was not asked for ({label})": 10 for label in (2, 3)}
    # the other labels of the same file are other jets
    rest = options(sample=None, labels={"2": "w"}, columns=BY_LABEL, splits={"test": 1.0})
    import_jets([path], tmp_path / "out", rest, console=quiet)
    assert open_jets(tmp_path / "out").samples("test") == ("qcd", "top", "w")
    again = options(sample=None, labels={"2": "z"}, columns=BY_LABEL, splits={"test": 1.0})
    with pytest.raises(CannotImport, match=r"was imported into .* before \(w-test.json\)"):
        import_jets([path], tmp_path / "out", again, console=quiet)


def test_one_missing_label_loses_one_jet(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    """A missing value makes the column one of floats: the other labels stay 0 and 1, not 0.0 and 1.0."""
    label = np.arange(40) % 2.0
    label[30] = np.nan
    path = arrays(label=label)
    given = options(sample=None, labels={"0": "qcd", "1": "top"}, columns=BY_LABEL, splits={"test": 1.0})
    summary = import_jets([path], tmp_path / "asked", given, console=quiet)
    assert dict(summary.written) == {("test", "qcd"): 19, ("test", "top"): 20}
    assert summary.dropped == {"a missing label": 1}
    given = options(sample=None, labels={"1": "top", "*": "qcd"}, columns=BY_LABEL, splits={"test": 1.0})
    summary = import_jets([path], tmp_path / "rest", given, console=quiet)
    assert dict(summary.written) == {("test", "qcd"): 20, ("test", "top"): 20}


def test_questions_about_the_sample(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    path = arrays(label=np.arange(40) % 2)
    for given, message in (
        (options(sample=None), "Say --sample NAME for all$"),
        (options(sample=None, columns=BY_LABEL), "or by its label --labels 0=NAME,1=NAME"),
        (options(columns=BY_LABEL), "--sample mine would mix them"),
        (options(sample=None, labels={"0": "qcd"}), "no label is known in it"),
        (options(sample=None, labels={"7": "qcd"}, columns=BY_LABEL), r"20 a label that was not asked for \(0\)"),
        (options(selection={"pt_min": 500, "pt_max": 600}), "no jet kept: 40 pT outside 500 to 600 GeV"),
    ):
        with pytest.raises(CannotImport, match=message):
            import_jets([path], tmp_path / "out", given, console=quiet)
        assert not list((tmp_path / "out").glob("*"))
    with pytest.raises(ValueError, match="both a sample and labels"):
        options(labels={"0": "qcd"})
    for splits in ({"train": 0.5}, {"train": 1.5, "test": -0.5}, {"exam": 1.0}, {}):
        with pytest.raises(ValueError, match=r"split|add up to 1"):
            options(splits=splits)


def test_most_jets_dropped_is_said_loudly(truth, tmp_path: Path) -> None:
    """583 of 600 went in silence once; labels that nobody asked for are no loss."""
    parts = truth.constituents()
    block = truth.padded([parts.px, parts.py, parts.pz, parts.E])
    block[:30, 0, 1] = np.nan
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"], file["label"] = block, np.arange(40) % 2
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["jets"], file["label"] = block[25:], np.arange(15) // 10
    said = []
    for path in (tmp_path / "a.h5", tmp_path / "b.h5"):
        console = Console(record=True, width=300, file=io.StringIO())
        given = options(sample=None, labels={"1": "top"}, columns={"label": "label"})
        import_jets([path], tmp_path / path.stem, given, console=console)
        said.append(console.export_text())
    assert "MOST JETS WERE DROPPED: 15 of 20 of" in said[0]
    assert "15 a number that is not finite" in said[0]
    assert "--columns" in said[0]
    assert "MOST JETS" not in said[1]


def test_the_jets_do_not_depend_on_the_number_of_processes(
    arrays: Callable, tmp_path: Path, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "JETS_A_SHARD", 7)
    files = [arrays(f"{start}.h5", slice(start, start + 8)) for start in range(0, 40, 8)]
    content = []
    for count in (1, 2, 5):
        out = tmp_path / f"{count}"
        import_jets(files, out, options(splits={"train": 0.5, "test": 0.5}), processes=count, console=quiet)
        shards = sorted(out.rglob("*.parquet"))
        content.append([(path.relative_to(out), path.read_bytes()) for path in shards])
    assert len(content[0]) > 4
    assert content[0] == content[1] == content[2]
    with pytest.raises(ValueError, match="--processes 0: expected 1 or more"):
        import_jets(files, tmp_path / "none", options(), processes=0, console=quiet)


def test_more_files_than_a_process_may_open(
    truth, tmp_path: Path, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "AHEAD", 4)
    px, py, pz = (truth.ragged(getattr(truth.constituents(), name)) for name in ("px", "py", "pz"))
    files = [tmp_path / f"{i}.parquet" for i in range(40)]
    for i, path in enumerate(files):
        pq.write_table(pa.table({"px": px[i : i + 1], "py": py[i : i + 1], "pz": pz[i : i + 1]}), path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, before[1]))
    try:
        named = {name: name for name in ("px", "py", "pz")}
        summary = import_jets(files, tmp_path / "out", options(columns=named), console=quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert summary.kept == 40


def test_a_reader_without_memory(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    """What the kernel does to a process when memory runs out."""
    good, bad = arrays("a.h5", slice(0, 20)), arrays("b.h5", slice(20, 40))
    kill = (
        "import os, signal, sys; from pathlib import Path; from darkclr_ray.jets.importers import ImportOptions\n"
        "from darkclr_ray.jets.importers import hdf5_arrays, import_jets, CannotImport\n"
        "read = hdf5_arrays.build_jets\n"
        "def assemble(path, *rest):\n"
        "    return read(path, *rest) if path.name == 'a.h5' else os.kill(os.getpid(), signal.SIGKILL)\n"
        "hdf5_arrays.build_jets = assemble\n"
        "try: import_jets([Path(sys.argv[1]), Path(sys.argv[2])], Path(sys.argv[3]), ImportOptions(sample='mine'))\n"
        "except CannotImport as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", kill, good, bad, tmp_path / "out"], capture_output=True, text=True, timeout=120
    )
    assert "b.h5: the process that read it crashed (Killed); was memory short?" in " ".join(done.stdout.split())
    assert not (tmp_path / "out").exists()


def test_several_files_of_one_sample(
    arrays: Callable, tmp_path: Path, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "JETS_A_SHARD", 15)
    first, second = arrays("a.h5", slice(0, 25)), arrays("b.h5", slice(25, 40))
    summary = import_jets([first, second], tmp_path / "out", options(splits={"test": 1.0}), console=quiet)
    folder = open_jets(tmp_path / "out")
    assert len(folder.load("test", "mine")) == 40
    shards = sorted((tmp_path / "out" / "test" / "mine").iterdir())
    assert [path.name for path in shards] == ["shard-00000.parquet", "shard-00001.parquet", "shard-00002.parquet"]
    assert [file.kept for file in summary.files] == [25, 15]
    origins = [record.metadata["imported"] for record in folder.parts["test", "mine"].records]
    assert [[origin["file"] for origin in origin_of] for origin_of in origins] == [["a.h5"], ["a.h5", "b.h5"], ["b.h5"]]
    assert origins[0][0]["order"] == ["px", "py", "pz", "E"]


def test_content_not_name_makes_the_ids(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    path = arrays()
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    for name, out in ((path, "one"), (copy, "two")):
        import_jets([name], tmp_path / out, options(), console=quiet)
    ids = [open_jets(tmp_path / out).load("train", "mine").ids for out in ("one", "two")]
    assert np.array_equal(*ids)
    assert ids[0].min() >= 0
    with pytest.raises(CannotImport, match="have the same content"):
        import_jets([path, copy], tmp_path / "three", options(), console=quiet)
    with pytest.raises(CannotImport, match="train/mine: is there already"):
        import_jets([path], tmp_path / "one", options(), console=quiet)
    with pytest.raises(CannotImport, match=r"was imported into .* before \(mine-train\+validation\+test.json\)"):
        import_jets([copy], tmp_path / "one", options(sample="other"), console=quiet)


def test_splits_that_were_published_as_files_of_their_own(arrays: Callable, tmp_path: Path, quiet: Console) -> None:
    for split, jets in (("train", slice(0, 25)), ("test", slice(25, 40))):
        import_jets([arrays(f"{split}.h5", jets)], tmp_path / "out", options(splits={split: 1.0}), console=quiet)
    folder = open_jets(tmp_path / "out")
    assert {split: len(folder.load(split, "mine")) for split in folder.splits()} == {"train": 25, "test": 15}
    with pytest.raises(CannotImport, match="test/mine: is there already"):
        import_jets([arrays("more.h5", slice(0, 5))], tmp_path / "out", options(splits={"test": 1.0}), console=quiet)


def test_summary_on_screen_and_on_disk(arrays: Callable, tmp_path: Path) -> None:
    console = Console(record=True, width=100)
    given = options(selection={"eta_max": 1.0}, splits={"test": 1.0})
    summary = import_jets([arrays()], tmp_path / "out", given, console=console)
    text = console.export_text()
    gone = summary.dropped["|eta| above 1"]
    assert 0 < gone < 40
    for words in ("40 jets", f"{gone} |eta| above 1", "hdf5_arrays", f"{40 - gone}", "40 of 40 jets"):
        assert words in text
    record = json.loads((tmp_path / "out" / "imports" / "mine-test.json").read_text())
    assert record["files"][0]["dropped"] == {"|eta| above 1": gone}
    assert record["written"] == {"test/mine": 40 - gone}
    assert Summary.from_record(record).record() == summary.record()


KILLED = """
import os, signal, sys, types
from pathlib import Path
from darkclr_ray.jets.importers import ImportOptions, import_jets, shard_writer, staging
left = int(sys.argv[3])
def until(function):
    def counted(*given):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*given)
    return counted
shard_writer.JETS_A_SHARD = 10
if sys.argv[4] == "write":
    shard_writer.write_shard = until(shard_writer.write_shard)
else:
    staging.os = types.SimpleNamespace(replace=until(os.replace))
import_jets([Path(sys.argv[1])], Path(sys.argv[2]), ImportOptions(sample="mine"))
"""


@pytest.mark.parametrize(("what", "after"), [("write", 2), ("move", 0), ("move", 1), ("move", 3)])
def test_a_killed_import_leaves_no_half_and_the_next_one_is_whole(
    what: str, after: int, arrays: Callable, tmp_path: Path, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "JETS_A_SHARD", 10)
    path, out = arrays(), tmp_path / "out"
    # moves: three splits, the record
    command = [sys.executable, "-c", KILLED, str(path), str(out), str(after), what]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert list(out.glob(".import-*"))
    moved = sorted(out.glob("*/mine"))
    assert len(moved) == (after if what == "move" else 0)
    import_jets([path], out, options(), console=quiet)
    assert not list(out.glob(".import-*"))
    import_jets([path], tmp_path / "undisturbed", options(), console=quiet)
    for split in ("train", "validation", "test"):
        prints = [open_jets(folder).fingerprint(split, "mine") for folder in (out, tmp_path / "undisturbed")]
        assert prints[0] == prints[1]
