import numpy as np
import pytest
from scipy.stats import binom, binomtest

from darkclr_ray.evaluation.intervals import clopper_pearson, inverted, upper_limit


@pytest.mark.parametrize(("passed", "total"), [(0, 7), (1, 7), (7, 7), (339, 20000), (3, 1)])
@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_agrees_with_scipy(passed, total, level):
    if passed > total:
        with pytest.raises(ValueError, match="passed"):
            clopper_pearson(passed, total, level)
        return
    expected = binomtest(passed, total).proportion_ci(level, method="exact")
    np.testing.assert_allclose(clopper_pearson(passed, total, level), [expected.low, expected.high], rtol=1e-6)


def test_covers_at_least_its_level_whatever_the_truth():
    counts = np.arange(61)
    intervals = np.array([clopper_pearson(count, 60, 0.6827) for count in counts])
    for truth in np.linspace(0.01, 0.99, 50):
        covered = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
        assert binom.pmf(counts, 60, truth)[covered].sum() >= 0.6827


def test_between_whole_numbers_it_lies_between_theirs():
    low, high = clopper_pearson(4.5, 50)
    assert clopper_pearson(4, 50)[0] < low < clopper_pearson(5, 50)[0]
    assert clopper_pearson(4, 50)[1] < high < clopper_pearson(5, 50)[1]


def test_upper_limit_of_nothing_has_its_closed_form():
    assert upper_limit(0, 1000) == pytest.approx(1.0 - 0.05**0.001, rel=1e-9)
    assert upper_limit(3, 100) == pytest.approx(binomtest(3, 100).proportion_ci(0.9, method="exact").high, rel=1e-6)


def test_inverted_interval_is_never_infinite():
    assert inverted(0.0, 0.5) == (2.0, None)


@pytest.mark.parametrize(("passed", "total", "level"), [(-1, 5, 0.9), (0, 0, 0.9), (1, 5, 1.0), (1, 5, 0.0)])
def test_impossible_counts_are_refused(passed, total, level):
    with pytest.raises(ValueError, match="expected"):
        clopper_pearson(passed, total, level)
