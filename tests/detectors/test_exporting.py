"""Exported graphs say what the detectors say, in torch's own form and in onnxruntime, for any number and length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.detectors import registry
from darkclr_ray.detectors.exporting import Portable, padded
from darkclr_ray.detectors.models import load_model, save_model
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.trainer import Trainer

NAMES = ("s_NAE", "s_CLR", "s_AE")


@pytest.fixture(scope="module")
def model(settings, tmp_path_factory) -> Path:
    runner, sample = Trainer(device="cpu"), TrainingSample(toy_jets(64, seed=1))
    folder = tmp_path_factory.mktemp("exporting") / "model"
    few = settings.updated({"inputs": {"constituents": 12, "pt": "fraction"}})
    save_model(folder, [registry.make(name, few).fit(sample, runner) for name in NAMES], jets={})
    return folder


@pytest.fixture(scope="module")
def graphs(model: Path) -> dict[str, object]:
    for ending in ("onnx", "pt2"):
        assert darkclr(["export", str(model), "--out", str(model.with_name("new") / f"graph.{ending}")]) == 0
    folder = model.with_name("new")
    assert sorted(path.name for path in folder.iterdir()) == ["graph.onnx", "graph.pt2"]
    session = onnxruntime.InferenceSession(folder / "graph.onnx", providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["representation", *NAMES]
    program = torch.export.load(folder / "graph.pt2").module()
    return {
        "onnx": lambda inputs: session.run(None, {name: values.numpy() for name, values in inputs.items()}),
        "pt2": lambda inputs: [output.numpy() for output in program(*inputs.values())],
    }


@pytest.mark.parametrize("form", ["onnx", "pt2"])
@pytest.mark.parametrize(
    "jets",
    [toy_jets(40, seed=2, most=30), toy_jets(3, seed=3, most=8), toy_jets(1, seed=4), toy_jets(1, seed=5).hardest(1)],
    ids=["many, longer than the network's", "few and short", "one", "one of one"],
)
def test_graphs_say_what_detectors_say(form: str, jets: Jets, graphs, model: Path) -> None:
    outputs = graphs[form](padded(jets))
    for name, scores in zip(NAMES, outputs[1:], strict=True):
        expected = load_model(model, name, Trainer(device="cpu")).score(jets)
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(), err_msg=name)
    assert outputs[0].shape == (len(jets), 6)


def test_padding_is_inert(graphs) -> None:
    inputs = padded(toy_jets(5, seed=6))
    longer = {
        "constituents": torch.nn.functional.pad(inputs["constituents"], (0, 0, 0, 4), value=7.0),
        "mask": torch.nn.functional.pad(inputs["mask"], (0, 4)),
        "pt": inputs["pt"],
    }
    for form in graphs.values():
        for mine, theirs in zip(form(inputs), form(longer), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5 * np.abs(mine).max())


def test_what_cannot_be_exported_is_explained(settings, model: Path, capsys) -> None:
    runner, sample = Trainer(device="cpu"), TrainingSample(toy_jets(64, seed=1))
    trees = registry.make("isolation_forest", settings).fit(sample, runner)
    with pytest.raises(ValueError, match="isolation_forest cannot be exported"):
        Portable([trees])
    other = registry.make("JetCLR s_CLR", settings).fit(sample, runner)
    with pytest.raises(ValueError, match="look at different encoders"):
        Portable([load_model(model, "s_CLR"), other])
    for words, message in (
        ([str(model), "--out", "graph.txt"], "takes a file that ends in .pt2 or .onnx"),
        ([str(model)], "required: --out"),
        ([str(model), "--out", "graph.onnx", "--detectors", "x"], "has no detector 'x'"),
    ):
        with pytest.raises(SystemExit) as end:
            darkclr(["export", *words])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
