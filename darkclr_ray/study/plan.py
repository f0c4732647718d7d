"""Estimate the time and disk space of a study before it starts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from darkclr_ray.runtime.resources import ResourcePlan
from darkclr_ray.settings import Range, StudySettings
from darkclr_ray.study.jobs import job_name
from darkclr_ray.study.samplers import prunes

OVERHEAD = 2.0
"""Seconds of a trial beyond training and scoring."""


@dataclass(frozen=True)
class Estimate:
    """Estimated time of the remaining jobs.

    Attributes:
        jobs: seconds of each job's stages, in their order.
        worker_groups: number of jobs at a time.
        rest: seconds of what follows the jobs.
    """

    jobs: Mapping[str, Mapping[str, float]]
    worker_groups: int = 1
    rest: float = 0.0

    @property
    def seconds(self) -> float:
        """Total in seconds.

        >>> Estimate({"a": {"representation": 3.0}, "b": {"energy": 1.0}}, worker_groups=2, rest=1.0).seconds
        3.0
        """
        return sum(sum(stages.values()) for stages in self.jobs.values()) / self.worker_groups + self.rest

    def done(self, ended: Collection[str], running: Mapping[str, Mapping[str, Any]]) -> float:
        """Return how many of these seconds are done, from the ended jobs and the progress of the running ones.

        >>> estimate = Estimate({"a": {"representation": 4.0, "energy": 2.0}, "b": {"energy": 1.0}})
        >>> estimate.done(["b"], {"a": {"stage": "energy", "epoch": 2, "part": 0.5, "epochs": 5}})
        6.0
        """
        done = sum(sum(self.jobs[name].values()) for name in ended if name in self.jobs)
        for name, job in running.items():
            stages = list(self.jobs.get(name, {}).items())
            names = [stage for stage, _ in stages]
            if job.get("stage") in names:
                at = names.index(job["stage"])
                part = (job.get("epoch", 0) + job.get("part", 0.0)) / max(1, job.get("epochs", 1))
                done += sum(seconds for _, seconds in stages[:at]) + part * stages[at][1]
        return done / self.worker_groups


@dataclass(frozen=True)
class Plan:
    """Remaining trials of a study, and their resources, time and disk space.

    Attributes:
        settings: settings of the study.
        allocation: resources of the study.
        finished: number of trials that have ended before.
        jets: number of jets by split and sample.
        cost: measured seconds, see `darkclr_ray.study.calibration.calibrate`.
    """

    settings: StudySettings
    allocation: ResourcePlan
    finished: int
    jets: Mapping[str, Mapping[str, int]]
    cost: Mapping[str, float]

    @property
    def encoder_seconds(self) -> float:
        """Seconds of the training of one encoder."""
        return self.cost["encoder_epoch"] * self.settings.contrastive.epochs

    @property
    def follower_seconds(self) -> float:
        """Seconds of a trial without its encoder: autoencoder and scores."""
        return self.energy_seconds + self.scores_seconds

    @property
    def energy_seconds(self) -> float:
        """Seconds of the training of one autoencoder."""
        nae = self.settings.nae
        seconds = nae.reconstruction_epochs * self.cost["reconstruction_epoch"]
        return seconds + nae.divergence_epochs * self.cost["divergence_epoch"]

    @property
    def scores_seconds(self) -> float:
        """Seconds for scoring all jets, and the overhead of a trial."""
        return self.cost["jet"] * self._jets / self.allocation.workers + OVERHEAD

    def trial(self, number: int) -> dict[str, float]:
        """Return the seconds of a trial's stages; the first of the trials that share an encoder trains it."""
        search = self.settings.search
        first = number % (search.delay * search.step_sizes_per_encoder) < search.delay
        encoder = {"representation": self.encoder_seconds} if first else {}
        return {**encoder, "energy": self.energy_seconds, "scores": self.scores_seconds}

    @property
    def estimate(self) -> Estimate:
        """Estimate for the remaining trials and the reference after them, without pruning."""
        left = range(self.finished, self.settings.search.trials)
        jobs = {job_name(number): self.trial(number) for number in left}
        search = self.settings.search
        repeats = search.seeds * min(search.repeated_points, search.trials)
        rest = self.follower_seconds + repeats * (self.encoder_seconds + self.follower_seconds)
        return Estimate(jobs, self.allocation.worker_groups, rest=rest)

    @property
    def bytes(self) -> int:
        """Upper limit of the disk space: scores and weights of all trials, and the representations that are kept."""
        settings = self.settings
        scores = 3 * 12 * self._jets
        widest = max(widths(settings))
        layers = settings.encoder.layers * (
            4 * settings.encoder.d_r**2 + 2 * settings.encoder.d_r * settings.encoder.d_h
        )
        first = (*settings.nae.hidden, settings.nae.bottleneck)[0]
        weights = 4 * (layers + settings.encoder.head_layers * widest**2 + 8 * widest * first)
        # an encoder in training, its optimiser and its best epoch; representations of the best and of those at work
        kept = (self.allocation.worker_groups + 1) * (4 * widest * self._jets + 4 * weights)
        return settings.search.trials * (scores + weights) + kept

    @property
    def _jets(self) -> int:
        return sum(count for samples in self.jets.values() for count in samples.values())

    def __str__(self) -> str:
        search = self.settings.search
        shared = search.step_sizes_per_encoder
        done = f" ({self.finished} finished before)" if self.finished else ""
        training = self.jets["train"][self.settings.background]
        return "\n".join(
            [
                f"trials     {search.trials}{done}, {shared} in a row share an encoder; maximised: {search.objective} "
                f"of {search.score} on validation jets" + ("; unpromising ones are pruned" if prunes(search) else ""),
                f"jets       {training} {self.settings.background} for training, {self._jets - training} to evaluate",
                f"resources  {self.allocation}",
                f"time       about {duration(self.estimate.seconds)} (measured: {duration(self.encoder_seconds)} per "
                f"encoder, {duration(self.follower_seconds)} for autoencoder and scores)",
                f"disk       up to {size(self.bytes)}",
            ]
        )


def widths(settings: StudySettings) -> tuple[int, ...]:
    """Return the embedding dimensions of the trials; those of a user's function are not known beforehand.

    >>> widths(StudySettings(search={"space": {"encoder.d_z": [8, 16]}}))
    (8, 16)
    """
    space = settings.search.space
    if not space:
        return settings.search.d_z
    dimension = () if isinstance(space, str) else space.get("encoder.d_z", ())
    if isinstance(dimension, Range):
        return (int(dimension.high),)
    return tuple(int(width) for width in dimension if isinstance(width, int)) or (settings.encoder.d_z,)


def duration(seconds: float) -> str:
    """Return a time as text.

    >>> duration(42), duration(400), duration(9000)
    ('42 s', '7 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Return a number of bytes as text.

    >>> size(2.5e6), size(3e9)
    ('2.5 MB', '3.0 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
