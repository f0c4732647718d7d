"""The table's commands on models and studies that are there already: score, export, train, inspect, report."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.numpy import load_file, save_file

from darkclr_ray.detectors.models import pretrained
from darkclr_ray.integrity import folder_digests
from darkclr_ray.store.files import read_json, write_json
from tests.reports.make_study import make_study

from .damage import Case, Change, both, bytes_of, edited, file, hdf5, jagged, mode, moved


def model(here: Path) -> None:
    """The shipped model, as one's own."""
    shutil.copytree(pretrained(), here / "model")


def described(**facts: Any) -> Change:
    """A model that says something else of itself."""

    def change(here: Path) -> None:
        model(here)
        path = here / "model" / "model.json"
        write_json(path, read_json(path) | facts)

    return change


def sealed(folder: Path) -> None:
    """Give a model's changed files their checksums: they were written so."""
    path = folder / "model.json"
    write_json(path, read_json(path) | {"files": folder_digests(folder, but={"model.json"})})


def meant(name: str, content: str) -> Change:
    """A model that was written with another file in the place of one."""
    return both(part(name, content), lambda here: sealed(here / "model"))


def part(name: str, content: str | bytes | None) -> Change:
    """A model with another file in the place of one, or none."""
    return both(model, file(f"model/{name}", content) if content is not None else _gone(f"model/{name}"))


def cut(name: str) -> Change:
    """A model whose file was not copied to its end."""

    def change(here: Path) -> None:
        model(here)
        path = here / "model" / name
        path.write_bytes(path.read_bytes()[:-1000])

    return change


def pickled(here: Path) -> None:
    """A model whose weights are torch's own, which may hold code."""
    model(here)
    torch.save({"weight": torch.zeros(3)}, here / "model" / "encoder.safetensors")


def not_a_number(here: Path) -> None:
    model(here)
    path = here / "model" / "encoder.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    save_file({**weights, name: np.full_like(weights[name], np.nan)}, path)
    sealed(here / "model")


def wider(here: Path) -> None:
    """A model whose settings are of another network."""
    model(here)
    path = here / "model" / "settings.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["encoder"]["d_z"] += 1
    path.write_text(yaml.safe_dump(settings))
    sealed(here / "model")


def finished(here: Path) -> None:
    """A study of which everything is there but the report."""
    shutil.copytree(Path(toy_study().name) / "study", here / "study")


@cache
def toy_study() -> tempfile.TemporaryDirectory[str]:
    folder: tempfile.TemporaryDirectory[str] = tempfile.TemporaryDirectory()
    make_study(Path(folder.name) / "study", background=300, signal=60, replicas=2)
    return folder


def studied(name: str, content: str | bytes | None) -> Change:
    """A study with another file in the place of one, or none; * is for the first one of some."""

    def change(here: Path) -> None:
        finished(here)
        path = next((here / "study").glob(name))
        path.unlink()
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def cooking(here: Path) -> None:
    write_json(here / "study" / "study.json", {"name": "x", "kind": "cooking"})


def in_every_history(content: str) -> Change:
    return lambda here: [path.write_text(content) for path in (here / "study" / "stages").rglob("history.jsonl")]


def _gone(name: str) -> Change:
    return lambda here: (here / name).unlink()


