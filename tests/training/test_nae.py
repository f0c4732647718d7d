"""The normalised autoencoder's training: scale, energies, chain health, divergence."""

from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch

from darkclr_ray.detectors.darkclr import nae_training
from darkclr_ray.evaluation.roc import rejection_at
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.settings import NAESettings
from darkclr_ray.store.fingerprints import participants
from darkclr_ray.training import energy_model, nae
from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.energy_model import energies, fitted_scale, moments
from darkclr_ray.training.loop import StopTraining, run_training
from darkclr_ray.training.nae import MISMATCH, NAETraining
from darkclr_ray.training.trainer import Trainer


def with_nae(toy, **changes):
    return toy.energy_training(toy.SETTINGS.updated({"nae": changes}))


def test_energy_is_the_mean_squared_error_of_the_scaled_representation(toy):
    training = run_training(toy.energy_training())
    z = training.z[:5]
    scaled = (z - training.z.mean(0)) / np.sqrt(training.z.var(0).mean())
    with torch.no_grad():
        reconstruction = training.model.autoencoder(torch.from_numpy(scaled)).numpy()
        energy = training.model(torch.from_numpy(z.copy())).numpy()
    np.testing.assert_allclose(energy, ((scaled - reconstruction) ** 2).mean(1), rtol=1e-4)


def test_scales():
    z = np.random.default_rng(1).normal([0, 5, 2], [1.0, 10.0, 0.0], (1000, 3)).astype(np.float32)
    mean, scale = fitted_scale(z, "dimension")
    np.testing.assert_allclose(((z - mean) / scale)[:, :2].std(0), 1.0, rtol=1e-4)
    assert scale[2] == pytest.approx(0.01 * math.sqrt(np.square(z.std(0)).mean()), rel=1e-3)
    mean, scale = fitted_scale(z, "global")
    assert np.ptp(scale) == 0
    assert np.square(((z - mean) / scale).std(0)).mean() == pytest.approx(1.0, rel=1e-4)
    mean, scale = fitted_scale(z, "none")
    assert (mean == 0).all()
    assert (scale == 1).all()


@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_moments_do_not_depend_on_blocks(block, monkeypatch):
    monkeypatch.setattr(energy_model, "BLOCK", block)
    z = np.random.default_rng(1).normal(3.0, [1.0, 10.0, 0.1], (1000, 3)).astype(np.float32)
    mean, deviation = moments(z)
    np.testing.assert_array_equal(mean, z.mean(0, dtype=np.float64))
    np.testing.assert_array_equal(deviation, z.std(0, dtype=np.float64))


@pytest.mark.parametrize("pool", [32, nae.POOL])
def test_weights_are_the_same_from_memory_and_from_a_file(toy, tmp_path, monkeypatch, pool):
    """Over the whole training, whether all representations fit into one pool of the shuffle or not."""
    monkeypatch.setattr(nae, "POOL", pool)
    first = toy.energy_training()
    np.save(tmp_path / "z.npy", first.z)
    on_disk = np.load(tmp_path / "z.npy", mmap_mode="r")
    second = NAETraining(on_disk, toy.SETTINGS.nae, seed=toy.SETTINGS.seed)
    for training in (first, second):
        run_training(training)
    for name, weights in first.model.state_dict().items():
        np.testing.assert_array_equal(weights, second.model.state_dict()[name])


@pytest.mark.parametrize("ranks", [1, 2])
def test_pools_hold_each_representation_once_an_epoch(toy, monkeypatch, ranks):
    monkeypatch.setattr(nae, "POOL", 32)
    training = toy.energy_training(count=87)
    everything = training.model.scaled(torch.from_numpy(training.z)).numpy()
    streams = [training.stream(training.epochs - 2, rank, ranks) for rank in range(ranks)]
    batches = [np.concatenate(parts) for parts in zip(*streams, strict=True)]
    assert [len(batch) for batch in batches] == [16] * 10
    for epoch in (batches[:5], batches[5:]):
        rows = [np.flatnonzero((everything == row).all(axis=1)) for batch in epoch for row in batch]
        assert len(set(np.concatenate(rows).tolist())) == 80
    assert not np.array_equal(batches[0], batches[5])


