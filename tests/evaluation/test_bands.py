import numpy as np

from darkclr_ray.evaluation.bands import roc_bands
from darkclr_ray.evaluation.rejection import evaluate


def test_bands_agree_with_the_evaluation_at_a_point(toy):
    arrays = toy.jets(1, 2000, 500)
    point = evaluate(*arrays, seed=1, replicas=100)
    for band, side in zip(
        roc_bands(*arrays, eps_s=[0.1, 0.2], seed=1, replicas=100), (point.raw, point.matched), strict=True
    ):
        for at, eps_s in enumerate(band.eps_s):
            cut = side.at(eps_s)
            np.testing.assert_allclose(
                [band.rejection[at], band.low[at], band.high[at]], [cut.value, cut.bootstrap_low, cut.bootstrap_high]
            )


def test_where_nothing_survives_nothing_is_drawn():
    scores, pt, events = np.arange(50.0), np.full(50, 200.0), np.arange(50)
    raw, matched = roc_bands(scores, scores + 25, pt, pt, events, events, eps_s=[0.2, 1.0], seed=1)
    for band in (raw, matched):
        np.testing.assert_array_equal(np.isnan(band.rejection), [True, False])
        assert np.isnan(band.high[0])
        assert not np.any(np.isinf([band.rejection, band.low, band.high]))
