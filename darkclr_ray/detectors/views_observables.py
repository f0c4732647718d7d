"""Logistic regression on observables of jets, trained with anomalous views or, as a supervised reference, with labels.

It is the cheapest classifier of views: it has one weight per observable, is trained in seconds and can be interpreted.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.detectors.base import AnomalyDetector, Sample
from darkclr_ray.detectors.display import BROWN, WINE, Display, Style
from darkclr_ray.detectors.saving import load_arrays, load_settings, save_arrays, save_settings
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import InputSettings, StudySettings
from darkclr_ray.training.supervised import class_weights
from darkclr_ray.training.trainer import Trainer

ALL = InputSettings(constituents=1000)
"""Settings of inputs under which no constituent is removed: observables are computed from all constituents of a jet."""


class ObservablesClassifier(AnomalyDetector[Sample]):
    """Score jets by the logit of a logistic regression (scikit-learn, unit ridge penalty) on standardised observables.

    Args:
        settings: settings of a study; ``views_observables.observables`` names the observables.

    Attributes:
        arrays: mean, scale and weight of each observable, (K,), and the bias, (1,); the logit is
            weight * (observable - mean) / scale, summed, + bias. Mean and scale are those of the background.
    """

    groups: ClassVar[tuple[str, ...]]
    """Names of the groups of settings that determine the classifier."""

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self.arrays: dict[str, NDArray[np.float64]] | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: Sample, runner: Trainer) -> Self:
        """Fit the regression.

        Raises ValueError for an unknown observable, and for views that do not differ from the jets.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        table, labels, weights = self.examples(sample)
        scaler = StandardScaler().fit(table[labels == 0])
        model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
        model.fit(scaler.transform(table), labels, sample_weight=weights)
        (weight,) = model.coef_
        self.arrays = {"mean": scaler.mean_, "scale": scaler.scale_, "weight": weight, "bias": model.intercept_}
        return self

    @abstractmethod
    def examples(self, sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Return observables (B, K), labels (B,), 0 for background and 1 for anomalies, and training weights (B,).

        Both classes have the same sum of weights.
        """

    def observables(self, jets: Jets) -> NDArray[np.float64]:
        """Return the observables (B, K) of jets, relative to their pT-weighted centres."""
        return observable_table(centred(jets), self.settings.views_observables.observables)

    def score(self, jets: Jets) -> NDArray[np.float64]:
        arrays = self.ready(self.arrays)
        standardised = (self.observables(jets) - arrays["mean"]) / arrays["scale"]
        logits: NDArray[np.float64] = standardised @ arrays["weight"] + arrays["bias"]
        return logits

    def weights(self) -> dict[str, float]:
        names = self.settings.views_observables.observables
        return dict(zip(names, self.ready(self.arrays)["weight"].tolist(), strict=True))

    def save(self, folder: Path) -> None:
        arrays = self.ready(self.arrays)
        save_settings(folder, self.settings, self.groups)
        save_arrays(folder / self.file(), arrays)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls(load_settings(folder))
        detector.arrays = load_arrays(folder / cls.file())
        return detector

    @classmethod
    def file(cls) -> str:
        """Return the name of the file with the arrays; it is unique, so that several classifiers can share a folder."""
        return f"{cls.name}.safetensors"


class ViewsObservables(ObservablesClassifier[TrainingSample]):
    """Score jets by a label-free logistic regression between background jets and their own anomalous views.

    Jets and views are both centred, so that only their substructure distinguishes them. The weight of a jet is the
    number of its views.
    """

    name = "views_observables"
    title = "logistic regression on observables, trained on views"
    display = Display(
        "observables, views",
        Style(BROWN, "solid", "star-diamond"),
        order=10,
        prominent=True,
        phrase="logistic regression on observables of views",
    )
    family = "views_observables"
    groups = ("views_observables", "seed")

    def examples(self, sample: TrainingSample) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        own, seed = self.settings.views_observables, self.settings.seed
        tables = [self.observables(sample.jets)]
        for draw in range(own.draws):
            purpose = f"views of observables {draw}"
            tables.append(self.observables(anomalous_jets(sample.jets, own.views, ALL, seed=seed, purpose=purpose)))
        counts = [len(sample), own.draws * len(sample)]
        return np.concatenate(tables), np.repeat([0, 1], counts), np.repeat([float(own.draws), 1.0], counts)


class SupervisedObservables(ObservablesClassifier[LabelledSample]):
    """Score jets by a logistic regression between background and the jets of one signal, trained with labels.

    The jets are weighted as for the other supervised references.
    """

    name = "supervised_observables"
    title = "logistic regression on observables, trained with labels"
    display = Display(
        "observables (supervised)",
        Style(WINE, "dash", "star-diamond-open"),
        order=72,
        phrase="supervised logistic regression on observables",
    )
    family = "supervised_observables"
    groups = ("views_observables", "supervised")
    seeds = frozenset()

    def examples(self, sample: LabelledSample) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        weights = class_weights(sample, self.settings.supervised.match_pt).astype(np.float64)
        labels = sample.labels.astype(np.int64)
        return self.observables(sample.jets), labels, weights
