"""Combine the two classifiers of views, on observables and on representations, by their p-values on background."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.display import BROWN, Display, Style
from darkclr_ray.detectors.saving import load_arrays, load_settings, save_arrays, save_settings
from darkclr_ray.detectors.views_classifier import ViewsClassifier
from darkclr_ray.detectors.views_observables import ViewsObservables
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.trainer import Trainer

FILE = "ranks.safetensors"


class ViewsRanks(AnomalyDetector[TrainingSample]):
    """Score jets by Fisher's combination of views_observables and views_classifier: the sum over both of -ln(p).

    p is the share of training background that a classifier scores at least as high as the jet; one jet is added to
    numerator and denominator, so that p is never 0. Both have the same weight, so that there is nothing to tune (R. A.
    Fisher, Statistical Methods for Research Workers, 4th ed. (1932), Sec. 21.1). Both need no signal and no labels, and
    neither does their combination.

    Args:
        settings: settings of a study; those of the two detectors are used.
    """

    name = "views_ranks"
    title = "observables and network of views, by ranks"
    display = Display("observables and network, views", Style(BROWN, "dash", "diamond-wide"), order=11)
    family = "DarkCLR"

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self.members = ViewsObservables(settings), ViewsClassifier(settings)
        self.background: dict[str, NDArray[np.float64]] | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        self.background = {
            member.name: np.sort(member.fit(sample, runner).score(sample.jets)) for member in self.members
        }
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        background = self.ready(self.background)
        return sum(
            (surprise(background[member.name], member.score(jets)) for member in self.members), np.zeros(len(jets))
        )

    def save(self, folder: Path) -> None:
        background = self.ready(self.background)
        for member in self.members:
            member.save(folder)
        save_settings(folder, self.settings, {group for member in self.members for group in member.groups})
        save_arrays(folder / FILE, background)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls(load_settings(folder))
        detector.members = ViewsObservables.load(folder, runner), ViewsClassifier.load(folder, runner)
        detector.background = load_arrays(folder / FILE)
        return detector


def surprise(background: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -ln(p) for scores (B,), where p is the share of sorted background scores (N,) that are at least as high.

    >>> surprise(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.5, 9.0])).round(3).tolist()
    [-0.0, 0.693, 1.386]
    """
    above = len(background) - np.searchsorted(background, scores, side="left")
    surprises: NDArray[np.float64] = -np.log((above + 1.0) / (len(background) + 1.0))
    return surprises
