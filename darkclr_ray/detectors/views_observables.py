"""Logistic regression on observables of jets, trained with anomalous views or, as a supervised reference, with labels.

It is the cheapest classifier of views: it has one weight per observable, is trained in seconds and can be interpreted.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.augmentations.donor_branches import donor_jets
from darkclr_ray.augmentations.families import ALL, DONORS
from darkclr_ray.detectors.base import MOST_FITTED, AnomalyDetector, Sample
from darkclr_ray.detectors.display import BROWN, WINE, Display, Style
from darkclr_ray.detectors.saving import load_arrays, load_settings, save_arrays, save_settings
from darkclr_ray.jets.folder import open_jets, starter_donors
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.supervised import class_weights
from darkclr_ray.training.trainer import Trainer


class Examples(NamedTuple):
    """Observables (B, K) and training weights (B,) of the jets of a class."""

    table: NDArray[np.float64]
    weights: NDArray[np.float64]


class ObservablesClassifier(AnomalyDetector[Sample]):
    """Score jets by logistic regressions (scikit-learn, unit ridge penalty) on standardised observables.

    One regression separates background from each class of anomalies. The score is the weighted mean of their logits,
    each divided by its standard deviation on background. It is linear in the observables, too.

    Args:
        settings: settings of a study; ``views_observables.observables`` names the observables.

    Attributes:
        arrays: mean, scale and weight of each observable, (K,), and the bias, (1,); the score is
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
        """Fit the regressions.

        Raises ValueError for an unknown observable or transformation, and for donors that cannot be used.
        """
        from sklearn.preprocessing import StandardScaler

        background, *anomalies = self.examples(sample)
        scaler = StandardScaler().fit(background.table)
        inputs = scaler.transform(background.table)
        weight, bias = np.zeros(inputs.shape[1]), np.zeros(1)
        shares = self.shares()
        for share, other in zip(shares, anomalies, strict=True):
            coefficients, intercept = regression(
                Examples(inputs, background.weights), Examples(scaler.transform(other.table), other.weights)
            )
            unit = share / sum(shares) / (inputs @ coefficients).std()
            weight, bias = weight + unit * coefficients, bias + unit * intercept
        self.arrays = {"mean": scaler.mean_, "scale": scaler.scale_, "weight": weight, "bias": bias}
        return self

    @abstractmethod
    def examples(self, sample: Sample) -> list[Examples]:
        """Return the examples of background, followed by those of each class of anomalies."""

    def shares(self) -> tuple[float, ...]:
        """Return the weight of each class of anomalies in the score."""
        return (1.0,)

    def observables(self, jets: Jets) -> NDArray[np.float64]:
        """Return the observables (B, K) of jets, relative to their pT-weighted centres."""
        return observable_table(centred(jets), self.settings.views_observables.observables)

    def score(self, jets: Jets) -> NDArray[np.float64]:
        arrays = self.ready(self.arrays)
        standardised = (self.observables(jets) - arrays["mean"]) / arrays["scale"]
        scores: NDArray[np.float64] = standardised @ arrays["weight"] + arrays["bias"]
        return scores

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


def regression(background: Examples, anomalies: Examples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights (K,) and the bias (1,) of a logistic regression between two classes of equal total weight."""
    from sklearn.linear_model import LogisticRegression

    table = np.concatenate([background.table, anomalies.table])
    weights = np.concatenate([part.weights * (len(table) / 2 / part.weights.sum()) for part in (background, anomalies)])
    labels = np.repeat([0, 1], [len(background.table), len(anomalies.table)])
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8).fit(table, labels, sample_weight=weights)
    (coefficients,) = model.coef_
    return coefficients, model.intercept_


class ViewsObservables(ObservablesClassifier[TrainingSample]):
    """Score jets by label-free logistic regressions between background jets and families of anomalous views.

    Jets and views are both centred, so that only their substructure distinguishes them.
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

    def shares(self) -> tuple[float, ...]:
        return tuple(weight for _, weight in self.settings.views_observables.families)

    def examples(self, sample: TrainingSample) -> list[Examples]:
        own = self.settings.views_observables
        jets = sample.jets.at_most(MOST_FITTED, seed=self.settings.seed)
        tables = [self.observables(jets)]
        for family, _ in own.families:
            draws = [self.observables(self.views(family, draw, jets)) for draw in range(own.draws)]
            tables.append(np.concatenate(draws))
        return [Examples(table, np.ones(len(table))) for table in tables]

    def views(self, family: str, draw: int, jets: Jets) -> Jets:
        """Return views of a family; those of different draws are independent."""
        own, seed = self.settings.views_observables, self.settings.seed
        purpose = f"views of observables {draw}"
        if family == DONORS:
            return donor_jets(load_donors(own.donors), jets, own.views, seed=seed, purpose=purpose)
        views = own.views.model_copy(update={"anchor": (), "anomalous": (family,)})
        return anomalous_jets(jets, views, ALL, seed=seed, purpose=purpose)


def load_donors(folder: str | None) -> Jets:
    """Return the jets of the sample "donors" in the split "train" of a folder; "starter" is the one in the package.

    Raises ValueError if there is no folder or no such sample.
    """
    if folder is None:
        raise ValueError(
            f"the family {DONORS} of views_observables.families needs jets that are harder than the background: give "
            f"their folder by views_observables.donors (`darkclr generate --preset donors` makes one)"
        )
    jets = open_jets(starter_donors() if folder == "starter" else folder)
    if "train" not in jets.splits() or "donors" not in jets.samples("train"):
        raise ValueError(f"views_observables.donors = {folder}: it has no sample donors in its split train")
    return jets.load("train", "donors")


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

    def examples(self, sample: LabelledSample) -> list[Examples]:
        weights = class_weights(sample, self.settings.supervised.match_pt).astype(np.float64)
        table = self.observables(sample.jets)
        return [Examples(table[sample.labels == label], weights[sample.labels == label]) for label in (0, 1)]
