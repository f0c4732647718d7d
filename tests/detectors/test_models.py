"""Models: folders that say what they are, hold no code, and load without Ray."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.darkclr import EncoderEnergy
from darkclr_ray.detectors.models import describe, load_model, save_model
from darkclr_ray.integrity import folder_digests
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.testing import holds_pickle, toy_jets
from darkclr_ray.training.trainer import Trainer


@pytest.fixture(scope="module")
def fitted(settings):
    runner, sample = Trainer(device="cpu"), TrainingSample(toy_jets(64, seed=1))
    names = ("s_CLR", "s_NAE", "views_classifier", "JetCLR s_CLR", "isolation_forest")
    return {name: registry.make(name, settings).fit(sample, runner) for name in names}


def test_what_was_saved_scores_the_same(fitted, tmp_path: Path) -> None:
    jets = toy_jets(30, seed=2)
    together = ("s_CLR", "s_NAE", "views_classifier", "isolation_forest")
    save_model(tmp_path / "model", [fitted[name] for name in together], jets={"train/qcd": "abc"}, metrics={"a": 1})
    assert describe(tmp_path / "model")["detectors"] == list(together)
    assert read_json(tmp_path / "model" / "metrics.json") == {"a": 1}
    for name in together:
        loaded = load_model(tmp_path / "model", name)
        np.testing.assert_array_equal(loaded.score(jets), fitted[name].score(jets))
    assert type(load_model(tmp_path / "model")).name == "s_CLR"
    assert not any(holds_pickle(path) for path in (tmp_path / "model").iterdir())
    assert len({path.stat().st_mode for path in (tmp_path / "model").iterdir()}) == 1


def test_a_link_to_a_model_stays_one(fitted, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "model").symlink_to("scratch/model")
    for name in ("s_CLR", "isolation_forest"):
        save_model(tmp_path / "model", [fitted[name]], jets={})
        assert describe(tmp_path / "model")["detectors"] == [name]
        assert (tmp_path / "model").is_symlink()
        assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
            ["model", "scratch", "model", *(path.name for path in (tmp_path / "scratch" / "model").iterdir())]
        )
    with pytest.raises(ValueError, match="a disk is mounted there"):
        save_model("/proc", [fitted["s_CLR"]], jets={})


def test_detectors_that_disagree_are_kept_apart(fitted, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"JetCLR s_CLR and another detector of the model disagree on"):
        save_model(tmp_path / "model", [fitted["s_CLR"], fitted["JetCLR s_CLR"]], jets={})
    assert not list(tmp_path.iterdir())


def test_a_model_runs_no_code_that_was_not_asked_for(fitted, tmp_path: Path) -> None:
    save_model(tmp_path / "model", [fitted["s_CLR"]], jets={})
    description = describe(tmp_path / "model") | {"detectors": ["antigravity:Detector"]}
    write_json(tmp_path / "model" / "model.json", description)
    with pytest.raises(ValueError, match="not part of this package; ask for it by name"):
        load_model(tmp_path / "model")


def rewrite(path: Path, content: bytes) -> None:
    """Another content of a model's file, with its checksum."""
    path.write_bytes(content)
    model = path.parent / "model.json"
    write_json(model, read_json(model) | {"files": folder_digests(path.parent, but={"model.json"})})


def test_a_model_of_an_earlier_version_is_read_with_a_warning(fitted, tmp_path: Path, caplog) -> None:
    """Its trainings may be costly to repeat, and nothing says that it is damaged."""
    folder, jets = tmp_path / "model", toy_jets(30, seed=2)
    save_model(folder, [fitted["s_CLR"]], jets={})
    known = read_json(folder / "model.json")
    old = {name: value for name, value in known.items() if name != "files"} | {"format": 1}
    (folder / "model.json").write_text(json.dumps(old))
    for _ in range(2):
        np.testing.assert_array_equal(load_model(folder).score(jets), fitted["s_CLR"].score(jets))
    assert [message.startswith(f"{folder}: a model without checksums") for message in caplog.messages] == [True]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "model.json").unlink(), "no model, it has no model.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "model.json: damaged"),
        (lambda folder: (folder / "model.json").write_text('{"format": 9, "detectors": []}'), "format 9"),
        (lambda folder: (folder / "settings.yaml").unlink(), "settings.yaml: no such file"),
        (lambda folder: (folder / "settings.yaml").write_text("encoder: {d_z: 7}"), "settings.yaml: damaged"),
        (lambda folder: (folder / "encoder.safetensors").write_bytes(b"garbage"), "encoder.safetensors: damaged"),
        (lambda folder: rewrite(folder / "settings.yaml", b"encoder: {d_z: many}"), "settings cannot be read"),
        (lambda folder: rewrite(folder / "settings.yaml", b"a: ["), "settings cannot be read"),
        (lambda folder: rewrite(folder / "settings.yaml", b"encoder: {d_z: 7}"), "does not hold the weights"),
        (lambda folder: rewrite(folder / "encoder.safetensors", b"garbage"), "does not hold the weights"),
        (lambda folder: (folder / "encoder.safetensors").unlink(), "encoder.safetensors"),
    ],
)
def test_damage_is_explained(change, words: str, fitted, tmp_path: Path) -> None:
    save_model(tmp_path / "model", [fitted["s_CLR"]], jets={})
    change(tmp_path / "model")
    with pytest.raises(ValueError, match=words):
        load_model(tmp_path / "model")


def test_a_bottleneck_that_the_jets_determined_is_read_from_the_weights(settings, tmp_path):
    """Its width is not in the settings, which hold the largest one."""
    narrow = settings.updated({"nae": {"bottleneck": 4, "narrow_bottleneck": True}})
    jets = toy_jets(60, 1)
    detector = EncoderEnergy(narrow).fit(TrainingSample(jets), Trainer(device="cpu"))
    width = detector.model.autoencoder.decoder[0].in_features
    assert width < 4
    detector.save(tmp_path)
    loaded = EncoderEnergy.load(tmp_path, Trainer(device="cpu"))
    assert loaded.model.autoencoder.decoder[0].in_features == width
    np.testing.assert_array_equal(loaded.score(jets), detector.score(jets))