def test_two_phases_and_their_records(toy):
    training = run_training(toy.energy_training())
    assert [record["phase"] for record in training.history] == ["reconstruction"] * 2 + ["contrastive_divergence"] * 4
    for record in training.history[2:]:
        assert record["energy_difference"] == record["energy_data"] - record["energy_chain"]
        assert record["temperature"] == pytest.approx(0.005**2 / (2 * 0.05))
        assert 0.0 <= record["acceptance"] <= 1.0
        assert record["nonfinite"] == 0
        assert record["displacement"] > 0.01
        assert not record["standing_still"]


def test_plain_autoencoder_is_the_end_of_pre_training(toy):
    both = run_training(toy.energy_training())
    only = run_training(with_nae(toy, divergence_epochs=0))
    for (name, value), other in zip(both.plain.state_dict().items(), only.model.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    assert not torch.equal(both.model(torch.from_numpy(both.z)), both.plain(torch.from_numpy(both.z)))


def test_views_choose_the_epoch_of_pre_training(toy):
    """The plain autoencoder is that of the best epoch; contrastive divergence starts from it."""
    settings = toy.SETTINGS.updated({"nae": {"reconstruction_epochs": 6, "divergence_epochs": 0}}).nae
    z = toy.energy_training().z
    views = z + np.random.default_rng(1).normal(0.0, 0.5, z.shape).astype(np.float32)
    epochs, judge = [], NAETraining(z, settings, seed=1, views=views)
    end = judge.end_epoch
    judge.end_epoch = lambda means: (end(means), epochs.append(copy.deepcopy(judge.model.state_dict())))[0]
    run_training(judge)
    models = [model_of(judge, state) for state in epochs]
    by_hand = [rejection_at(model(torch.tensor(z)).numpy(), model(torch.tensor(views)).numpy()) for model in models]
    assert [record["views_rejection"] for record in judge.history] == pytest.approx(by_hand)
    best = max(range(len(by_hand)), key=lambda epoch: (by_hand[epoch], epoch))
    for name, value in judge.model.state_dict().items():
        assert torch.equal(value, epochs[best][name]), name
        assert torch.equal(value, judge.plain.state_dict()[name]), name
    longer = NAETraining(z, settings.model_copy(update={"divergence_epochs": 1}), seed=1, views=views)
    longer.history = judge.history
    longer.plain.load_state_dict(judge.plain.state_dict())
    longer.begin_epoch(6)
    for name, value in longer.model.state_dict().items():
        assert torch.equal(value, epochs[best][name]), name


def test_views_choose_the_epoch_of_contrastive_divergence_by_area(toy):
    """The kept weights are those whose energy has the largest probability to be higher for a view than for a jet."""
    changes = {"divergence_selection": "views", "divergence_epochs": 5, "divergence_learning_rate": 1e-2}
    changes |= {"noise": None, "temperature": 2.0, "step_size": 0.1}
    z = toy.energy_training().z
    views = z + np.random.default_rng(1).normal(0.0, 0.5, z.shape).astype(np.float32)
    training = NAETraining(z, toy.SETTINGS.updated({"nae": changes}).nae, seed=1, views=views)
    run_training(training)
    areas = [record["views_area"] for record in training.history[2:] if "warning" not in record]
    background, anomalous = (energies(training.model, values) for values in (z, views))
    pairs = np.mean([[a > b for b in background] for a in anomalous])
    assert max(areas) == pytest.approx(pairs)
    assert len(set(areas)) > 1
    without = NAETraining(z, toy.SETTINGS.updated({"nae": changes}).nae, seed=1)
    run_training(without)
    kept = min(without.history[2:], key=lambda record: abs(record["energy_difference"]))
    assert without.best["epoch"] == kept["epoch"]


def model_of(training, state):
    model = copy.deepcopy(training.model)
    model.load_state_dict(state)
    return model.requires_grad_(False)


def test_chains_that_stand_still_are_flagged(toy):
    history = run_training(with_nae(toy, step_size=1e-7, noise=0.0)).history
    assert all(record["standing_still"] and "stand still" in record["warning"] for record in history[2:])
    assert history[-1]["acceptance"] is None  # undefined without noise


def test_chains_that_end_above_the_data_are_flagged(toy):
    noisy = run_training(with_nae(toy, step_size=1e-3, noise=1.0)).history[-1]
    assert noisy["above_data"]
    assert noisy["energy_chain"] > MISMATCH * noisy["energy_data"]
    assert "higher in energy than the data" in noisy["warning"]
    assert "lower nae.noise (1)" in noisy["warning"]


def test_chains_that_end_below_the_data_are_flagged(toy):
    cold = run_training(with_nae(toy, step_size=0.2, noise=None, temperature=1e-3, steps=40)).history[-1]
    assert cold["below_data"]
    assert not cold["above_data"]
    assert cold["energy_chain"] < cold["energy_data"] / MISMATCH
    assert "lower in energy than the data" in cold["warning"]
    assert "raise nae.temperature (0.001)" in cold["warning"]


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_temperature_is_in_units_of_the_energy_after_pre_training(toy, ratio):
    training = run_training(with_nae(toy, noise=None, temperature=ratio, step_size=0.02))
    energy = energies(training.plain, training.z).mean()
    for record in training.history[2:]:
        assert record["temperature"] == pytest.approx(ratio * energy, rel=1e-6)
    assert training.noise == pytest.approx(math.sqrt(2 * 0.02 * ratio * energy))


def test_equipartition(toy):
    """Chains on U = |z - z'|^2 of an autoencoder whose output is constant: at T = 2 E they end at the energy E.

    U is then quadratic in all d dimensions, each of which holds T / 2 in equilibrium: E = U / d = T / 2.
    """
    training = toy.energy_training(
        toy.SETTINGS.updated(
            {
                "nae": {
                    "noise": None,
                    "temperature": 2.0,
                    "step_size": 0.02,
                    "steps": 200,
                    "reconstruction_epochs": 0,
                    "divergence_epochs": 1,
                    "divergence_learning_rate": 1e-12,
                }
            }
        ),
        count=2000,
    )
    for module in (training.model, training.plain):
        with torch.no_grad():
            module.autoencoder.decoder[-1].weight.zero_()
            module.autoencoder.decoder[-1].bias.zero_()
    record = run_training(training).history[-1]
    assert record["energy_data"] == pytest.approx(1.0, rel=0.02)  # scaled data around a constant
    assert record["energy_chain"] == pytest.approx(record["energy_data"], rel=0.05)
    assert "warning" not in record


def test_noise_and_temperature_exclude_each_other():
    for given in ({"temperature": 2.0}, {"noise": None}):
        with pytest.raises(ValueError, match="give exactly one of the two"):
            NAESettings(**given)


def test_a_killed_training_has_the_same_temperature(toy, tmp_path):
    """The noise is derived again from the plain autoencoder in the checkpoint."""

    def stop(progress):
        if progress.epoch == 3 and progress.finished:
            raise StopTraining("in the middle of contrastive divergence")

    make = partial(with_nae, toy, noise=None, temperature=2.0)
    with pytest.raises(StopTraining):
        run_training(make(), folder=tmp_path, report=stop)
    continued, whole = run_training(make(), folder=tmp_path), run_training(make())
    assert continued.noise == whole.noise
    assert torch.equal(continued.model(torch.tensor(whole.z)), whole.model(torch.tensor(whole.z)))


@pytest.mark.parametrize(("deviations", "bottleneck"), [((1.0,), 1), ((1.0, 1.0, 0.5), 2), ((1.0,) * 5, 3)])
def test_bottleneck_is_not_wider_than_the_effective_rank(toy, deviations, bottleneck):
    """z varies in some directions of six dimensions: effective ranks 1.0, 2.6 and 5.0; the setting is the maximum."""
    random = np.random.default_rng(2)
    directions = np.linalg.qr(random.normal(size=(6, 6)))[0][: len(deviations)]
    z = (random.normal(0.0, deviations, (4000, len(deviations))) @ directions).astype(np.float32)
    settings = toy.SETTINGS.updated({"nae": {"bottleneck": 3, "narrow_bottleneck": True}}).nae
    training = NAETraining(z, settings, seed=1)
    assert training.bottleneck == bottleneck
    assert run_training(training).history[-1]["bottleneck"] == bottleneck
    assert training.model.autoencoder.decoder[0].in_features == bottleneck
    wide = NAETraining(z, settings.model_copy(update={"narrow_bottleneck": False}), seed=1)
    assert wide.model.autoencoder.decoder[0].in_features == 3


def test_a_seed_of_its_own(toy):
    """Draws follow the autoencoder's seed where there is one, and a study's seed else."""
    z = toy.energy_training().z
    one, same, other = (
        NAETraining(z, toy.SETTINGS.nae.model_copy(update={"seed": own}), seed=seed)
        for own, seed in ((5, 1), (None, 5), (6, 5))
    )
    assert one.key() == same.key() != other.key()
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), same.model.parameters(), strict=True))


