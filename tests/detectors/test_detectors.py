"""What every detector promises, checked on all there are, and what each of them is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm, PlainEnergy
from darkclr_ray.detectors.jet_mass import JetMass
from darkclr_ray.detectors.jet_pt import JetPt
from darkclr_ray.detectors.jetclr import JetCLREnergy, JetCLRNorm
from darkclr_ray.detectors.multiplicity import Multiplicity
from darkclr_ray.detectors.raw_nae import RawEnergy, side_by_side
from darkclr_ray.detectors.untrained import UntrainedEnergy
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import InputSettings
from darkclr_ray.testing import check_detector, toy_jets
from darkclr_ray.training.trainer import Trainer

SUPERVISED = {"supervised", "supervised_observables", "boosted_trees"}
UNTRAINED = {"multiplicity", "jet_pt", "jet_mass"}


@pytest.fixture(scope="module")
def sample() -> TrainingSample:
    return TrainingSample(toy_jets(64, seed=1))


@pytest.fixture(scope="module")
def jets() -> Jets:
    return toy_jets(40, seed=2)


@pytest.fixture(scope="module")
def runner() -> Trainer:
    return Trainer(device="cpu")


@pytest.mark.parametrize("name", registry.names())
def test_promises_are_kept(name, settings):
    check_detector(lambda: registry.make(name, settings))


@pytest.mark.parametrize("name", registry.names())
def test_labels_go_to_the_supervised_alone(name):
    assert registry.find(name).sample_type() is (LabelledSample if name in SUPERVISED else TrainingSample)


@pytest.mark.parametrize("name", sorted(set(registry.names()) - UNTRAINED))
def test_a_score_before_a_fit_is_refused(name, settings, jets):
    with pytest.raises(ValueError, match="has not been fitted"):
        registry.make(name, settings).score(jets)


def test_labels_are_out_of_reach_of_a_training():
    assert set(TrainingSample.__dataclass_fields__) == {"jets"}
    assert set(Jets.__dataclass_fields__) == {"constituents", "offsets", "ids", "events", "kinematics"}


def test_loading_from_the_wrong_folder_is_explained(tmp_path):
    for name in sorted(set(registry.names()) - UNTRAINED):
        with pytest.raises(ValueError, match=r"no such file; a detector is loaded from the folder"):
            registry.find(name).load(tmp_path / "nothing")


def test_norm_and_energy_are_those_of_one_encoder(sample, settings, jets):
    kinds = []
    counting = Trainer(device="cpu", report=lambda progress: kinds.append(progress.kind))
    norm, energy, plain = (cls(settings).fit(sample, counting) for cls in (EncoderNorm, EncoderEnergy, PlainEnergy))
    assert kinds.count("representation") == settings.contrastive.epochs
    assert kinds.count("energy") == settings.nae.reconstruction_epochs + settings.nae.divergence_epochs
    assert norm.fitted[0] is energy.fitted[0] is plain.fitted[0]
    z = counting.represent(norm.fitted[0], jets)
    np.testing.assert_allclose(norm.score(jets), np.linalg.norm(z.astype(np.float64), axis=1))
    assert not np.array_equal(energy.score(jets), plain.score(jets))


def test_an_untrained_encoder_is_the_initial_one_with_its_own_autoencoder(sample, settings, runner, jets):
    untrained = UntrainedEnergy(settings).fit(sample, runner)
    assert untrained.fitted[0].history == []
    same = EncoderEnergy(settings.updated({"contrastive": {"epochs": 0}})).fit(sample, runner)
    np.testing.assert_array_equal(untrained.score(jets), same.score(jets))
    assert not np.array_equal(untrained.score(jets), EncoderEnergy(settings).fit(sample, runner).score(jets))


def test_jetclr_contrasts_two_views_without_an_anomalous_one(sample, settings, runner):
    norm = JetCLRNorm(settings).fit(sample, runner)
    encoder, _ = norm.fitted
    batch = next(iter(encoder.source.stream(0, 1)))
    assert batch.views == 2
    assert encoder.settings.loss == "nt_xent"
    assert "similarity_anomalous" not in encoder.history[0]
    # splitting makes constituents, so that views have more than the jets
    assert batch.offsets[-1] > 2 * sample.jets.take(rows_of(sample.jets, batch.ids)).multiplicity.sum()
    assert JetCLREnergy(settings).fit(sample, runner).fitted[0] is encoder
    assert norm.settings.encoder == settings.encoder
    assert norm.settings.nae == settings.updated({"nae": {"views_p_drop": ()}}).nae


def rows_of(jets: Jets, ids) -> np.ndarray:
    return np.array([np.flatnonzero(jets.ids == number)[0] for number in ids])


def test_raw_energy_is_the_error_of_its_autoencoder_on_padded_constituents(sample, settings, runner, jets):
    detector = RawEnergy(settings).fit(sample, runner)
    x = torch.from_numpy(side_by_side(jets, settings.inputs))
    assert x.shape == (40, 150)
    scaled = (x - detector.model.mean) / detector.model.scale
    error = (scaled - detector.model.autoencoder(scaled)).square().mean(1)
    np.testing.assert_allclose(detector.score(jets), error.numpy(), rtol=1e-5)


def test_constituents_side_by_side_are_centred_scaled_and_padded():
    jets = Jets.from_lists([[[200.0, 0.1, 0.0], [100.0, -0.2, 0.3]], [[50.0, 0.2, 0.2]]])
    x = side_by_side(jets, InputSettings(constituents=3))
    expected = [[200 / 300, 0.1, -0.1, 100 / 300, -0.2, 0.2, 0, 0, 0], [50 / 300, 0, 0, 0, 0, 0, 0, 0, 0]]
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_cuts_look_at_one_observable():
    jets = Jets.from_lists([[[9.0, 0.0, 0.0], [1.0, 0.1, 0.0]], [[5.0, 0.0, 0.0]]])
    jets.kinematics[:, 3] = [2.0, 1.0]
    assert Multiplicity().score(jets).tolist() == [-2.0, -1.0]
    assert JetPt().score(jets).tolist() == pytest.approx([10.0, 5.0])
    assert JetMass().score(jets).tolist() == [2.0, 1.0]


def test_names_and_titles_are_unique():
    found = [registry.find(name) for name in registry.names()]
    assert len({cls.title for cls in found}) == len(found) > 10
    assert all(issubclass(cls, AnomalyDetector) for cls in found)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("s_NEA", "did you mean 's_NAE'"),
        ("no_such.module:Mine", "no_such"),
        ("darkclr_ray.detectors.multiplicity:Nothing", "has no attribute 'Nothing'"),
        ("darkclr_ray.jets.packed:Jets", "is not a class derived from"),
    ],
)
def test_an_unknown_detector_is_explained(entry, words):
    with pytest.raises(ValueError, match=words):
        registry.find(entry)
