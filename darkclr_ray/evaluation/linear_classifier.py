"""Linear classifier test (Appendix A), which measures how linearly separable a signal is in representations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from darkclr_ray.evaluation.folds import event_folds
from darkclr_ray.evaluation.roc import Floats, auc
from darkclr_ray.jets.packed import Jets, ragged_arange


@dataclass(frozen=True, eq=False)
class LinearClassifierTest:
    """Scores of a linear classifier for jets that it was not trained on.

    Attributes:
        background, signal: decision function of each jet from the fold in which it was held out, (B,) and (S,); ready
            for `evaluate`, which adds intervals and the pT-matched result.
        fold_aucs: area under the ROC curve in each fold, (K,).
    """

    background: Floats
    signal: Floats
    fold_aucs: Floats


def linear_classifier_test(
    background: NDArray[np.floating],
    signal: NDArray[np.floating],
    background_events: NDArray[np.int64],
    signal_events: NDArray[np.int64],
    *,
    seed: int,
    folds: int = 5,
) -> LinearClassifierTest:
    """Return the scores of a cross-validated logistic regression on standardised features, one linear layer (App. A).

    An event's jets are in the same fold. Both classes have the same total weight in the training.

    Args:
        background, signal: features of the jets, (B, d) and (S, d): representations, or `constituent_features`.
        background_events, signal_events: event of each jet, (B,) and (S,).
        seed: seed of the split into folds.
        folds: number of parts K, at least 2.

    Raises:
        ValueError: features of different width or not finite, or fewer events of a class than folds.
    """
    if background.ndim != 2 or signal.ndim != 2 or background.shape[1] != signal.shape[1]:
        raise ValueError(f"features of shapes {background.shape} and {signal.shape}: expected (B, d) and (S, d)")
    if folds < 2:
        raise ValueError(f"{folds} folds: expected at least 2, one of them held out")
    fold = np.concatenate([event_folds(events, folds, seed=seed) for events in (background_events, signal_events)])
    features = np.concatenate([background, signal]).astype(np.float64)
    if len(fold) != len(features):
        raise ValueError(f"{len(features)} jets with the events of {len(fold)}: expected one event a jet")
    labels = np.repeat([0, 1], [len(background), len(signal)])
    weights = len(labels) / np.where(labels == 1, len(signal), len(background))
    scores, areas = np.empty(len(labels)), []
    for held_out in range(folds):
        test, train = fold == held_out, fold != held_out
        model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
        model.fit(features[train], labels[train], logisticregression__sample_weight=weights[train])
        scores[test] = model.decision_function(features[test])
        areas.append(auc(scores[test & (labels == 0)], scores[test & (labels == 1)]))
    return LinearClassifierTest(scores[: len(background)], scores[len(background) :], np.array(areas))


def constituent_features(jets: Jets, constituents: int = 50) -> Floats:
    """Return pT in GeV, eta and phi of the hardest constituents, zero-padded, (B, 3 constituents).

    >>> constituent_features(Jets.from_lists([[[5.0, 0.1, 0.2]]]), constituents=2).round(3).tolist()
    [[5.0, 0.1, 0.2, 0.0, 0.0, 0.0]]
    """
    kept = jets.hardest(constituents)
    places, _ = ragged_arange(np.arange(len(kept)) * constituents, kept.multiplicity)
    features = np.zeros((len(kept) * constituents, 3))
    features[places] = kept.constituents
    return features.reshape(len(kept), 3 * constituents)
