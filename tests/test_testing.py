"""The conformance suite refuses detectors that break a promise, each with words that say which."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from darkclr_ray.detectors.base import Detector
from darkclr_ray.detectors.jet_mass import JetMass
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import check_detector, toy_jets


class Nameless(JetMass):
    name = ""


class NoReturn(JetMass):
    def fit(self, sample, runner):
        pass


class SinglePrecision(JetMass):
    def score(self, jets):
        return jets.mass


class Undefined(JetMass):
    """Not finite for small jets."""

    def score(self, jets):
        return np.where(jets.multiplicity < 5, np.nan, jets.mass.astype(np.float64))


class Restless(JetMass):
    """Draws anew in every score."""

    def score(self, jets):
        return np.random.default_rng().random(len(jets))


class Unseeded(JetMass):
    """Draws anew in every fit."""

    shift = 0.0

    def fit(self, sample, runner):
        self.shift = np.random.default_rng().random()
        return self

    def score(self, jets):
        return super().score(jets) + self.shift


class Telling(JetMass):
    """Looks jets up by their ids."""

    def score(self, jets):
        return (jets.ids % 1000).astype(np.float64)


class FirstComes(JetMass):
    """Takes whichever constituent happens to come first."""

    def score(self, jets):
        return jets.constituents[jets.offsets[:-1], 1].astype(np.float64)


class Neighbour(JetMass):
    """Compares a jet with the one beside it."""

    def score(self, jets):
        return super().score(jets) - np.roll(super().score(jets), 1)


class Batchwise(JetMass):
    """Centres the scores of a batch."""

    def score(self, jets):
        return super().score(jets) - jets.mass.mean()


class Squeezed(JetMass):
    """Loses the axis of a batch of one."""

    def score(self, jets):
        return super().score(jets) if len(jets) > 1 else np.float64(jets.mass[0])


class Forgetful(JetMass):
    """Saves nothing of what it was fitted to."""

    centre = 0.0

    def fit(self, sample, runner):
        self.centre = float(sample.jets.mass.mean())
        return self

    def score(self, jets):
        return np.abs(super().score(jets) - self.centre)


class Pickled(JetMass):
    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "detector.bin").write_bytes(pickle.dumps({"a": 1}))


class Careless(JetMass):
    """Scales the jets that it was lent."""

    def score(self, jets):
        jets.constituents[:, 0] *= 2.0
        return super().score(jets)


class Unready(JetMass):
    """Fails before the fit without saying why."""

    def fit(self, sample, runner):
        self.centre = 1.0
        return self

    def score(self, jets):
        return super().score(jets) - self.centre


class Unspoken(Detector):
    """Does not say what it is fitted on."""

    name = title = "unspoken"

    def fit(self, sample, runner):
        return self

    def score(self, jets):
        return jets.mass.astype(np.float64)

    def save(self, folder):
        pass

    @classmethod
    def load(cls, folder, runner=None):
        return cls()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Nameless, "needs a class attribute name"),
        (NoReturn, "end it with `return self`"),
        (SinglePrecision, "expected a numpy array of float64"),
        (Undefined, "is not finite for"),
        (Restless, "when asked a second time"),
        (Unseeded, "after a second fit on the same sample"),
        (Telling, "depends on ids or events"),
        (FirstComes, "depends on the order of a jet's constituents"),
        (Neighbour, "the same jets in another order"),
        (Batchwise, "has to be fixed by the fit"),
        (Squeezed, "for a batch of one jet"),
        (Forgetful, "save all that score uses"),
        (Pickled, "wrote a pickle into detector.bin"),
        (Careless, "changed the constituents of the jets it was given"),
        (Unready, "before a fit raised AttributeError"),
        (Unspoken, r"derive it from Detector\[TrainingSample\]"),
    ],
)
def test_a_broken_promise_is_named(broken, words):
    with pytest.raises(AssertionError, match=words):
        check_detector(broken)


def test_labels_are_not_handed_to_what_claims_to_need_none():
    with pytest.raises(AssertionError, match=r"is a Detector\[TrainingSample\] and was to be fitted on a Labelled"):
        check_detector(JetMass, LabelledSample(toy_jets(8), toy_jets(8, seed=1)))


def test_samples_and_jets_may_be_brought_along():
    check_detector(JetMass, TrainingSample(toy_jets(5)), toy_jets(9, most=50))


def test_toy_jets_are_what_jets_promise():
    jets = toy_jets(200, seed=1)
    assert len(np.unique(jets.ids)) == 200
    assert jets.multiplicity.min() >= 2
    within = np.diff(np.repeat(np.arange(200), jets.multiplicity)) == 0
    assert (np.diff(jets.constituents[:, 0])[within] <= 0).all()
