"""What every detector is: fitted once, it gives each jet a number, higher where the jet is stranger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.trainer import Trainer

Sample = TypeVar("Sample", contravariant=True)
"""What a detector is fitted on: `TrainingSample`, which carries no label, for all that claim to need none;
`LabelledSample` where a detector is a supervised reference, so that its type says so."""

Part = TypeVar("Part")


class AnomalyDetector(ABC, Generic[Sample]):
    """A method that finds anomalous jets.

    A new one is a subclass in a file of its own: name, title, and the four methods. What it trains, it trains through
    the runner (`Trainer.train`, `Trainer.represent`), so that it runs in a notebook and on a cluster, and shares
    encoders and representations with other detectors. `JetMass` is the shortest example,
    `darkclr_ray.testing.check_detector` says whether a new one keeps the promises below.
    """

    name: ClassVar[str]
    """Short and unique: the detector's name in ``scores.parquet`` and in lists of detectors."""
    title: ClassVar[str]
    """For legends and tables."""
    family: ClassVar[str] = "others"
    """Detectors of one family share what they train, such as an encoder."""
    seeds: ClassVar[frozenset[Literal["encoder", "autoencoder"]]] = frozenset({"encoder"})
    """Which seeds its scores depend on: that of the study, which an encoder takes, and that of the autoencoder."""

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        """The detector that a study's settings ask for; overridden where it depends on them."""
        return cls()

    @classmethod
    def sample_type(cls) -> type[Any]:
        """What `fit` takes, as the class says in its bases: `TrainingSample`, or `LabelledSample`.

        Raises ValueError where they do not say.
        """
        for ancestor in cls.__mro__:
            for base in vars(ancestor).get("__orig_bases__", ()):
                origin = get_origin(base)
                if origin and issubclass(origin, AnomalyDetector) and isinstance(get_args(base)[0], type):
                    return get_args(base)[0]  # type: ignore[no-any-return]
        raise ValueError(
            f"{cls.__name__} does not say what it is fitted on; "
            f"derive it from Detector[TrainingSample], or from Detector[LabelledSample] if it needs labels"
        )

    @abstractmethod
    def fit(self, sample: Sample, runner: Trainer) -> Self:
        """Train on ``sample`` wherever ``runner`` runs. Raises TrainingDiverged where no finite training came about."""

    @abstractmethod
    def score(self, jets: Jets) -> NDArray[np.float64]:
        """One finite number a jet, (B,), higher = more anomalous. Raises ValueError before `fit` or `load`.

        A jet's number depends on its constituents and kinematics alone: not on its ids, on the order of constituents of
        equal pT (unless `inputs.constituents` leaves some of them out), nor on other jets.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything that `score` needs: weights as safetensors, settings as YAML; no code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        """The detector that `save` wrote, scoring where ``runner`` runs (none: in this process)."""

    def weights(self) -> dict[str, float]:
        """Return the weight of each observable, scaled by its spread in background, where the fitted detector is linear
        in observables: comparisons show them in a table. Others have none.
        """
        return {}

    def ready(self, part: Part | None) -> Part:
        """``part``, which a fit has set. Raises ValueError where there was none."""
        if part is None:
            raise ValueError(
                f"{type(self).__name__} has not been fitted; call fit(sample, runner) or load(folder) first"
            )
        return part
