"""The fast versions give what the paper's recipe gives, written plainly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from darkclr_ray.augmentations.views import make_views
from darkclr_ray.benchmarks import reference as plain
from darkclr_ray.jets.packed import Jets
from darkclr_ray.kernels.registry import use_kernels
from darkclr_ray.langevin import langevin_chain
from darkclr_ray.losses.anomaly_contrastive import anomaly_contrastive
from darkclr_ray.losses.norm_penalty import norm_penalty
from darkclr_ray.losses.similarity import similarities
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.networks.padding import pad
from darkclr_ray.settings import EncoderSettings, InputSettings, NAESettings, ViewSettings
from darkclr_ray.training.nae import NAETraining

ENCODER = EncoderSettings(d_r=64, d_h=128, d_z=32, layers=2, dropout=0.0)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(1)


def packed(jets: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three views of as many jets, as constituents and offsets; the anomalous ones are softer and fewer."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(8, 50, (3 * jets,), generator=generator)
    sizes[2 * jets :] //= 2
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    constituents = torch.randn(int(offsets[-1]), 3, generator=generator) * 0.3
    constituents[:, 0] = constituents[:, 0].abs() + 0.01
    constituents[offsets[2 * jets] :, 0] *= 2
    return constituents, offsets


def views(constituents: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    anchor, positive, anomalous = pad(constituents, offsets, 50)[0].chunk(3)
    return anchor, positive, anomalous


def loss_of(encoder: Encoder, constituents: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    head = encoder(constituents, offsets).head
    z = head.view(3, -1, head.shape[1])
    positive, anomalous = similarities(z)
    return anomaly_contrastive(positive, anomalous, 0.1) + 1e-3 * norm_penalty(z[0]), head


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_contrastive_step_in_float32() -> None:
    """Representations, loss, gradients of all weights and weights after a step, from the same weights."""
    constituents, offsets = packed(60)
    encoder = Encoder(ENCODER)
    use_kernels(encoder)
    slow = plain.PlainEncoder(ENCODER).copy_weights(encoder)
    optimiser, slow_optimiser = (torch.optim.SGD(network.parameters(), lr=1e-3) for network in (encoder, slow))
    loss, head = loss_of(encoder, constituents, offsets)
    expected = torch.cat([slow(view) for view in views(constituents, offsets)])
    assert relative(head.detach(), expected.detach()) < 1e-5
    loss.backward()
    slow_loss = plain.contrastive_step(slow, slow_optimiser, views(constituents, offsets))
    # a difference of two cosines, each rounded at 1e-7, divided by 0.1
    assert float(loss.detach()) == pytest.approx(float(slow_loss), rel=1e-5, abs=1e-5)
    ours = plain.PlainEncoder(ENCODER).copy_weights(encoder)
    gradients, slow_gradients = (by_name(encoder, slow, of) for of in ("ours", "plain"))
    whole, slow_whole = (torch.cat([g.flatten() for g in of.values()]) for of in (gradients, slow_gradients))
    assert relative(whole, slow_whole) < 1e-5
    for name, gradient in slow_gradients.items():
        # those of the keys' biases are zero but for rounding
        assert float((gradients[name] - gradient).norm()) < 5e-5 * float(gradient.norm()) + 1e-7 * float(
            slow_whole.norm()
        )
    optimiser.step()
    ours.copy_weights(encoder)
    for found, other in zip(ours.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(found, other, rtol=1e-5, atol=1e-6)


def by_name(encoder: Encoder, slow: plain.PlainEncoder, of: str) -> dict[str, Tensor]:
    """Gradients by the plain encoder's names; those of the package's are carried over as if they were weights."""
    if of == "plain":
        return {name: parameter.grad for name, parameter in slow.named_parameters() if parameter.grad is not None}
    carrier = Encoder(ENCODER)
    carrier.load_state_dict({name: parameter.grad for name, parameter in encoder.named_parameters()})
    return {n: p.detach() for n, p in plain.PlainEncoder(ENCODER).copy_weights(carrier).named_parameters()}


def test_loss_curve_in_bfloat16() -> None:
    """A short training in bfloat16 falls like the plain one in float32, pass by pass; single steps scatter."""
    steps, batches = 32, [packed(24, seed) for seed in range(8)]
    settings = ENCODER.model_copy(update={"d_r": 32, "d_h": 64})
    encoder = Encoder(settings, matmul_dtype=torch.bfloat16)
    use_kernels(encoder)
    slow = plain.PlainEncoder(settings).copy_weights(encoder)
    optimiser, slow_optimiser = (torch.optim.Adam(network.parameters(), lr=1e-3) for network in (encoder, slow))
    curves: list[list[float]] = [[], []]
    for step in range(steps):
        constituents, offsets = batches[step % 8]
        loss, _ = loss_of(encoder, constituents, offsets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        curves[0].append(float(loss.detach()))
        curves[1].append(float(plain.contrastive_step(slow, slow_optimiser, views(constituents, offsets))))
    fast, expected = (torch.tensor(curve) for curve in curves)
    fall = float(expected[0] - expected[-8:].mean())
    assert fall > 3
    passes = (fast - expected).reshape(-1, 8).mean(1)
    assert float(passes.abs().max()) < 0.08 * fall


def autoencoders(d_z: int, matmul_dtype: torch.dtype) -> tuple[Autoencoder, torch.nn.Sequential, NAESettings]:
    settings = NAESettings(hidden=(64, 16), steps=10, step_size=0.05, noise=0.0)
    autoencoder = Autoencoder(d_z, settings, matmul_dtype=matmul_dtype)
    use_kernels(autoencoder)
    return autoencoder, plain.copy_autoencoder(autoencoder, plain.plain_autoencoder(d_z, settings)), settings


@pytest.mark.parametrize(("matmul_dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_chain_without_noise(matmul_dtype: torch.dtype, tolerance: float) -> None:
    autoencoder, slow, settings = autoencoders(128, matmul_dtype)
    z = torch.randn(300, 128)
    end = plain.langevin_loop(slow, z, settings.step_size, 0.0, settings.steps)
    chain = langevin_chain(
        autoencoder.potential,
        z,
        step_size=0.05,
        noise=0.0,
        steps=10,
        generator=torch.Generator(),
        walk=autoencoder.walk,
    )
    assert relative(chain.end - z, end - z) < tolerance


def test_chain_with_noise_has_the_same_distribution() -> None:
    autoencoder, slow, settings = autoencoders(32, torch.float32)
    z = torch.randn(4000, 32)
    end = plain.langevin_loop(slow, z, 0.05, 0.2, settings.steps)
    chain = langevin_chain(
        autoencoder.potential,
        z,
        step_size=0.05,
        noise=0.2,
        steps=settings.steps,
        generator=torch.Generator().manual_seed(3),
        walk=autoencoder.walk,
    ).end
    for moment in (1, 2):
        ours, theirs = ((chain - z) ** moment).mean(1), ((end - z) ** moment).mean(1)
        error = float((ours.var() + theirs.var()).sqrt()) / 4000**0.5
        assert float((ours.mean() - theirs.mean()).abs()) < 5 * error


@pytest.mark.parametrize("phase", ["reconstruction", "divergence"])
def test_autoencoder_step(phase: str) -> None:
    """The weights after a step of the whole training, from the same weights and batch, with chains without noise."""
    _, _, settings = autoencoders(64, torch.float32)
    rates = {"reconstruction_learning_rate": 1e-3, "divergence_learning_rate": 1e-3}
    settings = settings.model_copy(update={"batch_size": 200, **rates})
    z = np.random.default_rng(1).normal(size=(200, 64)).astype(np.float32)
    training = NAETraining(z, settings, seed=1, source={})
    training.to(torch.device("cpu"), "float32")
    slow = plain.copy_autoencoder(training.model.autoencoder, plain.plain_autoencoder(64, settings))
    optimiser = torch.optim.Adam(slow.parameters(), lr=1e-3)
    training.begin_epoch(0 if phase == "reconstruction" else settings.reconstruction_epochs)
    batch = next(training.stream(0, 0, 1))
    metrics = training.step(batch)
    if phase == "reconstruction":
        loss = plain.reconstruction_step(slow, optimiser, batch)
    else:
        loss = plain.divergence_step(slow, optimiser, batch, settings)
    assert metrics["loss"] == pytest.approx(float(loss), rel=1e-5)
    fast = plain.copy_autoencoder(training.model.autoencoder, plain.plain_autoencoder(64, settings))
    for found, expected in zip(fast.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_views_have_the_same_statistics(toy_jets: Callable[..., Jets]) -> None:
    """Of each view: where its centroid lies, how far it reaches, how many constituents and how much pT it has."""
    jets = toy_jets(3000, most=50)
    padded, _ = pad(torch.from_numpy(jets.constituents), torch.from_numpy(jets.offsets), 50)
    batch = make_views(jets, ViewSettings(p_drop=0.5), InputSettings(), seed=1, epoch=0)
    ours = views(torch.from_numpy(batch.constituents), torch.from_numpy(batch.offsets))
    for fast, expected in zip(ours, plain.three_views(padded, 0.5), strict=True):
        for name, found in observables(fast).items():
            theirs = observables(expected)[name]
            error = float((found.var() + theirs.var()).sqrt()) / len(jets) ** 0.5
            assert float((found.mean() - theirs.mean()).abs()) < 5 * error + 1e-6, name


def test_dropping_restores_the_vector_pt_of_each_jet(toy_jets: Callable[..., Jets]) -> None:
    """In both: that of the centred jet, before it is turned and shifted."""
    jets = toy_jets(500, most=50)
    padded, _ = pad(torch.from_numpy(jets.constituents), torch.from_numpy(jets.offsets), 50)
    batch = make_views(jets, ViewSettings(p_drop=0.5, anomalous=("dropping",)), InputSettings(), seed=1, epoch=0)
    *_, anomalous = views(torch.from_numpy(batch.constituents), torch.from_numpy(batch.offsets))
    before = plain.centred(padded)
    for after, scale in ((anomalous, 300), (plain.dropped(before, 0.5), 1)):
        torch.testing.assert_close(scale * plain.jet_pt(after), plain.jet_pt(before), rtol=1e-5, atol=0.0)
        assert int((after[:, :, 0] > 0).sum()) < int((before[:, :, 0] > 0).sum())


def observables(jets: Tensor) -> dict[str, Tensor]:
    """Numbers (B,) of zero-padded jets."""
    there = jets[:, :, 0] > 0
    pt = jets[:, :, 0]
    weights = pt / pt.sum(1, keepdim=True)
    eta, phi = ((weights * jets[:, :, axis]).sum(1) for axis in (1, 2))
    width = (weights * torch.hypot(jets[:, :, 1] - eta[:, None], jets[:, :, 2] - phi[:, None])).sum(1)
    return {
        "constituents": there.sum(1).float(),
        "pt": pt.sum(1),
        "eta": eta,
        "phi": phi,
        "distance": torch.hypot(eta, phi),
        "width": width,
        "hardest": pt.amax(1),
    }