S = "darkclr score jets/test --with model"
SCORE = [
    Case("darkclr score nothing --with pretrained", ("nothing: no such file or folder",)),
    Case("darkclr score jets/test", ("--with",)),
    Case("darkclr score --with pretrained", ("files",)),
    Case("darkclr score jets/test --wiht pretrained --with pretrained", ("did you mean '--with'",)),
    Case(S, ("model: no such folder", "darkclr train")),
    Case(S, ("model: a file", "folder"), file("model")),
    Case("darkclr score jets/test --with jets", ("jets: no model", "model.json")),
    Case(S, ("model.json: damaged", "copy"), part("model.json", "{")),
    Case(S, ("model.json: damaged",), part("model.json", "[]")),
    Case(S, ("model.json: damaged",), part("model.json", b"\xff\xfe")),
    Case(S, ("model.json", "format 9", "format 2"), described(format=9)),
    Case(S, ("model.json", "damaged"), described(detectors=[])),
    Case(S, ("model.json", "damaged"), described(detectors=[3])),
    Case(S, ("model.json", "damaged"), described(detectors="s_NAE")),
    Case(S, ("model.json", "permission"), both(model, mode("model/model.json", 0))),
    Case(S, ("antigravity:Detector", "ask for it by name"), described(detectors=["antigravity:Detector"])),
    Case(f"{S} --detectors s_NEA", ("no detector 's_NEA'", "s_NAE, s_CLR"), model),
    Case(f"{S} --detectors s_CLR,", ("no detector ''",), model),
    Case(S, ("settings.yaml: no such file",), part("settings.yaml", None)),
    Case(S, ("settings.yaml", "damaged", "copy"), part("settings.yaml", "a: [")),
    Case(S, ("settings.yaml", "cannot be read"), meant("settings.yaml", "a: [")),
    Case(S, ("settings.yaml", "future"), meant("settings.yaml", "encoder: {future: 3}")),
    Case(S, ("settings.yaml", "d_z"), meant("settings.yaml", "encoder: {d_z: many}")),
    Case(S, ("settings.yaml",), meant("settings.yaml", "- 3")),
    Case(S, ("encoder.safetensors", "damaged"), cut("encoder.safetensors")),
    Case(S, ("autoencoder.safetensors", "damaged"), cut("autoencoder.safetensors")),
    Case(S, ("encoder.safetensors", "damaged"), part("encoder.safetensors", "")),
    Case(S, ("encoder.safetensors", "damaged"), pickled),
    Case(S, ("encoder.safetensors", "not finite"), not_a_number),
    Case(S, ("encoder.safetensors", "permission"), both(model, mode("model/encoder.safetensors", 0))),
    Case(f"{S} --out jets", ("jets: is a folder", "--out"), model),
    Case(f"{S} --out a/scores.parquet", ("a is a file", "--out"), both(model, file("a"))),
    Case(f"{S} --out a/scores.parquet", ("not writable", "--out"), both(model, mode("a", 0o555))),
    Case("darkclr score a.csv --with pretrained", ("a.csv: no shard", "darkclr import"), file("a.csv", "pt")),
    Case("darkclr score model --with model", ("model: no *.parquet",), model),
    Case(S, ("aachen/shard-00000.parquet", "truncated"), both(model, bytes_of(lambda b: b[:-9]))),
    Case(
        "darkclr score a.parquet --with pretrained",
        ("a.parquet: no shard of jets", "column 'jet_id' is missing", "darkclr import"),
        jagged("a.parquet"),
    ),
    Case("darkclr score jets/nothing* --with pretrained", ("no such file",)),
]
SCORE_HEAVY = [
    Case(S, ("encoder.safetensors", "does not hold"), wider),
    Case(S, ("encoder.safetensors",), part("encoder.safetensors", None)),
    Case(S, ("autoencoder.safetensors",), part("autoencoder.safetensors", None)),
    Case(f"{S} --detectors s_CLR --device gpu", ("--device gpu", "cpu"), model),
    Case(f"{S} --detectors s_CLR --device cuda:99", ("--device cuda:99",), model),
    Case(f"{S} --detectors mine:Own", ("mine",), described(detectors=["mine:Own"])),
    Case(
        f"{S} --detectors mine:Own",
        ("division by zero",),
        both(described(detectors=["mine:Own"]), file("mine.py", "1/0")),
    ),
    Case(f"{S} --detectors mine:Own", ("class",), both(described(detectors=["mine:Own"]), file("mine.py", "Own = 3"))),
    Case(S, ("jet 2: nan is not finite",), both(model, edited("pt", 12, float("nan")))),
    Case(S, ("unknown detector", "s_CRL"), described(detectors=["s_CRL"])),
]

