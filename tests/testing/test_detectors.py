"""The conformance suite itself: a good detector of somebody else's passes, and each broken promise is told apart."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.saving import load_arrays, save_arrays
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.testing import check_detector, holds_pickle, tied_orders, toy_jets
from darkclr_ray.training.trainer import Trainer


class Distance(AnomalyDetector[TrainingSample]):
    """Distance of a jet's mass from the mean mass of the background: what somebody's first detector looks like."""

    name = "distance"
    title = "distance from the mean mass"

    def __init__(self) -> None:
        self.mean: float | None = None

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        self.mean = float(sample.jets.mass.mean(dtype=np.float64))
        return self

    def score(self, jets: Jets):
        return np.abs(jets.mass.astype(np.float64) - self.ready(self.mean))

    def save(self, folder: Path) -> None:
        save_arrays(folder / "mean.safetensors", {"mean": np.array([self.ready(self.mean)])})

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls()
        detector.mean = float(load_arrays(folder / "mean.safetensors")["mean"][0])
        return detector


class Nameless(Distance):
    name = ""


class FromAnything(AnomalyDetector):
    name, title = "anything", "fitted on anything"
    fit, score, save, load = Distance.fit, Distance.score, Distance.save, Distance.load


class FromRawJets(AnomalyDetector[Jets]):
    name, title = "raw", "fitted on jets"
    fit, score, save, load = Distance.fit, Distance.score, Distance.save, Distance.load


class NothingReturned(Distance):
    def fit(self, sample, runner):
        super().fit(sample, runner)


class SinglePrecision(Distance):
    def score(self, jets):
        return super().score(jets).astype(np.float32)


class Infinite(Distance):
    def score(self, jets):
        return np.where(jets.multiplicity == jets.multiplicity[4], np.inf, super().score(jets))


class Forgetful(Distance):
    def score(self, jets):
        self.mean = self.ready(self.mean) + 1.0
        return super().score(jets)


class Chance(Distance):
    def fit(self, sample, runner):
        self.mean = np.random.default_rng().normal()
        return self


class Cheat(Distance):
    def score(self, jets):
        return super().score(jets) + (jets.events % 2)


class FirstOfEquals(Distance):
    def score(self, jets):
        return super().score(jets) + 100.0 * jets.constituents[jets.offsets[1:] - 1, 1]


class Companion(Distance):
    def score(self, jets):
        return np.abs(jets.mass.astype(np.float64) - jets.mass.mean(dtype=np.float64)) + 0 * self.ready(self.mean)


class Neighbour(Distance):
    def score(self, jets):
        return super().score(jets) + np.roll(jets.multiplicity, 1)


class Squeezed(Distance):
    def score(self, jets):
        scores = super().score(jets)
        return scores if len(jets) > 1 else scores.squeeze()


class Vandal(Distance):
    def score(self, jets):
        scores = super().score(jets)
        jets.constituents[:, 0] = 0.5
        return scores


class Unrefused(Distance):
    def ready(self, part):
        return part


class HalfSaved(Distance):
    def save(self, folder):
        save_arrays(folder / "mean.safetensors", {"mean": np.array([round(self.ready(self.mean))])})


class Labels(Distance):
    def fit(self, sample, runner):
        self.mean = sample.labels.mean()
        return self


class Pickled(Distance):
    def save(self, folder):
        super().save(folder)
        (folder / "model.bin").write_bytes(pickle.dumps(self))


def test_a_detector_of_somebody_else_passes():
    check_detector(Distance)
    check_detector(Distance, TrainingSample(toy_jets(50, seed=9)), toy_jets(12, seed=8))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Nameless, "needs a class attribute name"),
        (FromAnything, r"derive it from AnomalyDetector\[TrainingSample\]"),
        (FromRawJets, "is fitted on Jets; only TrainingSample, which holds no label"),
        (NothingReturned, "end it with `return self`"),
        (SinglePrecision, r"gave ndarray of float32 and shape \(40,\)"),
        (Infinite, "is not finite for"),
        (Forgetful, "when asked a second time"),
        (Chance, "after a second fit on the same sample"),
        (Cheat, "depends on ids or events"),
        (FirstOfEquals, "order of a jet's constituents where their pT is equal"),
        (Companion, "among others; what a score needs to know of other jets has to be fixed by the fit"),
        (Neighbour, "for the same jets in another order"),
        (Squeezed, r"gave shape \(\) for a batch of one jet"),
        (Vandal, "changed the constituents of the jets"),
        (Unrefused, "before a fit raised TypeError"),
        (HalfSaved, "after save and load"),
        (
            Labels,
            r"asked for 'labels' of a TrainingSample, which has only jets: .* has no labels",
        ),
        (Pickled, "wrote a pickle into model.bin"),
    ],
)
def test_a_broken_promise_is_told(broken, words):
    with pytest.raises(AssertionError, match=words):
        check_detector(broken)


def test_labels_are_not_handed_to_an_unsupervised_detector():
    labelled = LabelledSample(toy_jets(9, seed=1), toy_jets(9, seed=2))
    with pytest.raises(AssertionError, match="one that uses labels derives from"):
        check_detector(Distance, labelled)


def test_tied_orders_are_two_orders_of_the_same_jets():
    tied, shuffled = tied_orders(toy_jets(200, seed=1))
    assert not np.array_equal(tied.constituents, shuffled.constituents)
    for jets in (tied, shuffled):
        inside = np.ones(len(jets.constituents) - 1, dtype=bool)
        inside[jets.offsets[1:-1] - 1] = False
        assert (np.diff(jets.constituents[:, 0])[inside] <= 0).all()
    for first, last in zip(tied.offsets[:-1], tied.offsets[1:], strict=True):
        assert sorted(tied.constituents[first:last].tolist()) == sorted(shuffled.constituents[first:last].tolist())


def test_pickles_are_found_wherever_they_hide(tmp_path):
    harmless, harmful = {}, {}
    for folder in (harmless, harmful):
        folder["path"] = tmp_path / ("harmless" if folder is harmless else "harmful")
        folder["path"].mkdir()
    for names in range(1, 40):  # the length of the header, the first byte of all, takes many values
        save_arrays(harmless["path"] / f"{names}.safetensors", {f"{n}" * 9: np.zeros(1) for n in range(names)})
    np.savez(harmless["path"] / "arrays.npz", a=np.zeros(3))
    (harmless["path"] / "settings.json").write_text(json.dumps({"a": 1}))
    (harmless["path"] / "empty").touch()
    np.save(harmful["path"] / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(harmful["path"] / "objects.npz", a=np.array([{}], dtype=object))
    torch.save({"a": torch.zeros(1)}, harmful["path"] / "weights.pt")
    for protocol in range(2, 6):
        (harmful["path"] / f"{protocol}.pkl").write_bytes(pickle.dumps({"a": 1}, protocol))
    assert not [path.name for path in harmless["path"].iterdir() if holds_pickle(path)]
    assert all(holds_pickle(path) for path in harmful["path"].iterdir())


def test_toy_jets_are_what_jets_promise():
    jets = toy_jets(200, seed=1)
    assert len(np.unique(jets.ids)) == 200
    assert jets.multiplicity.min() >= 2
    within = np.diff(np.repeat(np.arange(200), jets.multiplicity)) == 0
    assert (np.diff(jets.constituents[:, 0])[within] <= 0).all()
