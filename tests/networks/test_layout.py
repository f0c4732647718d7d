from __future__ import annotations

import numpy as np
import torch
from darkclr_ray.networks.layout import PaddedBuckets
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers(1, 200), min_size=1, max_size=300))
def test_every_constituent_lies_once_and_pools_to_its_jet(sizes: list[int]) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    layout = PaddedBuckets(offsets, 2, torch.device("cpu"))
    numbers = torch.arange(1.0, offsets[-1] + 1)[:, None]
    rows = layout.arrange(numbers)
    sums = torch.stack([part.sum() for part in numbers.split(sizes)])
    torch.testing.assert_close(layout.pool(rows)[:, 0], sums)


def test_little_padding_on_jets_of_ordinary_lengths() -> None:
    sizes = np.random.default_rng(1).normal(31, 9, 768).round().clip(3, 50).astype(np.int64)
    layout = PaddedBuckets(np.concatenate([[0], np.cumsum(sizes)]), 4, torch.device("cpu"))
    assert len(layout.sources) < 1.06 * sizes.sum()
    assert len(layout.rectangles) <= 32
