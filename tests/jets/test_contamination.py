"""Contaminated training samples: as many signal jets as asked for, nested, and without a trace of a label."""

import dataclasses

import numpy as np
import pytest

from darkclr_ray.jets.contamination import contaminated
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.testing import toy_jets


def sample(jets: int, first_id: int) -> Jets:
    return dataclasses.replace(toy_jets(jets, first_id), ids=first_id + np.arange(jets))


BACKGROUND, SIGNAL = sample(200, 0), sample(40, 1000)


def signal_places(fraction: float, seed: int = 1) -> dict[int, int]:
    """Place in the mixture -> id of the signal jet there."""
    ids = contaminated(BACKGROUND, SIGNAL, fraction, seed=seed).jets.ids
    return {place: int(ids[place]) for place in np.flatnonzero(ids >= 1000).tolist()}


@pytest.mark.parametrize(("fraction", "count"), [(0.0, 0), (0.001, 0), (0.01, 2), (0.03, 6), (0.1, 20), (0.2, 40)])
def test_so_many_jets_are_replaced_and_the_others_stay(fraction: float, count: int) -> None:
    mixed = contaminated(BACKGROUND, SIGNAL, fraction, seed=1)
    assert isinstance(mixed, TrainingSample)
    found = signal_places(fraction)
    assert len(mixed) == 200
    assert len(set(found.values())) == len(found) == count
    kept = np.array([place for place in range(200) if place not in found])
    np.testing.assert_array_equal(mixed.jets.ids[kept], BACKGROUND.ids[kept])
    for place, identity in found.items():
        got, expected = mixed.jets.take(np.array([place])), SIGNAL.take(np.array([identity - 1000]))
        np.testing.assert_array_equal(got.constituents, expected.constituents)
        np.testing.assert_array_equal(got.kinematics, expected.kinematics)


def test_a_larger_fraction_contains_a_smaller_one() -> None:
    assert signal_places(0.03).items() < signal_places(0.1).items() < signal_places(0.2).items()
    assert signal_places(0.1) != signal_places(0.1, seed=2)


def test_the_clean_sample_is_the_background() -> None:
    clean = contaminated(BACKGROUND, SIGNAL, 0.0, seed=1)
    assert clean.fingerprint == TrainingSample(BACKGROUND).fingerprint


@pytest.mark.parametrize(("fraction", "message"), [(0.5, "takes 100 signal jets, and there are 40"), (1.0, "in .0, 1")])
def test_impossible_mixtures_are_refused(fraction: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contaminated(BACKGROUND, SIGNAL, fraction, seed=1)
