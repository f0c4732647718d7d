"""Jobs of training workers; importing this module imports no torch, which a trial's own process does not need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkclr_ray.settings import StudySettings
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


def trial_settings(settings: StudySettings, parameters: Mapping[str, Any]) -> StudySettings:
    """Return a study's settings at one point of the search space.

    If the settings have a range of drop probabilities, the searched one is its middle, and its width is unchanged. The
    temperature of the chains is that of the settings: with another step size, given noise is scaled so that
    sigma^2 / (2 lambda) is unchanged.

    >>> point = {"d_z": 64, "p_drop": 0.3, "step_size": 0.01}
    >>> trial_settings(StudySettings(), point).views.p_drop
    0.3
    >>> round(trial_settings(StudySettings(), {**point, "step_size": 0.2}).nae.noise, 6)  # at 0.05: 0.005
    0.01
    >>> trial_settings(StudySettings(views={"p_drop": (0.4, 0.6)}), point).views.p_drop
    (0.2, 0.4)
    """
    middle = float(parameters["p_drop"])
    p_drop: float | tuple[float, float] = middle
    if isinstance(settings.views.p_drop, tuple):
        low, high = settings.views.p_drop
        half = min((high - low) / 2, middle, 0.999 - middle)
        p_drop = (round(middle - half, 10), round(middle + half, 10))
    step_size = float(parameters["step_size"])
    nae = {"step_size": step_size}
    if settings.nae.noise is not None:
        nae["noise"] = settings.nae.noise * math.sqrt(step_size / settings.nae.step_size)
    return settings.updated({"encoder": {"d_z": int(parameters["d_z"])}, "views": {"p_drop": p_drop}, "nae": nae})


def job_name(number: int) -> str:
    """Return the name of a trial, for Ray and for the logs.

    >>> job_name(3)
    'trial-0003'
    """
    return f"trial-{number:04d}"
