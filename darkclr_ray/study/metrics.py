"""Metrics of a study for the Ray dashboard and Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.util.metrics import Gauge

STATES = ("running", "complete", "pruned", "fail")


class StudyMetrics:
    """Gauges of a study: ray_darkclr_loss, ..., by study and, where it makes sense, by trial and stage.

    Args:
        study: name of the study.
    """

    def __init__(self, study: str) -> None:
        self.study = study
        by_stage = ("study", "trial", "stage")
        self.loss = Gauge("darkclr_loss", "Mean loss of the current epoch.", by_stage)
        self.speed = Gauge("darkclr_jets_per_second", "Training jets per second.", by_stage)
        self.difference = Gauge(
            "darkclr_energy_difference", "Energy of data minus energy of chains, per dimension.", ("study", "trial")
        )
        self.best = Gauge("darkclr_best_objective", "Objective of the best trial so far.", ("study",))
        self.rejection = Gauge(
            "darkclr_best_rejection", "Rejection at eps_S = 0.2 of the best trial, matched in pT.", ("study", "signal")
        )
        self.trials = Gauge("darkclr_trials", "Trials by state.", ("study", "state"))

    def jobs(self, jobs: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the metrics of the running jobs; see `darkclr_ray.runtime.mailbox.News`."""
        for trial, job in jobs.items():
            tags = {"study": self.study, "trial": trial, "stage": str(job.get("stage", "starting"))}
            for gauge, name in ((self.loss, "loss"), (self.speed, "jets_per_second")):
                if name in job:
                    gauge.set(job[name], tags)
            if "energy_difference" in job:
                self.difference.set(job["energy_difference"], {"study": self.study, "trial": trial})

    def trial_counts(self, counts: Mapping[str, int], running: int) -> None:
        """Set the number of trials in each state."""
        for state in STATES:
            value = running if state == "running" else counts.get(state.upper(), 0)
            self.trials.set(value, {"study": self.study, "state": state})

    def best_trial(self, objective: float, rejections: Mapping[str, float]) -> None:
        """Set the objective and the rejections of the best trial on validation jets."""
        self.best.set(objective, {"study": self.study})
        for signal, rejection in rejections.items():
            self.rejection.set(rejection, {"study": self.study, "signal": signal})
