from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from darkclr_ray.networks.padding import length_buckets, pad


@given(st.lists(st.integers(1, 200), min_size=1, max_size=300))
def test_every_constituent_is_in_one_bucket_and_in_its_jet(sizes: list[int]) -> None:
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    numbers = torch.arange(1.0, int(offsets[-1]) + 1)[:, None]
    buckets = length_buckets(offsets)
    assert torch.cat(buckets).sort().values.tolist() == list(range(len(sizes)))
    for jets in buckets:
        padded, mask = pad(numbers, offsets, jets=jets)
        assert mask.sum(1).tolist() == [sizes[jet] for jet in jets]
        for jet, row, kept in zip(jets.tolist(), padded, mask, strict=True):
            assert torch.equal(row[kept], numbers[offsets[jet] : offsets[jet + 1]])
            assert not row[~kept].any()


def test_little_padding_on_jets_of_ordinary_lengths() -> None:
    sizes = np.random.default_rng(1).normal(31, 9, 768).round().clip(3, 50).astype(np.int64)
    buckets = length_buckets(torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)])))
    assert sum(len(jets) * sizes[jets].max() for jets in buckets) < 1.06 * sizes.sum()