E = "darkclr export model"
EXPORT = [
    Case(E, ("--out",)),
    Case(f"{E} --out graph.txt", (".onnx",), model),
    Case(f"{E} --out graph.onnx", ("model: no such folder",)),
    Case(f"{E} --out jets/x.onnx", ("jets/x.onnx",), both(model, lambda here: (here / "jets/x.onnx").mkdir())),
    Case(f"{E} --out a/x.onnx", ("a is a file",), both(model, file("a"))),
    Case(f"{E} --out a/x.pt2", ("not writable",), both(model, mode("a", 0o555))),
    Case(f"{E} --out x.pt2 --detectors nothing", ("no detector 'nothing'",), model),
    Case(f"{E} --out x.pt2", ("autoencoder.safetensors", "damaged"), cut("autoencoder.safetensors")),
]
EXPORT_HEAVY = [
    Case(f"{E} --out new/x.pt2", ("multiplicity cannot be exported",), described(detectors=["multiplicity"])),
    Case(f"{E} --out new/x.onnx", ("encoder.safetensors",), wider),
]

T = "darkclr train --jets jets --contrastive.batch_size 8 --nae.batch_size 8"
TRAIN = [
    Case(f"{T} --encoder.dz 3", ("did you mean --encoder.d_z",)),
    Case(f"{T} --threads -1", ("threads = -1",)),
    Case(f"{T} --detectors ''", ("detectors",)),
    Case(f"{T} --out a", ("a is a file", "--out"), file("a")),
    Case(f"{T} --out a/b", ("not writable",), mode("a", 0o555)),
    Case(f"{T} --out jets", ("jets", "is no model")),
    Case(f"{T} --detectors s_CLR,s_CLR", ("s_CLR is named twice",)),
    Case("darkclr train --jets nowhere", ("nowhere: no such folder",)),
    Case(f"{T} --background qdc", ("no background 'qdc'", "qcd")),
    Case(T, ("aachen/shard-00000.parquet", "truncated"), bytes_of(lambda b: b[:-9])),
    Case(f"{T} --views.anomalous droping", ("did you mean 'dropping'",)),
    Case(f"{T} --config model/model.json", ("model.json", "unknown setting"), model),
]
TRAIN_HEAVY = [
    Case("darkclr train --jets jets", ("20 jets do not fill one batch of 128", "lower the batch size")),
    Case(f"{T} --detectors s_NEA", ("unknown detector", "did you mean 's_NAE'")),
    Case(f"{T} --detectors mine:Own", ("mine:Own", "No module named")),
    Case(f"{T} --detectors mine:Own", ("mine:Own", "division by zero"), file("mine.py", "1/0")),
    Case(f"{T} --detectors mine:Own", ("mine:Own", "has no attribute"), file("mine.py", "")),
    Case(f"{T} --detectors supervised", ("supervised.signal", "aachen")),
    Case(f"{T} --detectors s_CLR,'JetCLR s_CLR'", ("disagree",)),
]

