from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets
from darkclr_ray.testing import toy_jets


def with_events(jets: Jets, jets_per_event: int) -> Jets:
    return replace(jets, events=np.arange(len(jets)) // jets_per_event)


@pytest.fixture
def sample() -> LabelledSample:
    return LabelledSample(with_events(toy_jets(60, seed=1), 2), with_events(toy_jets(30, seed=2), 1))


def test_background_comes_first(sample):
    assert len(sample) == len(sample.jets) == 90
    np.testing.assert_array_equal(sample.jets.ids[:60], sample.background.ids)
    assert sample.labels.tolist() == [0.0] * 60 + [1.0] * 30


def test_parts_are_whole_events_and_together_everything(sample):
    rest, held_out = sample.train_test_split(0.2, seed=1)
    assert (len(held_out.background), len(held_out.signal)) == (12, 6)
    for name in ("background", "signal"):
        parts, whole = [getattr(part, name) for part in (rest, held_out)], getattr(sample, name)
        assert set(parts[0].events).isdisjoint(parts[1].events)
        assert sorted([*parts[0].ids, *parts[1].ids]) == sorted(whole.ids)


def test_the_parts_are_the_seeds(sample):
    first, again, other = (sample.train_test_split(0.2, seed)[1].fingerprint for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("share", [1e-6, 1 - 1e-6])
def test_no_part_is_empty(sample, share):
    assert all(len(part.background) and len(part.signal) for part in sample.train_test_split(share, 1))


def test_the_fingerprint_knows_the_labels(sample):
    assert LabelledSample(sample.signal, sample.background).fingerprint != sample.fingerprint
    assert LabelledSample(sample.background, sample.signal).fingerprint == sample.fingerprint


def test_what_cannot_be_parted_is_explained(sample):
    with pytest.raises(ValueError, match="there is no signal jet"):
        LabelledSample(sample.background, toy_jets(0))
    with pytest.raises(ValueError, match="30 signal jets of one event cannot be parted"):
        LabelledSample(sample.background, with_events(sample.signal, 30)).train_test_split(0.1, 1)