def test_displacement_is_in_units_of_the_datas_spread(toy):
    z = toy.energy_training(count=800).z
    for factor in (1.0, 100.0):
        settings = toy.SETTINGS.updated(
            {"nae": {"scale": "none", "step_size": 1e-9, "noise": 0.3 * factor, "steps": 4}}
        )
        training = NAETraining(z * np.float32(factor), settings.nae, seed=1)
        spread = np.sqrt(np.square(z.std(0)).mean())
        record = run_training(training).history[-1]
        assert record["displacement"] == pytest.approx(0.3 * math.sqrt(4) / spread, rel=0.05)  # pure diffusion


def test_a_step_size_that_blows_up_ends_the_training(toy):
    training = with_nae(toy, step_size=30.0, steps=40)
    weights = []

    def remember(progress):
        weights.append({name: value.clone() for name, value in training.model.state_dict().items()})

    with pytest.raises(TrainingDiverged, match=r"chains ran away .* in epoch 2, step 0 .* step size 30"):
        run_training(training, report=remember)
    for name, value in training.model.state_dict().items():
        assert torch.equal(value, weights[-1][name])


def test_batches_depend_on_seed_and_epoch_only(toy):
    training = toy.energy_training()
    whole = list(training.stream(0, 0, 1))
    assert len(whole) == training.epochs * training.steps_per_epoch
    late = list(training.stream(3, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(whole[3 * training.steps_per_epoch :], late, strict=True))
    halves = zip(training.stream(0, 0, 2), training.stream(0, 1, 2), strict=True)
    assert all(torch.equal(a, torch.cat(pair)) for a, pair in zip(whole, halves, strict=True))
    epoch = torch.cat(whole[: training.steps_per_epoch])
    assert len(epoch.unique(dim=0)) == len(epoch) == 80
    assert not torch.equal(whole[0], whole[training.steps_per_epoch])


def test_unusable_representations_are_refused(toy):
    with pytest.raises(ValueError, match="finite"):
        NAETraining(np.full((10, 6), np.nan, dtype=np.float32), toy.SETTINGS.nae, seed=1)
    with pytest.raises(ValueError, match="two or more representations, not 1"):
        NAETraining(np.ones((1, 6), dtype=np.float32), toy.SETTINGS.nae, seed=1)
    with pytest.raises(TrainingDiverged, match="all 10 representations are the same, since the encoder has collapsed"):
        NAETraining(np.ones((10, 6), dtype=np.float32), toy.SETTINGS.nae, seed=1)


def test_more_workers_than_a_batch_has_members_are_refused(toy):
    with pytest.raises(ValueError, match="a batch of 16 jets cannot be shared among 17 workers"):
        next(toy.energy_training().stream(0, 0, 17))


def test_code_that_makes_representations_takes_part(toy):
    runner = Trainer(device="cpu")
    training = nae_training(toy.SETTINGS, toy.encoder_training(), TrainingSample(toy.toy_jets(40)), runner)
    taking_part = participants(*training.plugin_modules())
    assert {"darkclr_ray.training.inference", "darkclr_ray.augmentations.anomalous"} <= set(taking_part)


def test_key_without_a_source_holds_the_content(toy):
    z = toy.energy_training().z
    keys = [NAETraining(values, toy.SETTINGS.nae, seed=1).key() for values in (z, z.copy(), z + 1)]
    assert keys[0] == keys[1] != keys[2]
