"""What every detector promises, shown on all there are."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from darkclr_ray.detectors.base import Detector
from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm, PlainEnergy
from darkclr_ray.detectors.multiplicity import Multiplicity
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.runner import Runner

SETTINGS = StudySettings.model_validate(
    {
        "encoder": {"d_r": 8, "d_h": 16, "d_z": 6, "heads": 2, "layers": 1},
        "contrastive": {"batch_size": 16, "epochs": 2, "learning_rate": 1e-3},
        "nae": {
            "hidden": (8, 4),
            "bottleneck": 2,
            "batch_size": 16,
            "reconstruction_epochs": 2,
            "divergence_epochs": 2,
            "steps": 5,
        },
    }
)
DETECTORS = [EncoderNorm, EncoderEnergy, PlainEnergy, Multiplicity]


def make(cls) -> Detector[TrainingSample]:
    return cls() if cls is Multiplicity else cls(SETTINGS)


@pytest.fixture(scope="module")
def sample(toy_jets) -> TrainingSample:
    return TrainingSample(toy_jets(64, seed=1, most=12))


@pytest.fixture(scope="module")
def jets(toy_jets) -> Jets:
    return toy_jets(40, seed=2, most=12)


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner(device="cpu", threads=1)


@pytest.fixture(params=DETECTORS, ids=lambda cls: cls.name)
def detector(request, sample, runner):
    return make(request.param).fit(sample, runner)


def permuted(jets: Jets, seed: int) -> Jets:
    """The same jets, each with its constituents in another order."""
    random = np.random.default_rng(seed)
    rows = np.concatenate(
        [random.permutation(np.arange(a, b)) for a, b in zip(jets.offsets[:-1], jets.offsets[1:], strict=True)]
    )
    return Jets(jets.constituents[rows], jets.offsets, jets.ids, jets.events, jets.kinematics)


def test_scores_are_finite_and_reproducible(detector, sample, jets):
    scores = detector.score(jets)
    assert scores.shape == (40,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    again = make(type(detector)).fit(sample, Runner(device="cpu")).score(jets)
    np.testing.assert_array_equal(scores, again)


def test_order_of_constituents_changes_nothing(detector, jets):
    np.testing.assert_allclose(detector.score(permuted(jets, 3)), detector.score(jets), rtol=1e-3, atol=1e-5)


def test_company_changes_nothing(detector, jets):
    scores = detector.score(jets)
    order = np.random.default_rng(4).permutation(40)
    np.testing.assert_allclose(detector.score(jets.take(order)), scores[order], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(detector.score(jets.take(np.array([7]))), scores[7:8], rtol=1e-3, atol=1e-5)


def test_saved_and_loaded_scores_are_the_same(detector, jets, tmp_path):
    detector.save(tmp_path)
    loaded = type(detector).load(tmp_path, Runner(device="cpu"))
    np.testing.assert_array_equal(loaded.score(jets), detector.score(jets))
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors"}


@pytest.mark.parametrize("cls", DETECTORS)
def test_no_label_can_reach_a_fit(cls):
    assert typing.get_type_hints(cls.fit)["sample"] is TrainingSample
    assert set(TrainingSample.__dataclass_fields__) == {"jets"}
    assert set(Jets.__dataclass_fields__) == {"constituents", "offsets", "ids", "events", "kinematics"}


@pytest.mark.parametrize("cls", [EncoderNorm, EncoderEnergy, PlainEnergy])
def test_a_score_before_a_fit_is_refused(cls, jets):
    with pytest.raises(ValueError, match="has not been fitted"):
        make(cls).score(jets)


def test_norm_and_energy_are_those_of_one_encoder(sample, runner, jets):
    kinds = []
    counting = Runner(device="cpu", report=lambda progress: kinds.append(progress.kind))
    norm, energy, plain = (make(cls).fit(sample, counting) for cls in (EncoderNorm, EncoderEnergy, PlainEnergy))
    assert kinds.count("representation") == SETTINGS.contrastive.epochs
    assert kinds.count("energy") == SETTINGS.nae.reconstruction_epochs + SETTINGS.nae.divergence_epochs
    assert norm.fitted[0] is energy.fitted[0] is plain.fitted[0]
    z = counting.represent(norm.fitted[0], jets)
    np.testing.assert_allclose(norm.score(jets), np.linalg.norm(z.astype(np.float64), axis=1))
    assert not np.array_equal(energy.score(jets), plain.score(jets))


def test_an_untrained_encoder_has_its_own_autoencoder(sample, runner, jets):
    untrained = EncoderEnergy(SETTINGS.updated({"contrastive": {"epochs": 0}})).fit(sample, runner)
    trained = EncoderEnergy(SETTINGS).fit(sample, runner)
    assert not np.array_equal(untrained.score(jets), trained.score(jets))


def test_multiplicity_counts():
    jets = Jets.from_lists([[[9.0, 0.0, 0.0], [1.0, 0.1, 0.0]], [[5.0, 0.0, 0.0]]])
    assert Multiplicity().score(jets).tolist() == [-2.0, -1.0]
