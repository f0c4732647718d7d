import numpy as np
import pytest

from darkclr_ray.evaluation.folds import event_folds


def test_parts_are_of_equal_size_and_keep_events_together():
    events = np.random.default_rng(1).permutation(np.repeat(np.arange(100), 2))
    part = event_folds(events, 4, seed=1)
    assert all(len(set(part[events == event])) == 1 for event in range(100))
    np.testing.assert_array_equal(np.bincount(part), [50, 50, 50, 50])
    assert not np.array_equal(part, event_folds(events, 4, seed=2))


@pytest.mark.parametrize("parts", [0, 3])
def test_impossible_numbers_of_parts_are_refused(parts):
    with pytest.raises(ValueError, match=f"{parts} parts of 2 events"):
        event_folds([1, 2, 2], parts, seed=1)
