"""The same numbers on a GPU, where attention is over packed rows."""

from __future__ import annotations

import pytest
import torch

from darkclr_ray.langevin import langevin_chain
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.networks.potential import ReconstructionPotential
from darkclr_ray.settings import EncoderSettings, NAESettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

SETTINGS = EncoderSettings(layers=2, dropout=0.1)


def jets() -> tuple[torch.Tensor, torch.Tensor]:
    sizes = torch.randint(1, 60, (300,))
    return torch.randn(int(sizes.sum()), 3), torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])


@pytest.mark.parametrize(("products", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_encoder_and_gradients_as_on_the_cpu(products: torch.dtype, tolerance: float) -> None:
    constituents, offsets = jets()
    found = []
    for device, arithmetic in (("cpu", torch.float32), ("cuda", products)):
        encoder = Encoder(SETTINGS, products=arithmetic).to(device)
        head = encoder(constituents.to(device), offsets.to(device)).head
        head.square().mean().backward()
        found.append((head.detach().cpu(), torch.cat([p.grad.flatten().cpu() for p in encoder.parameters()])))
    for on_cpu, on_gpu, factor in zip(*found, (1, 5), strict=True):
        assert (on_cpu - on_gpu).norm() < factor * tolerance * on_cpu.norm()


def test_dropout_is_keyed_there_too() -> None:
    constituents, offsets = (tensor.cuda() for tensor in jets())
    encoder = Encoder(SETTINGS, products=torch.bfloat16).cuda()

    def run(seed: int) -> torch.Tensor:
        generator = torch.Generator("cuda").manual_seed(seed)
        with torch.no_grad():
            pooled: torch.Tensor = encoder(constituents, offsets, dropout=generator, longest=60).pooled
        return pooled

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_chain_waits_for_nothing() -> None:
    autoencoder = Autoencoder(64, NAESettings(), products=torch.bfloat16).cuda()
    start = torch.randn(500, 64, device="cuda")
    generator = torch.Generator("cuda").manual_seed(1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        chain = langevin_chain(
            ReconstructionPotential(autoencoder), start, step_size=0.05, noise=0.02, steps=40, generator=generator
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert int(chain.nonfinite) == 0
    assert float(chain.displacement) > 0.01
