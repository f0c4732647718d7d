"""The encoder on packed jets, by PyTorch and by kernels, against its padded form, torch's own layers and itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor, nn

from darkclr_ray.kernels.frozen import frozen_weights
from darkclr_ray.kernels.registry import Kernels
from darkclr_ray.networks.encoder import Encoder, dropped
from darkclr_ray.networks.padding import pad
from darkclr_ray.settings import EncoderSettings
from darkclr_ray.training.base import place

CPU = torch.device("cpu")
SETTINGS = EncoderSettings(d_r=32, d_h=160, d_z=12, heads=4, layers=2, head_layers=2, dropout=0.25)
either = pytest.mark.parametrize("kernels", ["off", "auto"])
SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=12)


def encoder_of(kernels: Kernels, precision: str = "float32", **changes: float) -> Encoder:
    encoder = Encoder(SETTINGS.model_copy(update=changes))
    place(encoder, CPU, precision, kernels)
    return encoder


def random_jets(sizes: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(int(offsets[-1]), 3, generator=generator), offsets


def relative(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).detach().norm() / reference.detach().norm())


def flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def gradients(encoder: Encoder) -> dict[str, Tensor]:
    found = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    return found


@either
@given(SIZES)
@examples(max_examples=25)
def test_packed_is_padded(kernels: Kernels, sizes: list[int]) -> None:
    constituents, offsets = random_jets(sizes)
    encoder = encoder_of(kernels)
    packed = encoder(constituents, offsets)
    padded = encoder.padded(*pad(constituents, offsets, max(sizes) + 3))
    torch.testing.assert_close(packed.pooled, padded.pooled, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(packed.head, padded.head, rtol=1e-5, atol=1e-5)


@either
@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [200], [7, 1, 50, 3, 3, 200], list(range(1, 60))])
def test_gradients_packed_are_those_padded(kernels: Kernels, sizes: list[int]) -> None:
    constituents, offsets = random_jets(sizes)
    encoder = encoder_of(kernels)
    weights = torch.randn(len(sizes), SETTINGS.d_z)
    (encoder(constituents, offsets).head * weights).sum().backward()
    packed = gradients(encoder)
    (encoder.padded(*pad(constituents, offsets)).head * weights).sum().backward()
    padded = gradients(encoder)
    assert packed.keys() == padded.keys()
    for name in packed:
        assert (packed[name] - padded[name]).norm() <= 1e-5 * padded[name].norm() + 1e-5, name


@either
@given(SIZES, st.randoms(use_true_random=False))
@examples(max_examples=20)
def test_order_of_constituents_and_other_jets_do_not_matter(kernels: Kernels, sizes: list[int], random) -> None:  # type: ignore[no-untyped-def]
    constituents, offsets = random_jets(sizes)
    encoder = encoder_of(kernels)
    together = encoder(constituents, offsets).head
    for jet in range(len(sizes)):
        rows = list(range(int(offsets[jet]), int(offsets[jet + 1])))
        random.shuffle(rows)
        alone = encoder(constituents[rows], torch.tensor([0, len(rows)])).head
        torch.testing.assert_close(alone[0], together[jet], rtol=1e-5, atol=1e-5)


@either
def test_weights_that_stay_are_laid_out_once(kernels: Kernels) -> None:
    constituents, offsets = random_jets([3, 17, 1])
    encoder = encoder_of(kernels)
    with torch.no_grad():
        expected = encoder(constituents, offsets).head
        with frozen_weights(encoder):
            for _ in range(2):
                assert torch.equal(encoder(constituents, offsets).head, expected)
        for parameter in encoder.parameters():
            parameter.mul_(1.1)
        assert not torch.equal(encoder(constituents, offsets).head, expected)


@either
def test_like_torchs_own_layers(kernels: Kernels) -> None:
    constituents, offsets = random_jets([3, 17, 1])
    encoder = encoder_of(kernels)
    x, mask = pad(constituents, offsets)
    x = encoder.embedding(x)
    for block in encoder.blocks:
        layer = nn.TransformerEncoderLayer(SETTINGS.d_r, SETTINGS.heads, SETTINGS.d_h, dropout=0.0, batch_first=True)
        ours = (
            *block.attention_in.parameters(),
            *block.attention_out.parameters(),
            *block.feed_in.parameters(),
            *block.feed_out.parameters(),
            *block.attention_norm.parameters(),
            *block.feed_norm.parameters(),
        )
        with torch.no_grad():
            for theirs, parameter in zip(layer.parameters(), ours, strict=True):
                theirs.copy_(parameter)
        x = layer(x, src_key_padding_mask=~mask)
    pooled = (x * mask[:, :, None]).sum(1)
    torch.testing.assert_close(encoder(constituents, offsets).pooled, pooled, rtol=1e-5, atol=1e-5)


def test_initialised_like_torchs_own_layer() -> None:
    settings = EncoderSettings(layers=1)
    (block,) = Encoder(settings, seed=3).blocks
    layer = nn.TransformerEncoderLayer(settings.d_r, settings.heads, settings.d_h)
    pairs = [
        (block.attention_in, layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias),
        (block.attention_out, layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias),
        (block.feed_in, layer.linear1.weight, layer.linear1.bias),
        (block.feed_out, layer.linear2.weight, layer.linear2.bias),
    ]
    for ours, weight, bias in pairs:
        # Uniform in a known range: the spread of thousands of draws agrees within a few per cent.
        assert float(ours.weight.detach().std()) == pytest.approx(float(weight.detach().std()), rel=0.05)
        assert float(ours.bias.detach().abs().max()) == pytest.approx(float(bias.detach().abs().max()), rel=0.1)


def test_same_seed_same_weights_and_torchs_own_generator_untouched() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (Encoder(SETTINGS, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.embedding.weight, other.embedding.weight)


@either
def test_bfloat16_products_are_as_close_as_autocast(kernels: Kernels) -> None:
    constituents, offsets = random_jets(list(range(1, 50)))
    encoder = encoder_of(kernels)
    weights = torch.randn(49, SETTINGS.d_z)
    exact = encoder(constituents, offsets).head
    (exact * weights).sum().backward()
    reference = gradients(encoder)
    with torch.autocast("cpu", torch.bfloat16):
        cast = encoder.padded(*pad(constituents, offsets)).head.float()
        (cast * weights).sum().backward()
    of_cast = gradients(encoder)
    place(encoder, CPU, "bfloat16", kernels)
    rough = encoder(constituents, offsets).head
    (rough * weights).sum().backward()
    of_rough = gradients(encoder)
    assert rough.dtype == torch.float32
    assert {gradient.dtype for gradient in of_rough.values()} == {torch.float32}
    assert relative(rough, exact) < min(0.01, 1.5 * relative(cast, exact))
    assert relative(flat(of_rough), flat(reference)) < min(0.2, 1.5 * relative(flat(of_cast), flat(reference)))


@either
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_with_dropout_are_those_of_finite_differences(kernels: Kernels, precision: str) -> None:
    """With the same masks the loss is a function of the weights; its slope along a direction is known both ways."""
    constituents, offsets = random_jets([5, 9, 1, 30])
    encoder = encoder_of(kernels, precision)

    def loss() -> Tensor:
        head = encoder(constituents, offsets, dropout=torch.Generator().manual_seed(3)).head
        return (head * torch.arange(12.0)).sum()

    loss().backward()
    slope = sum(float(p.grad.square().sum()) for p in encoder.parameters() if p.grad is not None)
    size = 1e-3 if precision == "float32" else 2e-2
    step = {p: p.grad / slope**0.5 * size for p in encoder.parameters() if p.grad is not None}
    with torch.no_grad():
        values = []
        for sign in (1, -2):
            for p, change in step.items():
                p += sign * change
            values.append(float(loss()))
    assert (values[0] - values[1]) / (2 * size) == pytest.approx(slope**0.5, rel=0.02 if size == 1e-3 else 0.1)


def test_dropout_keeps_the_expected_share_and_scale() -> None:
    ones = torch.ones(1000, 100)
    kept = dropped(ones, rate=0.3, generator=torch.Generator().manual_seed(1))
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float(kept.mean()) == pytest.approx(1.0, abs=5 * (0.3 / 0.7 / 1e5) ** 0.5)
    assert dropped(ones, rate=0.0, generator=None) is ones


@either
def test_dropout_is_keyed(kernels: Kernels) -> None:
    constituents, offsets = random_jets([20] * 50)
    encoder = encoder_of(kernels, dropout=0.1)

    def run(seed: int) -> Tensor:
        pooled: Tensor = encoder(constituents, offsets, dropout=torch.Generator().manual_seed(seed)).pooled
        return pooled.detach()

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


@either
def test_large_logits_stay_finite(kernels: Kernels) -> None:
    constituents, offsets = random_jets([1, 30, 50])
    encoder = encoder_of(kernels)
    with torch.no_grad():
        for block in encoder.blocks:
            block.attention_in.weight *= 60
    packed = encoder(constituents, offsets)
    padded = encoder.padded(*pad(constituents, offsets))
    torch.testing.assert_close(packed.pooled, padded.pooled, rtol=1e-4, atol=1e-4)
    packed.head.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
