"""The kernels for a GPU, run by Triton's interpreter where there is none, against the same written plainly."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from darkclr_ray.networks.dropout import Dropout
from darkclr_ray.networks.layout import Packed
from darkclr_ray.networks.matmul import aligned
from darkclr_ray.networks.potential import ReconstructionPotential
from torch import Tensor, nn

from darkclr_ray.langevin import step_by_step
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings

from . import by_hand

pytest.importorskip("triton", reason="no Triton")

from darkclr_ray.networks.kernels.gpu.adam import FlatAdam
from darkclr_ray.networks.kernels.gpu.attention import packed_attention
from darkclr_ray.networks.kernels.gpu.block import blocks_on_gpu
from darkclr_ray.networks.kernels.gpu.chains import walk
from darkclr_ray.networks.kernels.gpu.column_sums import column_sums

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: test_gpu.py")


@pytest.mark.parametrize(("heads", "width", "sizes"), [(2, 8, [3, 1, 0, 16]), (1, 24, [30, 7]), (2, 16, [90, 130])])
def test_attention(heads: int, width: int, sizes: list[int]) -> None:
    """Jets of one row and of none; heads narrower than a matrix unit; several queries and keys at a time."""
    offsets = by_hand.offsets_of(sizes)
    projected = torch.randn(sum(sizes) + 3, 3 * heads * width)
    gradient = torch.randn(len(projected), heads * width)
    found = []
    for attention in (by_hand.attention, lambda p, h, o: packed_attention(p, h, o, max(sizes))):
        own = projected.clone().requires_grad_()
        out = attention(own, heads, offsets)
        out.backward(gradient)
        found.append((out.detach(), own.grad))
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_blocks(dropout: float) -> None:
    """Rows and all gradients as those of the blocks on a CPU, with the same masks."""
    settings = EncoderSettings(d_r=24, d_h=40, heads=2, layers=2, d_z=8, dropout=dropout)
    sizes = [5, 1, 19, 11]
    layout = Packed(by_hand.offsets_of(sizes), max(sizes), packed_attention)
    rows, gradient = torch.randn(2, sum(sizes), 24)
    found = []
    for fused in (False, True):
        encoder = Encoder(settings, seed=1)
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7))
        masks = Dropout(
            dropout,
            torch.Generator().manual_seed(5),
            values=len(rows) * 40,
            stride=19 * 40,
            uses=6,
            dtype=torch.int8 if fused else torch.float32,
        )
        own, of_blocks = rows.clone().requires_grad_(), [masks.of_block(len(rows), settings) for _ in range(2)]
        out = own
        if fused:
            out = blocks_on_gpu(list(encoder.blocks), own, layout, of_blocks, torch.float32)
        else:
            for block, mask in zip(encoder.blocks, of_blocks, strict=True):
                out = block(out, layout, mask, torch.float32)
        out.backward(gradient)
        gradients = [p.grad for block in encoder.blocks for p in block.parameters()]
        found.append([out.detach(), own.grad, *gradients])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)


def test_column_sums() -> None:
    x = torch.randn(1100, 70)
    torch.testing.assert_close(column_sums(x), x.sum(0), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("activation", ["prelu", "relu", "gelu", "silu"])
@pytest.mark.parametrize(("d_z", "hidden", "chains"), [(20, (16, 8), 21), (140, (32,), 5)])
def test_chains(activation: str, d_z: int, hidden: tuple[int, ...], chains: int) -> None:
    """Chains without noise, and what is told of their last step, as by single steps."""
    autoencoder = Autoencoder(d_z, NAESettings(activation=activation, hidden=hidden), seed=2)
    start, generator = torch.randn(chains, d_z), torch.Generator()
    potential, found = ReconstructionPotential(autoencoder), []
    for walks in (potential.on_gpu, partial(step_by_step, potential)):
        end = start.clone()
        told = walks(end, step_size=0.05, noise=0.0, steps=4, generator=generator)
        found.append([end, told.before, told.after, told.back])
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_noise_of_chains() -> None:
    """Mean and variance of steps without a gradient; the same from the same seed."""
    autoencoder = Autoencoder(64, NAESettings(hidden=(16,)))

    def ends(seed: int) -> Tensor:
        z = torch.zeros(100, 64)
        generator = torch.Generator().manual_seed(seed)
        walk(autoencoder, z, step_size=0.0, noise=0.5, steps=4, generator=generator)
        return z

    z = ends(1)
    error = 1 / z.numel() ** 0.5
    assert abs(float(z.mean())) < 5 * error
    assert float(z.var()) == pytest.approx(1.0, abs=5 * 2**0.5 * error)
    assert float((z[:, 0] * z[:, 1]).mean()) == pytest.approx(0.0, abs=5 * 100**-0.5)
    assert torch.equal(z, ends(1))
    assert not torch.equal(z, ends(2))


@pytest.mark.parametrize("betas", [(0.8, 0.99), (0.0, 0.0)])
def test_adam(betas: tuple[float, float]) -> None:
    """As torch's: from the start, and from a state that a file kept; a parameter without a gradient rests."""
    options = {"lr": 0.03, "betas": betas, "eps": 1e-3}
    shapes = [(3, 5), (7,), (1,), (40, 31)]
    start = [torch.randn(shape) for shape in shapes]
    plain, flat = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    expected, adopted = torch.optim.Adam(plain, **options), torch.optim.Adam(flat, **options)
    diverged_flag = torch.zeros(())
    steps = FlatAdam(adopted, diverged_flag)
    for turn in range(6):
        if turn == 3:
            later = torch.optim.Adam(flat, **options)
            later.load_state_dict(copy.deepcopy(adopted.state_dict()))
            adopted, steps = later, FlatAdam(later, diverged_flag)
        for place, (one, other) in enumerate(zip(plain, flat, strict=True)):
            one.grad = None if place == 2 else torch.randn(one.shape)
            other.grad = None if one.grad is None else one.grad.clone()
        expected.step()
        steps.step()
        diverged_flag.fill_(1.0)
        steps.step()
        diverged_flag.fill_(0.0)
        for one, other in zip(plain, flat, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)
    assert torch.equal(flat[2], start[2])
    assert float(adopted.state_dict()["state"][0]["step"]) == 6
    assert not FlatAdam.fits(torch.optim.SGD(flat, lr=0.1))


def test_widths_between_layers_are_filled_up() -> None:
    """Without another result, also for gradients."""
    autoencoder = Autoencoder(20, NAESettings(hidden=(16, 9), activation="silu"))
    weights, biases = ([getattr(layer, kind) for layer, _ in autoencoder.layers()] for kind in ("weight", "bias"))
    assert [tuple(w.shape) for w in aligned(weights, biases)[0]] == [
        (16, 20), (16, 16), (8, 16), (16, 8), (16, 16), (20, 16)
    ]  # fmt: skip
    found = []
    for own in ((weights, biases), aligned(weights, biases)):
        x = torch.linspace(-1, 1, 60).view(3, 20)
        for weight, bias in zip(*own, strict=True):
            x = torch.tanh(x @ weight.t() + bias)
        found.append((x, *torch.autograd.grad(x.square().sum(), [*weights, *biases])))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
