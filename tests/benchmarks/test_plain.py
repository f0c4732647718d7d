"""The frozen plain recipe gives what the package gives."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from darkclr_ray.losses.anomaly_contrastive import anomaly_contrastive
from darkclr_ray.losses.norm_penalty import norm_penalty
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.networks.padded import pad
from darkclr_ray.networks.potential import ReconstructionPotential
from darkclr_ray.settings import EncoderSettings, NAESettings


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    path = Path(__file__).parents[2] / "studies" / "plain_recipe.py"
    spec = importlib.util.spec_from_file_location("plain_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plain_recipe"] = module
    spec.loader.exec_module(module)
    return module


def test_contrastive_step_ends_at_the_same_weights(plain: ModuleType) -> None:
    settings = EncoderSettings(d_r=16, d_h=32, d_z=8, layers=2, dropout=0.0)
    sizes = torch.randint(1, 30, (24,), generator=torch.Generator().manual_seed(0))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    constituents = torch.rand(int(offsets[-1]), 3) + 0.01
    encoder = Encoder(settings)
    slow = plain.PlainEncoder(settings).copy_weights(encoder)
    views = pad(constituents, offsets)[0].chunk(3)
    for _ in range(3):
        optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-3, eps=1e-4)
        anchor, positive, anomalous = encoder(constituents, offsets).head.chunk(3)
        loss = anomaly_contrastive(anchor, positive, anomalous, 0.1) + 1e-3 * norm_penalty(anchor)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        slow_optimiser = torch.optim.Adam(slow.parameters(), lr=1e-3, eps=1e-4)
        slow_loss = plain.contrastive_step(slow, slow_optimiser, views)
        # Similarities divided by 0.1 reach 20.
        assert float(loss.detach()) == pytest.approx(float(slow_loss), abs=1e-4)


def test_langevin_loop_without_noise_is_the_chain(plain: ModuleType) -> None:
    settings = NAESettings(hidden=(12, 6))
    autoencoder = Autoencoder(16, settings)
    slow = plain.copy_autoencoder(autoencoder, plain.plain_autoencoder(16, settings))
    z = torch.randn(30, 16)
    end = plain.langevin_loop(slow, z, 0.05, 0.0, 10)
    from darkclr_ray.langevin import langevin_chain

    chain = langevin_chain(
        ReconstructionPotential(autoencoder), z, step_size=0.05, noise=0.0, steps=10, generator=torch.Generator()
    )
    torch.testing.assert_close(chain.end, end, rtol=1e-5, atol=1e-5)
