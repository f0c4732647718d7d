"""Measure how detectors of views transfer: trained on one family of views, evaluated on families they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.families import DONORS, FAMILIES, family_jets
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.evaluation.roc import roc_curve
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.training.trainer import Trainer

EFFICIENCIES = np.linspace(0.1, 0.5, 9)
"""Efficiencies on views over which rejections are averaged; at smaller ones few background jets survive."""

P_DROP = (0.25, 0.4)
"""Drop probabilities of the views on which detectors are evaluated; views with larger ones are too easy to rank them.
"""


@dataclass(frozen=True)
class Transfer:
    """Performance of a detector on a family of views.

    Attributes:
        auc: area under the ROC curve of background against the views.
        rejection: geometric mean of the background rejection over `EFFICIENCIES`.
    """

    auc: float
    rejection: float


def transfer(
    detectors: Mapping[str, AnomalyDetector[TrainingSample]],
    training: TrainingSample,
    views: Mapping[str, Jets],
    background: Jets,
    runner: Trainer,
) -> dict[str, dict[str, Transfer]]:
    """Fit detectors and return what each of them reaches on each family of views, by name of detector and family.

    Args:
        detectors: detectors that are not fitted, by a name, such as that of the family that they are trained on.
        training: background jets for the fit.
        views: jets to evaluate on by family, see `evaluation_views`.
        background: background jets that were not used for the fit.
        runner: trainer of the detectors.
    """
    found: dict[str, dict[str, Transfer]] = {}
    for name, detector in detectors.items():
        scores = detector.fit(training, runner).score(background)
        found[name] = {family: reached(scores, detector.score(jets)) for family, jets in views.items()}
    return found


def reached(background: NDArray[np.float64], views: NDArray[np.float64]) -> Transfer:
    """Return the performance of scores of background (B,) against those of views (V,).

    An efficiency with less than one surviving jet counts as one.

    >>> found = reached(np.arange(10.0), np.full(4, 7.5))
    >>> found.auc, round(found.rejection, 6)
    (0.8, 5.0)
    """
    curve = roc_curve(background, views)
    efficiency = np.maximum(curve.background_efficiency(EFFICIENCIES), 1.0 / len(background))
    return Transfer(curve.auc, float(np.exp(-np.log(efficiency).mean())))


def evaluation_views(
    jets: Jets, *, seed: int, donors: Jets | None = None, families: Iterable[str] = tuple(FAMILIES)
) -> dict[str, Jets]:
    """Return views of each family to evaluate on, at the probabilities `P_DROP` in turn; donors lose what they must.

    The family `DONORS` is omitted if there are no donors.
    """
    found: dict[str, Jets] = {}
    for name in families:
        if name == DONORS:
            if donors is not None:
                found[name] = family_jets(name, jets, seed=seed, purpose="transfer", donors=donors)
            continue
        parts = []
        for number, p_drop in enumerate(P_DROP):
            some = jets.take(np.arange(number, len(jets), len(P_DROP)))
            parts.append(family_jets(name, some, seed=seed, purpose="transfer", p_drop=p_drop))
        found[name] = Jets.concatenate(parts)
    return found


def held_out_means(
    table: Mapping[str, Mapping[str, Transfer]], trained_on: Callable[[str], Any] = str
) -> dict[str, float]:
    """Return for each detector the mean log rejection over the families that it was not trained on.

    Args:
        table: result of `transfer`.
        trained_on: function that returns a container with the families that a detector, given by its name, was trained
            on; by default a name contains them, such as "branch_dropping + dropping".
    """
    return {
        name: float(np.mean([np.log(one.rejection) for family, one in row.items() if family not in trained_on(name)]))
        for name, row in table.items()
    }
