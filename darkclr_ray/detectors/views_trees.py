"""Shallow, monotonic boosted trees on observables, trained with anomalous views of background."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.boosted_trees import exported
from darkclr_ray.detectors.display import BROWN, Display, Style
from darkclr_ray.detectors.saving import load_settings, save_settings
from darkclr_ray.detectors.trees import Trees
from darkclr_ray.detectors.views_observables import ViewsObservables
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.training.trainer import Trainer

DEPTH = 3
"""Largest number of observables that a tree combines. Deeper trees learn features that only views have, but no signal.
"""


class ViewsTrees(ViewsObservables):
    """Score jets by the logit of scikit-learn's HistGradientBoostingClassifier with trees of depth 3.

    The logit never falls with an observable whose mean is larger in views than in background, and never rises with any
    other. Jets that lie beyond the views are therefore not classified as background. All else is as in
    `ViewsObservables`.
    """

    name = "views_trees"
    title = "shallow trees on observables, trained on views"
    display = Display("trees on observables, views", Style(BROWN, "dot", "star-triangle-up"), order=12)
    family = "views_trees"

    trees: Trees | None = None

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        """Fit the trees.

        Raises ValueError for an unknown observable or transformation, and for donors that cannot be used.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        table, labels, weights = self.joined(sample)
        directions = np.sign(table[labels == 1].mean(0) - table[labels == 0].mean(0)).astype(np.int64)
        model = HistGradientBoostingClassifier(
            max_depth=DEPTH,
            monotonic_cst=directions,
            early_stopping=False,
            random_state=digest("views trees", self.settings.seed) % 2**32,
        )
        model.fit(table, labels, sample_weight=weights)
        self.trees = exported(model)
        return self

    def joined(self, sample: TrainingSample) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Return observables (B, K), labels (B,), 0 for background and 1 for views, and training weights (B,).

        Background and views have the same total weight, and families their shares of that of the views.
        """
        parts = self.examples(sample)
        table = np.concatenate([part.table for part in parts])
        shares = np.array([sum(self.shares()), *self.shares()]) / (2 * sum(self.shares()))
        sizes = [len(part.table) for part in parts]
        labels = np.repeat(np.minimum(np.arange(len(parts)), 1), sizes)
        return table, labels, np.repeat(shares * len(table) / sizes, sizes)

    def observables(self, jets: Jets) -> NDArray[np.float64]:
        """Return the observables (B, K) rounded to float32, in which scikit-learn's trees compare."""
        return super().observables(jets).astype(np.float32).astype(np.float64)

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return self.ready(self.trees)(self.observables(jets))

    def weights(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path) -> None:
        trees = self.ready(self.trees)
        save_settings(folder, self.settings, self.groups)
        trees.save(folder / self.file())

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls(load_settings(folder))
        detector.trees = Trees.load(folder / cls.file())
        return detector