INSPECT = [
    Case("darkclr inspect", ("path",)),
    Case("darkclr inspect nothing", ("nothing: no such file or folder",)),
    Case("darkclr inspect a.txt", ("a.txt", "no known format"), file("a.txt", "words")),
    Case("darkclr inspect a", ("a: no jets in this folder",), mode("a", 0o755)),
    Case("darkclr inspect a.parquet", ("a.parquet", "truncated"), file("a.parquet", b"PAR1" + b"\0" * 99)),
    Case("darkclr inspect a.h5", ("a.h5", "damaged"), file("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99)),
    Case("darkclr inspect a.h5", ("a.h5",), hdf5("a.h5", words=b"none")),
    Case("darkclr inspect jets", ("jet 2: nan",), edited("pt", 12, float("nan"))),
    Case("darkclr inspect jets/test/aachen", ("jet 2: nan",), edited("pt", 12, float("nan"))),
    Case("darkclr inspect jets", ("trian: unknown split",), moved("train", "trian")),
    Case("darkclr inspect jets", ("permission",), mode("jets", 0)),
    Case("darkclr inspect model", ("model.json: damaged",), part("model.json", "{")),
    Case("darkclr inspect model", ("model.json: damaged",), part("model.json", "{}")),
    Case("darkclr inspect model", ("format 9",), described(format=9)),
    Case("darkclr inspect model", ("settings.yaml",), part("settings.yaml", "a: [")),
    Case("darkclr inspect model", ("metrics.json", "damaged"), part("metrics.json", "{}")),
    Case("darkclr inspect model", ("metrics.json",), meant("metrics.json", "{")),
    Case("darkclr inspect model", ("metrics.json",), meant("metrics.json", '{"test": {"s_NAE": {"aachen": 3}}}')),
    Case("darkclr inspect study", ("study.json", "cannot be read"), studied("study.json", "{")),
    Case("darkclr inspect study", ("study.json",), studied("study.json", "[]")),
    Case("darkclr inspect study", ("trials/0000.json", "cannot be read"), studied("trials/0000.json", "{")),
]

R = "darkclr report study"
REPORT = [
    Case("darkclr report", ("study",)),
    Case(R, ("study: no such folder",)),
    Case(R, ("study: a file",), file("study")),
    Case("darkclr report jets", ("jets: no study", "study.json")),
    Case(R, ("study.json", "cannot be read"), studied("study.json", "{")),
    Case(R, ("study.json",), studied("study.json", "[]")),
    Case(R, ("study.json",), studied("study.json", "{}")),
    Case(R, ("study.json", "checksum"), studied("study.json", '{"name": "x", "kind": "cooking"}')),
    Case(R, ("no run at all",), both(finished, cooking)),
    Case(R, ("settings.yaml",), studied("settings.yaml", None)),
    Case(R, ("settings.yaml",), studied("settings.yaml", "a: [")),
    Case(R, ("settings.yaml",), studied("settings.yaml", "{}")),
    Case(R, ("settings.yaml",), studied("settings.yaml", "search: 3\nbackground: qcd")),
    Case(R, ("trials/0000.json",), studied("trials/0000.json", "{")),
    Case(R, ("trials/0000.json",), studied("trials/0000.json", "{}")),
    Case(R, ("references.json",), studied("references.json", "{")),
    Case(
        R,
        ("before the first complete trial",),
        both(finished, lambda here: [path.unlink() for path in (here / "study/trials").glob("000[0-3].json")]),
    ),
    Case(R, ("no trial at all",), both(finished, lambda here: shutil.rmtree(here / "study/trials"))),
    Case(f"{R} again", ("again: no such folder", "results/"), finished),
]

REPORT_HEAVY = [
    Case(R, ("jets.parquet",), studied("jets.parquet", None)),
    Case(R, ("jets.parquet",), studied("jets.parquet", b"PAR1")),
    Case(R, ("scores.parquet",), studied("stages/scores/*/scores.parquet", None)),
    Case(R, ("scores.parquet",), studied("stages/scores/*/scores.parquet", b"PAR1" + b"\0" * 99)),
    Case(R, ("examples.npz",), studied("examples.npz", b"PK\x03\x04")),
    Case(R, ("history.jsonl",), both(finished, in_every_history("{"))),
    Case(R, ("study/report", "not writable"), both(finished, mode("study", 0o555))),
    Case(R, ("study/report is a file",), both(finished, file("study/report"))),
]

CASES: list[Case] = [*SCORE, *EXPORT, *TRAIN, *INSPECT, *REPORT]
HEAVY = [*SCORE_HEAVY, *EXPORT_HEAVY, *TRAIN_HEAVY, *REPORT_HEAVY]
"""What only torch can tell."""
