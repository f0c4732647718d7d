"""Trainings of the methods beside DarkCLR: chains, replay, resumption, and what they learn of known distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from darkclr_ray.jets.images import jet_images
from darkclr_ray.losses.wasserstein import wasserstein
from darkclr_ray.settings import DirichletVAESettings, ImageNAESettings, INNSettings, WNAESettings
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.dirichlet_vae import DirichletVAETraining
from darkclr_ray.training.image_nae import ImageNAETraining, clipped_rows
from darkclr_ray.training.inn import INNTraining, WhitenedFlow
from darkclr_ray.training.loop import StopTraining, run_training
from darkclr_ray.training.replay import ReplayBuffer
from darkclr_ray.training.wasserstein import WassersteinTraining

IMAGES = ImageNAESettings.model_validate(
    {
        "images": {"pixels": 8},
        "channels": 2,
        "hidden": 6,
        "batch_size": 16,
        "reconstruction_epochs": 2,
        "divergence_epochs": 3,
        "latent_steps": 3,
        "steps": 3,
    }
)
MIXTURES = DirichletVAESettings.model_validate({"images": {"pixels": 8}, "hidden": 6, "batch_size": 16, "epochs": 3})
FLOW = INNSettings(blocks=3, hidden=8, batch_size=16, epochs=3)
CHAINS = WNAESettings(hidden=(8,), bottleneck=2, batch_size=16, reconstruction_epochs=2, wasserstein_epochs=2, steps=3)


def normal(count, *deviations, seed=1):
    return np.random.default_rng(seed).normal(0, deviations, (count, len(deviations))).astype(np.float32)


def pixels(count=64):
    return jet_images(toy_jets(count, seed=1), IMAGES.images)


def make(kind):
    return {
        "image_energy": lambda: ImageNAETraining(pixels(), IMAGES, seed=1),
        "dirichlet_vae": lambda: DirichletVAETraining(pixels(), MIXTURES, seed=1),
        "inn": lambda: INNTraining(normal(64, 1, 2, 3), FLOW, seed=1),
        "wasserstein": lambda: WassersteinTraining(normal(64, 1, 2, 3), CHAINS, seed=1),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "finished"),
    [("image_energy", 1), ("image_energy", 3), ("dirichlet_vae", 1), ("inn", 1), ("wasserstein", 3)],
)
def test_a_resumed_training_ends_with_the_same_weights(kind, finished, tmp_path):
    torch.set_num_threads(1)

    def stop(progress):
        if progress.finished and progress.epoch + 1 == finished:
            raise StopTraining

    whole = run_training(make(kind))
    with pytest.raises(StopTraining):
        run_training(make(kind), folder=tmp_path, report=stop)
    resumed = run_training(make(kind), folder=tmp_path)
    assert len(resumed.history) == whole.epochs
    for name, module in whole.artifacts().items():
        other = resumed.artifacts()[name].state_dict()
        assert all(torch.equal(value, other[key]) for key, value in module.state_dict().items()), name


@pytest.mark.parametrize("kind", ["image_energy", "dirichlet_vae", "inn", "wasserstein"])
def test_keys_tell_inputs_and_seeds_apart(kind):
    training, other = make(kind), make(kind)
    assert training.key() == other.key()
    other.table = other.table + 1
    assert training.key() != other.key()
    constant = np.ones((20, training.table.shape[1]), dtype=np.float32)
    with pytest.raises(TrainingDiverged, match="all 20 inputs are the same"):
        type(training)(constant, training.settings, seed=1)
    constant[0, 0] = np.nan
    with pytest.raises(ValueError, match="nan or inf"):
        type(training)(constant, training.settings, seed=1)


def test_the_replay_buffer_keeps_the_last_ends():
    buffer, random = ReplayBuffer(5, 2), torch.Generator().manual_seed(1)
    assert buffer.starts(1000, 0.95, random).std() == pytest.approx(1.0, abs=0.1)
    for number in (1.0, 2.0, 3.0):
        buffer.push(torch.full((2, 2), 100 * number))
    assert buffer.ends[:, 0].tolist() == [300, 300, 200, 200, 100]
    starts = buffer.starts(4000, 0.75, random)
    replayed = starts[:, 0] > 50
    assert float(replayed.double().mean()) == pytest.approx(0.75, abs=0.03)
    assert float(starts[~replayed].std()) == pytest.approx(1.0, abs=0.1)
    assert sorted(set(starts[replayed][:, 1].tolist())) == [100.0, 200.0, 300.0]


def test_image_chains_descend_on_the_sphere_and_on_pixels():
    settings = IMAGES.model_copy(update={"latent_noise": 0.0, "noise": 0.0, "steps": 20, "gradient_clip": 1e9})
    training = ImageNAETraining(pixels(), settings, seed=1)
    training.generator.manual_seed(1)
    starts = training.buffer.starts(32, 0.0, training.generator)
    training.generator.manual_seed(1)
    ends = training.chains(32)
    model = training.model.eval()
    with torch.no_grad():
        begin = model.energy(model.decode(torch.nn.functional.normalize(starts, dim=1)))
        latent = model.energy(model.decode(training.buffer.ends))
        assert latent.mean() <= begin.mean() * 1.001
        assert model.energy(ends).mean() < latent.mean()
    torch.testing.assert_close(training.buffer.ends.norm(dim=1), torch.ones(32))
    assert not ends.requires_grad


def test_gradients_are_clipped_by_row_or_by_image():
    gradient = torch.zeros(2, 64)
    gradient[0, 0], gradient[0, 8], gradient[1, 0] = 3.0, 4.0, 0.005
    by_row = clipped_rows(gradient, IMAGES)
    assert by_row[0, [0, 8]].tolist() == pytest.approx([0.01, 0.01])
    by_image = clipped_rows(gradient, IMAGES.model_copy(update={"clip": "image"}))
    assert by_image[0, [0, 8]].tolist() == pytest.approx([0.006, 0.008])
    assert by_row[1, 0] == by_image[1, 0] == gradient[1, 0]


def test_images_have_two_phases_and_keep_the_best_epoch():
    training = run_training(ImageNAETraining(pixels(), IMAGES, seed=2))
    assert [record["phase"] for record in training.history] == ["reconstruction"] * 2 + ["contrastive_divergence"] * 3
    differences = [abs(record["energy_difference"]) for record in training.history[2:]]
    assert training.best["epoch"] == 2 + int(np.argmin(differences))
    plain = ImageNAETraining(pixels(), IMAGES.model_copy(update={"divergence_epochs": 0}), seed=2)
    plain = run_training(plain)
    x = torch.from_numpy(pixels(10))
    assert torch.equal(plain.model.energy(x), training.plain.energy(x))
    assert not torch.equal(training.model.energy(x), training.plain.energy(x))


def test_whitening():
    y = normal(500, 1, 2, 3) @ np.array([[1, 2, 0], [0, 1, 1], [0, 0, 1]], dtype=np.float32) + 5
    model = WhitenedFlow(3, FLOW)
    model.whiten(y)
    u = model.whitened(torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(u.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(u, rowvar=False), np.eye(3), atol=1e-4)


def test_the_flow_learns_a_density_that_is_not_normal():
    random = np.random.default_rng(1)
    x = random.normal(size=2000)
    y = np.stack([x, x**2 + 0.3 * random.normal(size=2000)], axis=1).astype(np.float32)
    settings = INNSettings(blocks=6, hidden=32, batch_size=200, epochs=15, learning_rate=5e-3, noise_decay=0.5)
    model = run_training(INNTraining(y, settings, seed=1)).model
    on_curve, off_curve = (torch.tensor([[-1.5, value], [1.5, value]]) for value in (2.25, -1.0))
    with torch.no_grad():
        density = [-model.negative_log_density(model.whitened(points)) for points in (on_curve, off_curve)]
    assert (density[0] > density[1] + 0.5).all()


def test_mixtures_of_two_kinds_of_images_are_found():
    random = np.random.default_rng(2)
    left = random.random(400) < 0.5
    x = np.full((400, 64), 1e-4)
    x[left, :32] += random.random((left.sum(), 32))
    x[~left, 32:] += random.random(((~left).sum(), 32))
    x = (x / x.sum(1, keepdims=True)).astype(np.float32)
    settings = MIXTURES.model_copy(update={"alphas": (1.0, 1.0), "epochs": 20, "hidden": 20})
    model = run_training(DirichletVAETraining(x, settings, seed=1)).model
    with torch.no_grad():
        mixture = torch.softmax(model.encode(torch.from_numpy(x))[0], 1)[:, 0].numpy()
    first, second = mixture[left].mean(), mixture[~left].mean()
    assert abs(first - second) > 0.5


def test_the_wasserstein_distance_of_chains_decreases():
    data = normal(512, 1, 1, seed=3)
    data[:, 1] = data[:, 0] + 0.05 * data[:, 1]  # a line, near which the chains have to stay
    settings = WNAESettings(
        hidden=(16,),
        bottleneck=1,
        batch_size=128,
        reconstruction_epochs=5,
        wasserstein_epochs=25,
        steps=5,
        step_size=0.4,
        noise=0.1,
    )
    training = run_training(WassersteinTraining(data, settings, seed=1))
    distances = [record["distance"] for record in training.history[5:]]
    assert np.mean(distances[-5:]) < 0.85 * np.mean(distances[:3])
    assert training.best["value"] == min(distances)


def test_chains_carry_the_gradient_of_the_weights():
    training = WassersteinTraining(normal(64, 1, 2, 3), CHAINS, seed=1)
    training.generator.manual_seed(1)
    ends = training.chains(16)
    assert float(ends.detach().abs().max()) <= CHAINS.bound
    wasserstein(torch.zeros(16, 3), ends).backward()
    gradients = [weight.grad for weight in training.model.parameters() if weight.grad is not None]
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0
