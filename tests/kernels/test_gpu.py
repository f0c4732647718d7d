"""The same numbers on a GPU, where attention is over packed rows."""

from __future__ import annotations

import pytest
import torch

from darkclr_ray.kernels.registry import use_kernels
from darkclr_ray.langevin import langevin_chain
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

SETTINGS = EncoderSettings(layers=2, dropout=0.1)


def jets() -> tuple[torch.Tensor, torch.Tensor]:
    sizes = torch.randint(1, 60, (300,))
    return torch.randn(int(sizes.sum()), 3), torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])


@pytest.mark.parametrize(("matmul_dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_encoder_and_gradients_as_on_the_cpu(matmul_dtype: torch.dtype, tolerance: float) -> None:
    constituents, offsets = jets()
    found = []
    for device, arithmetic in (("cpu", torch.float32), ("cuda", matmul_dtype)):
        encoder = Encoder(SETTINGS, matmul_dtype=arithmetic).to(device)
        use_kernels(encoder, "off" if device == "cpu" else "auto")
        head = encoder(constituents.to(device), offsets.to(device)).head
        head.square().mean().backward()
        found.append((head.detach().cpu(), torch.cat([p.grad.flatten().cpu() for p in encoder.parameters()])))
    for on_cpu, on_gpu, factor in zip(*found, (1, 5), strict=True):
        assert (on_cpu - on_gpu).norm() < factor * tolerance * on_cpu.norm()


def test_dropout_is_keyed_there_too() -> None:
    constituents, offsets = (tensor.cuda() for tensor in jets())
    encoder = Encoder(SETTINGS, matmul_dtype=torch.bfloat16).cuda()
    use_kernels(encoder)

    def run(seed: int) -> torch.Tensor:
        generator = torch.Generator("cuda").manual_seed(seed)
        with torch.no_grad():
            pooled: torch.Tensor = encoder(constituents, offsets, dropout=generator, longest=60).pooled
        return pooled

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_chain_waits_for_nothing() -> None:
    autoencoder = Autoencoder(64, NAESettings(), matmul_dtype=torch.bfloat16).cuda()
    start = torch.randn(500, 64, device="cuda")
    generator = torch.Generator("cuda").manual_seed(1)
    use_kernels(autoencoder)
    torch.cuda.set_sync_debug_mode("error")
    try:
        chain = langevin_chain(
            autoencoder.potential,
            start,
            step_size=0.05,
            noise=0.02,
            steps=40,
            generator=generator,
            walk=autoencoder.walk,
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert int(chain.nonfinite) == 0
    assert float(chain.displacement) > 0.01


@pytest.mark.parametrize("matmul_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("longest", [20, 60, 150])
def test_rows_of_no_jet_change_nothing(matmul_dtype: torch.dtype, longest: int) -> None:
    sizes = torch.randint(1, longest + 1, (200,))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)]).cuda()
    constituents = torch.randn(int(sizes.sum()), 3, device="cuda")
    found = []
    for rows in (constituents, torch.cat([constituents, torch.randn(77, 3, device="cuda")])):
        encoder = Encoder(SETTINGS, matmul_dtype=matmul_dtype).cuda()
        use_kernels(encoder)
        head = encoder(rows, offsets, longest=longest).head
        head.square().mean().backward()
        found.append((head.detach(), torch.cat([p.grad.flatten() for p in encoder.parameters()])))
    for own, other, factor in zip(*found, (1, 5), strict=True):
        # sums over rows are cut in other places
        assert (own - other).norm() < factor * (1e-5 if matmul_dtype == torch.float32 else 3e-3) * own.norm()


@pytest.mark.parametrize(("activation", "d_z"), [("prelu", 512), ("relu", 64), ("gelu", 700), ("silu", 64)])
def test_chains_on_the_chip(activation: str, d_z: int) -> None:
    """The same ends, without noise, as step by step; with it the same moments."""
    autoencoder = Autoencoder(d_z, NAESettings(activation=activation), matmul_dtype=torch.bfloat16).cuda()
    use_kernels(autoencoder)
    potential, walk = autoencoder.potential, autoencoder.walk
    start = torch.randn(1001, d_z, device="cuda")
    generator = torch.Generator("cuda").manual_seed(1)
    slow = langevin_chain(potential, start, step_size=0.05, noise=0.0, steps=12, generator=generator)
    fast = langevin_chain(potential, start, step_size=0.05, noise=0.0, steps=12, generator=generator, walk=walk)
    assert (slow.end - fast.end).norm() < 5e-3 * (slow.end - start).norm()
    moved = torch.zeros(4000, d_z, device="cuda")
    walk(moved, step_size=0.0, noise=0.5, steps=11, generator=generator)
    assert float(moved.mean().abs()) < 5 * 1.7 / (4000 * d_z) ** 0.5
    assert float(moved.var()) == pytest.approx(11 * 0.25, rel=0.02)
    assert float((moved.T[0] * moved.T[1]).mean().abs()) < 5 * 2.75 / 4000**0.5
    again = torch.zeros(4000, d_z, device="cuda")
    walk(again, step_size=0.0, noise=0.5, steps=11, generator=generator.manual_seed(2))
    walk(moved.zero_(), step_size=0.0, noise=0.5, steps=11, generator=generator.manual_seed(2))
    assert torch.equal(again, moved)
