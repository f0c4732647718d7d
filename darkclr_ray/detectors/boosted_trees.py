"""Supervised reference without deep learning: gradient-boosted trees on four observables of a jet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import MOST_FITTED, AnomalyDetector
from darkclr_ray.detectors.display import WINE, Display, Style
from darkclr_ray.detectors.trees import Trees, tree_features
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import digest
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.supervised import class_weights
from darkclr_ray.training.trainer import Trainer

FILE = "trees.safetensors"


class BoostedTrees(AnomalyDetector[LabelledSample]):
    """Score jets by the logit of scikit-learn's HistGradientBoostingClassifier at its defaults, on `tree_features`.

    Early stopping is off, because scikit-learn would hold out rows of the table instead of whole events.

    Args:
        seed: seed of the draw of at most 200,000 jets from which the bin edges are computed.
        match_pt: whether background is weighted to the signal's spectrum of jet pT.
    """

    name = "boosted_trees"
    title = "boosted trees on observables"
    display = Display(
        "boosted trees (supervised)", Style(WINE, "dot", "star-open"), order=71, phrase="supervised boosted trees"
    )
    family = "trees"

    def __init__(self, seed: int = 1, match_pt: bool = False) -> None:
        self.seed, self.match_pt = seed, match_pt
        self.trees: Trees | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings.seed, settings.supervised.match_pt)

    def fit(self, sample: LabelledSample, runner: Trainer) -> Self:
        from sklearn.ensemble import HistGradientBoostingClassifier

        parts = (jets.at_most(MOST_FITTED, seed=self.seed) for jets in (sample.background, sample.signal))
        sample = LabelledSample(*parts)
        seed = digest("boosted trees", self.seed) % 2**32
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
        model.fit(tree_features(sample.jets), sample.labels, sample_weight=class_weights(sample, self.match_pt))
        self.trees = exported(model)
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return self.ready(self.trees)(tree_features(jets))

    def save(self, folder: Path) -> None:
        self.ready(self.trees).save(folder / FILE)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls()
        detector.trees = Trees.load(folder / FILE)
        return detector


def exported(model: Any) -> Trees:
    """Return a fitted binary model's trees as arrays; the first is a single leaf with the model's initial score.

    scikit-learn has no public access to these trees; tests that compare the scores of both detect a change of its
    private attributes.
    """
    start = Trees.tree([0], [0.0], [0], [0], [float(model._baseline_prediction.item())])
    trees = [start]
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        leaf, itself = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
        left, right = (np.where(leaf, itself, nodes[side].astype(np.int64)) for side in ("left", "right"))
        trees.append(
            Trees.tree(np.where(leaf, 0, nodes["feature_idx"]), nodes["num_threshold"], left, right, nodes["value"])
        )
    return Trees.end_to_end(trees)
