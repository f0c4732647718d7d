from __future__ import annotations

import pytest
import torch

from darkclr_ray.kernels.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_and_scale(rate: float) -> None:
    dropout = Dropout(rate, torch.Generator().manual_seed(1), values=100_000, stride=640, uses=3)
    share = round(256 * rate) / 256
    assert dropout.scale == pytest.approx(1 / (1 - share))
    for _ in range(3):
        mask = dropout.mask(1000, 100)
        assert mask is not None
        assert set(mask.unique().tolist()) == {-1, 0}
        # Five standard deviations of a binomial share.
        assert abs(float((mask != 0).float().mean()) - (1 - share)) < 5 * (share * (1 - share) / 1e5) ** 0.5


def test_masks_of_one_step_differ_and_repeat_with_the_key() -> None:
    def masks() -> list[torch.Tensor]:
        dropout = Dropout(0.5, torch.Generator().manual_seed(7), values=4096, stride=64, uses=3)
        return [mask for _ in range(3) if (mask := dropout.mask(64, 64)) is not None]

    first, again = masks(), masks()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    agreement = (first[0] == first[1]).double().mean()
    assert abs(float(agreement) - 0.5) < 0.05


def test_off_without_rate_or_generator() -> None:
    for rate, generator in ((0.0, torch.Generator()), (0.3, None)):
        dropout = Dropout(rate, generator, values=10, stride=1, uses=1)
        assert dropout.mask(2, 5) is None
        assert dropout.scale == 1.0
