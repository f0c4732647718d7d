import numpy as np
import pytest
from scipy.stats import norm

from darkclr_ray.evaluation.linear_classifier import constituent_features, linear_classifier_test
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.packed import Jets


def gaussians(background=3000, signal=1500, dimensions=5, shift=0.5, seed=1):
    generator = np.random.default_rng(seed)
    b, s = generator.normal(size=(background, dimensions)), generator.normal(size=(signal, dimensions))
    s[:, 0] += shift
    mixing = np.eye(dimensions) + 0.1 * generator.normal(
        size=(dimensions, dimensions)
    )  # correlated features on scales of their own
    return b @ mixing * 10.0 ** np.arange(dimensions), s @ mixing * 10.0 ** np.arange(dimensions)


def test_two_gaussians_reach_fishers_separation():
    b, s = gaussians(shift=1.2)
    result = linear_classifier_test(b, s, np.arange(3000), np.arange(1500), seed=1)
    area = auc(result.background, result.signal)
    assert area == pytest.approx(norm.cdf(1.2 / np.sqrt(2)), abs=0.02)
    assert area == pytest.approx(result.fold_aucs.mean(), abs=0.005)
    assert len(result.fold_aucs) == 5


def test_noise_is_chance_however_many_features():
    b, s = gaussians(400, 400, dimensions=100, shift=0.0)
    b, s = b / 10.0 ** np.arange(100), s / 10.0 ** np.arange(100)
    result = linear_classifier_test(b, s, np.arange(400), np.arange(400), seed=1)
    assert result.fold_aucs.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / (6 * 400)))


def test_jets_of_an_event_are_never_on_both_sides():
    """Each jet has its copy in the same event: a split that tears events apart would recognise copies of pure noise."""
    generator = np.random.default_rng(2)
    b, s = (np.repeat(generator.normal(size=(60, 80)), 2, axis=0) for _ in range(2))
    together = linear_classifier_test(b, s, np.arange(120) // 2, np.arange(120) // 2, seed=1)
    apart = linear_classifier_test(b, s, np.arange(120), np.arange(120), seed=1)
    assert together.fold_aucs.mean() < 0.65
    assert apart.fold_aucs.mean() > 0.85


def test_same_seed_same_scores_and_constant_features_do_no_harm():
    b, s = gaussians(200, 100)
    b, s = (np.column_stack([x, np.zeros(len(x))]) for x in (b, s))
    first, again = (linear_classifier_test(b, s, np.arange(200), np.arange(100), seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.signal, again.signal)
    assert not np.array_equal(first.signal, linear_classifier_test(b, s, np.arange(200), np.arange(100), seed=5).signal)


def test_constituents_lie_side_by_side():
    jets = Jets.from_lists([[[9, 1, 2], [8, 3, 4], [7, 5, 6]], [[5, 0.5, -0.5]]])
    np.testing.assert_array_equal(
        constituent_features(jets, 2), np.array([[9, 1, 2, 8, 3, 4], [5, 0.5, -0.5, 0, 0, 0]])
    )


@pytest.mark.parametrize(
    ("shapes", "folds", "words"),
    [
        (((10, 3), (10, 2)), 5, "shapes"),
        (((10, 3), (4, 3)), 5, "5 parts of 4 events"),
        (((10, 3), (10, 3)), 1, "1 folds"),
    ],
)
def test_impossible_requests_are_refused(shapes, folds, words):
    b, s = (np.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=words):
        linear_classifier_test(b, s, np.arange(len(b)), np.arange(len(s)), seed=1, folds=folds)
