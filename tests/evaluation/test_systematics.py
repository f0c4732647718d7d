import json

import numpy as np
import pytest
from scipy.stats import norm

from darkclr_ray.evaluation.scored import Scored
from darkclr_ray.evaluation.systematics import systematic


def sample(scores, first_event=0, pt=200.0):
    return Scored(scores, np.full(len(scores), pt), first_event + np.arange(len(scores)))


def test_a_gaussian_background_that_moves():
    normal = np.random.default_rng(1).normal
    b, other, s = normal(size=40_000), normal(0.4, 1.1, size=40_000), normal(1.5, size=40_000)
    # an interval of 99.7%, so in effect from the least to the largest of 300: of a thousand seeds seven miss the truth
    found = systematic(sample(b), sample(other, 10**6), {"a": sample(s)}, seed=1, replicas=300, level=0.997)
    assert found.mean_shift == pytest.approx(0.4, abs=0.03)
    width = 2 * norm.isf(0.0015)
    expected = np.sqrt((1.0 + 1.1**2) / 40_000)
    assert found.mean_shift_high - found.mean_shift_low == pytest.approx(width * expected, rel=0.2)
    cut = 1.5 + norm.isf(0.2)
    before, after = norm.sf(cut), norm.sf((cut - 0.4) / 1.1)
    for side in (found.signals["a"].raw, found.signals["a"].matched):
        assert side.nominal == pytest.approx(1 / before, rel=0.1)
        assert side.varied == pytest.approx(1 / after, rel=0.1)
        assert side.ratio.ratio == pytest.approx(after / before, rel=0.1)
        assert side.ratio.low < after / before < side.ratio.high
        binomial = np.sqrt((1 / before + 1 / after) / 40_000)
        assert np.log(side.ratio.high / side.ratio.low) == pytest.approx(width * binomial, rel=0.2)
        assert side.ratio.confidence > 0.99
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["signals"]["a"]["raw"]["varied"] > 1.0


def test_matching_takes_out_a_change_of_the_pt_spectrum():
    """Scores that know nothing but pT: raw, a harder background passes more often; matched, as often as before."""
    generator = np.random.default_rng(2)

    def spectrum(jets, slope, first_event):
        pt = 150.0 + 150.0 * generator.random(jets) ** slope
        return Scored(pt // 50 + generator.random(jets), pt, first_event + np.arange(jets))

    found = systematic(
        spectrum(20_000, 3.0, 0), spectrum(20_000, 1.5, 10**6), {"a": spectrum(5000, 1.0, 0)}, seed=1, replicas=40
    ).signals["a"]
    assert found.raw.ratio.low > 1.2
    assert found.matched.ratio.ratio == pytest.approx(1.0, abs=0.1)


def test_the_same_jets_twice_are_no_change():
    normal = np.random.default_rng(3).normal
    b, s = sample(normal(size=3000)), sample(normal(1.0, size=500))
    found = systematic(b, b, {"a": s}, seed=1, replicas=40)
    assert (found.mean_shift, found.signals["a"].raw.ratio.ratio) == (0.0, 1.0)
    assert found.mean_shift_low == found.mean_shift_high == pytest.approx(0.0, abs=1e-12)
    assert found.signals["a"].raw.ratio.low == found.signals["a"].raw.ratio.high == 1.0


def test_common_events_make_the_comparison_sharper():
    normal = np.random.default_rng(4).normal
    b, s = normal(size=3000), sample(normal(1.0, size=500))
    again = b + 0.1 * normal(size=3000)
    paired, apart = (
        systematic(sample(b), sample(again, first), {"a": s}, seed=1, replicas=100) for first in (0, 10**6)
    )
    assert paired.mean_shift_high - paired.mean_shift_low < 0.6 * (apart.mean_shift_high - apart.mean_shift_low)
    one, other = (found.signals["a"].raw.ratio for found in (paired, apart))
    assert one.high - one.low < 0.6 * (other.high - other.low)


@pytest.mark.slow
def test_intervals_cover(toy):
    """Two draws of one background: the ratio is 1, and 68% of the intervals hold it (of 200: 68 +- 3.3%)."""
    inside = np.zeros(2)
    for seed in range(200):
        b, s, b_pt, s_pt, b_event, s_event = toy.jets(2 * seed, background=600, signal=300)
        other, _, other_pt, _, other_event, _ = toy.jets(2 * seed + 1, background=600, signal=300)
        found = systematic(
            Scored(b, b_pt, b_event),
            Scored(other, other_pt, other_event + 10**6),
            {"a": Scored(s, s_pt, s_event)},
            seed=seed,
            replicas=120,
        ).signals["a"]
        inside += [side.ratio.low <= 1.0 <= side.ratio.high for side in (found.raw, found.matched)]
    np.testing.assert_allclose(inside / 200, 0.683, atol=0.1)


def test_impossible_samples_are_refused():
    with pytest.raises(ValueError, match="2 scores, 1 pT"):
        Scored([1.0, 2.0], [200.0], [1, 2])
    with pytest.raises(ValueError, match="all background jets have the same score"):
        systematic(sample(np.ones(4)), sample(np.ones(4)), {}, seed=1)
