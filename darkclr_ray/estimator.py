"""Wrap any detector as a scikit-learn estimator: fit, score_samples, predict, get_params, set_params, clone.

    from darkclr_ray.estimator import JetEstimator

    estimator = JetEstimator("s_NAE", preset="laptop", encoder__d_z=32).fit(background)
    strange = estimator.predict(jets) == -1

X is `Jets` instead of a matrix, since jets differ in length. Otherwise the conventions are those of scikit-learn's
outlier detectors.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import NotFittedError

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.presets import preset
from darkclr_ray.settings import merged
from darkclr_ray.training.trainer import Trainer


class JetEstimator(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Estimator that is fitted on background jets only and scores or classifies jets by a detector.

    Of scikit-learn's `check_estimator`, the checks of parameters, `clone`, tags, representation and unfitted estimators
    hold. Two fail by design: settings are keyword arguments of any name, and `set_params` refuses an invalid value at
    once. All checks that fit an array fail, since X must be `Jets`; what they ask for holds with jets: fitting twice
    gives the same scores and changes no parameter, a score depends neither on the other jets nor on their order, and a
    pickled estimator scores alike.

    Args:
        detector: name of the detector, or module:name.
        preset: name of the preset of settings.
        contamination: fraction of the background that `predict` classifies as anomalous.
        runner: trainer that runs the trainings; by default they run in this process.
        settings: changes to the preset by scikit-learn's names, such as ``encoder__d_z=32`` or ``seed=2``; they are
            parameters like the others, for `set_params` and grid searches.

    Attributes:
        detector_: the fitted detector.
        offset_: threshold of `score_samples` below which a jet is anomalous.
    """

    def __init__(
        self,
        detector: str = "s_NAE",
        *,
        preset: str = "laptop",
        contamination: float = 0.1,
        runner: Trainer | None = None,
        **settings: Any,
    ) -> None:
        self.detector, self.preset, self.contamination, self.runner = detector, preset, contamination, runner
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, including changed settings."""
        own = {name: getattr(self, name) for name in ("detector", "preset", "contamination", "runner")}
        return {**own, **self.settings}

    def set_params(self, **params: Any) -> Self:
        """Change parameters. Raises ValueError for an unknown setting or an invalid value."""
        own = {name for name in params if name in ("detector", "preset", "contamination", "runner")}
        changed = JetEstimator(**{**self.get_params(), **params})
        changed._made()
        for name in own:
            setattr(self, name, params[name])
        self.settings = changed.settings
        return self

    def fit(self, X: Jets, y: Any = None) -> Self:
        """Fit on background jets.

        Raises ValueError for invalid parameters, a detector that needs labels, and an X that is no `Jets` or empty.
        """
        _check_jets(X)
        made = self._made()
        if made.sample_type() is not TrainingSample:
            raise ValueError(f"{made.name} is supervised; this estimator is fitted on background alone")
        if not 0.0 < self.contamination < 1.0:
            raise ValueError(f"contamination = {self.contamination}: expected a share between 0 and 1")
        self.detector_: AnomalyDetector[Any] = made.fit(TrainingSample(X), self.runner or Trainer())
        self.offset_ = float(np.quantile(self.score_samples(X), self.contamination))
        return self

    def score_samples(self, X: Jets) -> NDArray[np.float64]:
        """Return minus the detector's score, (B,): lower is more anomalous, as everywhere in scikit-learn."""
        fitted = self._fitted()
        _check_jets(X)
        return -fitted.score(X)

    def decision_function(self, X: Jets) -> NDArray[np.float64]:
        """Return `score_samples` minus `offset_`, (B,), which is negative for anomalous jets."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Jets) -> NDArray[np.int64]:
        """Return -1 for anomalous jets and 1 for others, (B,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _fitted(self) -> AnomalyDetector[Any]:
        if not hasattr(self, "detector_"):
            raise NotFittedError("JetEstimator has not been fitted; call fit(background) first")
        return self.detector_

    def _made(self) -> AnomalyDetector[Any]:
        changes: dict[str, Any] = {}
        for name, value in self.settings.items():
            nested = value
            for part in reversed(name.split("__")):
                nested = {part: nested}
            changes = merged(changes, nested)
        return registry.make(self.detector, preset(self.preset).updated(changes))


def _check_jets(X: Any) -> None:
    if not isinstance(X, Jets):
        raise ValueError(
            f"X is of the type {type(X).__name__}; expected Jets, since jets differ in length: "
            "Jets.from_numpy, from_awkward and from_parquet make them"
        )
    if len(X) == 0:
        raise ValueError("X has no jets; expected at least one")
