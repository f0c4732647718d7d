"""The kernels for a GPU, run by Triton's interpreter where there is none, against the same written plainly."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from darkclr_ray.kernels.dropout import Dropout
from darkclr_ray.kernels.layers import layers_of
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings

from . import by_hand

pytest.importorskip("triton", reason="no Triton")

from darkclr_ray.kernels import gpu
from darkclr_ray.kernels.gpu import chains
from darkclr_ray.kernels.gpu.attention import packed_attention
from darkclr_ray.kernels.gpu.block import apply_blocks
from darkclr_ray.kernels.gpu.column_sums import column_sums
from darkclr_ray.kernels.gpu.matmul import aligned

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


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_blocks(rate: float) -> None:
    """Rows and all gradients as by the formulas, with the same masks."""
    settings = EncoderSettings(d_r=24, d_h=40, heads=2, layers=2, d_z=8)
    sizes = [5, 1, 19, 11]
    offsets = by_hand.offsets_of(sizes)
    rows, gradient = torch.randn(2, sum(sizes), 24)
    encoder = varied(Encoder(settings, seed=1))
    generator = torch.Generator().manual_seed(5)
    dropout = Dropout(rate, generator, values=len(rows) * 40, stride=19 * 40, uses=6)
    masks = [dropout.of_block(len(rows), settings) for _ in range(2)]

    def by_formulas(x: Tensor) -> Tensor:
        for block, own in zip(encoder.blocks, masks, strict=True):

            def dropped(values: Tensor, use: int, own=own) -> Tensor:  # type: ignore[no-untyped-def]
                mask = (own.attention, own.hidden, own.fed)[use]
                return values if mask is None else own.scale * torch.where(mask != 0, values, 0.0)

            x = by_hand.transformer_block(block, x, offsets, dropped)
        return x

    found = []
    for computed in (by_formulas, lambda x: apply_blocks(list(encoder.blocks), x, offsets, 19, masks, torch.float32)):
        encoder.zero_grad()
        own = rows.clone().requires_grad_()
        out = computed(own)
        out.backward(gradient)
        found.append([out.detach(), own.grad, *(p.grad for block in encoder.blocks for p in block.parameters())])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)


def varied(network: nn.Module) -> nn.Module:
    """With biases, slopes and layer norms that do something."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7))
    return network


def test_networks_are_those_by_pytorch() -> None:
    """Representations, energies and gradients by the registered methods; rows of no jet change nothing."""
    encoder = varied(Encoder(EncoderSettings(d_r=16, d_h=24, heads=2, layers=2, d_z=20)))
    autoencoder = varied(Autoencoder(20, NAESettings(hidden=(16, 9))))
    offsets = by_hand.offsets_of([3, 20, 1])
    constituents = torch.randn(30, 3)
    methods = [implementation.methods["forward"] for implementation in gpu.IMPLEMENTATIONS]
    found = []
    for encode, reconstruct in ((Encoder.forward, Autoencoder.forward), methods):
        encoder.zero_grad()
        autoencoder.zero_grad()
        z = encode(encoder, constituents, offsets).head
        out = reconstruct(autoencoder, z)
        out.square().sum().backward()
        found.append([z, out, *(p.grad for network in (encoder, autoencoder) for p in network.parameters())])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)


def test_column_sums() -> None:
    x = torch.randn(1100, 70)
    torch.testing.assert_close(column_sums(x), x.sum(0), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("activation", ["prelu", "relu", "gelu", "silu"])
@pytest.mark.parametrize(("d_z", "hidden", "count"), [(20, (16, 8), 21), (140, (32,), 5)])
def test_chains(activation: str, d_z: int, hidden: tuple[int, ...], count: int) -> None:
    """Chains without noise, and what is told of their last step, as by single steps."""
    autoencoder = Autoencoder(d_z, NAESettings(activation=activation, hidden=hidden), seed=2)
    start, generator = torch.randn(count, d_z), torch.Generator()
    on_chip = partial(gpu.autoencoder.walk_on_chip, autoencoder)
    found = []
    for walk in (on_chip, autoencoder.walk):
        end = start.clone()
        told = walk(end, step_size=0.05, noise=0.0, steps=4, generator=generator)
        found.append([end, told.before, told.after, told.back])
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_noise_of_chains() -> None:
    """Mean and variance of steps without a gradient; the same from the same seed."""
    autoencoder = Autoencoder(64, NAESettings(hidden=(16,)))

    def ends(seed: int) -> Tensor:
        z = torch.zeros(100, 64)
        generator = torch.Generator().manual_seed(seed)
        chains.walk(autoencoder, z, step_size=0.0, noise=0.5, steps=4, generator=generator)
        return z

    z = ends(1)
    error = 1 / z.numel() ** 0.5
    assert abs(float(z.mean())) < 5 * error
    assert float(z.var()) == pytest.approx(1.0, abs=5 * 2**0.5 * error)
    assert float((z[:, 0] * z[:, 1]).mean()) == pytest.approx(0.0, abs=5 * 100**-0.5)
    assert torch.equal(z, ends(1))
    assert not torch.equal(z, ends(2))


def test_widths_between_layers_are_filled_up() -> None:
    """Without another result, also for gradients."""
    autoencoder = Autoencoder(20, NAESettings(hidden=(16, 9), activation="silu"))
    weights, biases = ([getattr(layer, kind) for layer, _ in layers_of(autoencoder)] for kind in ("weight", "bias"))
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
