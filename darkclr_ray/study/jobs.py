"""Jobs of training workers; importing this module imports no torch, which a trial's own process does not need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkclr_ray.settings import StudySettings, merged, nested
from darkclr_ray.study.detector_spec import DetectorSpec

if TYPE_CHECKING:
    from darkclr_ray.runtime.worker_loop import WorkerContext
    from darkclr_ray.study.job_context import JobContext


@dataclass(frozen=True)
class DetectorJob(DetectorSpec):
    """A `DetectorSpec` that a worker group can run."""

    def run(self, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
        """Run on every rank of a worker group; return hashes of the stages, objectives, seconds."""
        from darkclr_ray.study.job_runner import JobRunner

        return JobRunner(context, self, worker).run()


@dataclass(frozen=True)
class CalibrationJob:
    """Measure the training speed of a worker group with a few steps, whose result is discarded."""

    settings: StudySettings

    def run(self, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
        """Return the seconds of an epoch of each training and of scoring one jet."""
        from darkclr_ray.study.calibration import calibrate

        return calibrate(self.settings, context, worker)


PAPER_PARAMETERS = {"d_z": "encoder.d_z", "p_drop": "views.p_drop", "step_size": "nae.step_size"}
"""Settings that the three parameters of the paper set, by the names that a trial has for them."""


def trial_settings(settings: StudySettings, parameters: Mapping[str, Any]) -> StudySettings:
    """Return a study's settings at one point of the search.

    If the settings have a range of drop probabilities, the paper's parameter p_drop is its middle, and its width is
    unchanged. The temperature of the chains is that of the settings: with another step size, given noise is scaled so
    that sigma^2 / (2 lambda) is unchanged, unless the noise is searched itself.

    Args:
        settings: of the study.
        parameters: values by dotted names of settings, or by those of `PAPER_PARAMETERS`.

    Raises:
        ValueError: a value, or the combination of values, is no valid setting (pydantic's ValidationError).

    >>> point = {"d_z": 64, "p_drop": 0.3, "step_size": 0.01}
    >>> trial_settings(StudySettings(), point).views.p_drop
    0.3
    >>> round(trial_settings(StudySettings(), {**point, "step_size": 0.2}).nae.noise, 6)  # at 0.05: 0.005
    0.01
    >>> trial_settings(StudySettings(views={"p_drop": (0.4, 0.6)}), point).views.p_drop
    (0.2, 0.4)
    >>> trial_settings(StudySettings(), {"encoder.layers": 6}).encoder.layers
    6
    """
    changes: dict[str, Any] = {}
    for name, value in parameters.items():
        found = _around(settings, float(value)) if name == "p_drop" else value
        changes = merged(changes, nested(PAPER_PARAMETERS.get(name, name), found))
    step_size = changes.get("nae", {}).get("step_size")
    if step_size is not None and settings.nae.noise is not None and "noise" not in changes["nae"]:
        noise = settings.nae.noise * math.sqrt(float(step_size) / settings.nae.step_size)
        changes = merged(changes, nested("nae.noise", noise))
    return settings.updated(changes)


def _around(settings: StudySettings, middle: float) -> float | tuple[float, float]:
    """Return a drop probability, or the range around it where the settings have a range."""
    if not isinstance(settings.views.p_drop, tuple):
        return middle
    low, high = settings.views.p_drop
    half = min((high - low) / 2, middle, 0.999 - middle)
    return round(middle - half, 10), round(middle + half, 10)


def job_name(number: int) -> str:
    """Return the name of a trial, for Ray and for the logs.

    >>> job_name(3)
    'trial-0003'
    """
    return f"trial-{number:04d}"
