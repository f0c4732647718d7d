"""Define the interface of anomaly detectors: a fitted detector returns one score per jet, higher = more anomalous."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.display import Display
from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.trainer import Trainer

Sample = TypeVar("Sample", contravariant=True)
"""Type of the sample that a detector is fitted on.

It is `TrainingSample`, which has no labels, for label-free detectors, and `LabelledSample` for supervised references.
"""

Part = TypeVar("Part")

MOST_FITTED = 100_000
"""Largest number of jets of a class on which a detector of scikit-learn is fitted; more are drawn at random by the
study's seed, since these detectors hold all features in memory."""


class AnomalyDetector(ABC, Generic[Sample]):
    """Base class of the methods that score jets by how anomalous they are.

    A new detector is a subclass in its own file with a name, a title and the methods `fit`, `score`, `save` and `load`.
    It runs its trainings and its encoders through the runner (`Trainer.train`, `Trainer.represent`); it can then be
    used in a notebook and on a cluster, and shares encoders and representations with other detectors. `JetMass` is the
    shortest example; `darkclr_ray.testing.check_detector` checks that a detector fulfils the contract of the methods
    below.
    """

    name: ClassVar[str]
    """Unique short name of the detector in ``scores.parquet`` and in lists of detectors."""
    title: ClassVar[str]
    """Name of the detector as plain text, for records and for users' detectors in legends and tables."""
    display: ClassVar[Display | None] = None
    """How reports show the detector; a user's detector has its title, and a style that is computed from its name."""
    family: ClassVar[str] = "others"
    """Name of the group of detectors that share trained parts, such as an encoder."""
    seeds: ClassVar[frozenset[Literal["encoder", "autoencoder"]]] = frozenset({"encoder"})
    """Seeds that the scores depend on: "encoder" is the seed of the study, "autoencoder" the one of the autoencoder."""

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        """Return an unfitted detector as configured by a study's settings; the default ignores the settings."""
        return cls()

    @classmethod
    def sample_type(cls) -> type[Any]:
        """Return the type that `fit` takes, `TrainingSample` or `LabelledSample`, from the bases of the class.

        Raises ValueError if no base names the type.
        """
        for ancestor in cls.__mro__:
            for base in vars(ancestor).get("__orig_bases__", ()):
                origin = get_origin(base)
                if origin and issubclass(origin, AnomalyDetector) and isinstance(get_args(base)[0], type):
                    return get_args(base)[0]  # type: ignore[no-any-return]
        raise ValueError(
            f"{cls.__name__} does not say what it is fitted on; "
            f"derive it from AnomalyDetector[TrainingSample], or from "
            f"AnomalyDetector[LabelledSample] if it needs labels"
        )

    @abstractmethod
    def fit(self, sample: Sample, runner: Trainer) -> Self:
        """Fit the detector on ``sample``, run all trainings through ``runner``, and return the detector itself.

        Raises TrainingDiverged if no training ended with finite weights.
        """

    @abstractmethod
    def score(self, jets: Jets) -> NDArray[np.float64]:
        """Return one finite score per jet, (B,), higher = more anomalous. Raises ValueError before `fit` or `load`.

        The score of a jet depends only on its constituents and kinematics. It does not depend on ids, on other jets, or
        on the order of constituents of equal pT (unless `inputs.constituents` removes some of them).
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and settings (YAML), all that `score` needs, to ``folder``; no code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        """Return the detector that `save` wrote to ``folder``; it scores on ``runner``, by default in this process."""

    def weights(self) -> dict[str, float]:
        """Return the weight of each observable in units of its standard deviation in background.

        Only detectors that are linear in observables have weights; they are shown in a table of a comparison. All
        others return an empty dictionary.
        """
        return {}

    def ready(self, part: Part | None) -> Part:
        """Return ``part``, which `fit` or `load` has set. Raises ValueError if it is None."""
        if part is None:
            raise ValueError(
                f"{type(self).__name__} has not been fitted; call fit(sample, runner) or load(folder) first"
            )
        return part
