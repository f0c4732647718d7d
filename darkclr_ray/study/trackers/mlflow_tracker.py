"""MLflow: an experiment for each study, a run for each trial."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from darkclr_ray.study.trackers.base import TrackedTrial, Tracker

LONGEST = 500
"""Number of characters of a parameter's value that every MLflow server accepts."""

BATCH = 1000
"""Number of metrics that a server accepts at once; 100 of parameters."""


class MLflow:
    """Writes to an MLflow server or folder. The name of the experiment is that of the study."""

    def __init__(self, uri: str, study: str) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer versions ask before they use a folder
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(tracking_uri=uri)
        known = self.client.get_experiment_by_name(study)
        self.experiment = known.experiment_id if known is not None else self.client.create_experiment(study)

    def write(self, trial: TrackedTrial) -> None:
        if self._outdated(trial.name, trial.digest):
            self._write(trial)

    def write_page(self, page: Path) -> None:
        digest = str(page.stat().st_mtime_ns)
        if not self._outdated("study", digest):
            return
        run = self._begin("study")
        for file in sorted(page.parent.iterdir()):
            self.client.log_artifact(run, str(file), "report")
        self._end(run, "FINISHED", digest)

    def close(self) -> None:
        """Everything is written."""

    def _outdated(self, name: str, digest: str) -> bool:
        """Return whether a run has to be written; delete it where its content is another one."""
        found = self.client.search_runs([self.experiment], f"tags.darkclr_trial = '{name}'")
        for run in found:
            if run.data.tags.get("darkclr_digest") == digest:
                return False
            self.client.delete_run(run.info.run_id)
        return True

    def _write(self, trial: TrackedTrial) -> None:
        from mlflow.entities import Metric, Param

        run = self._begin(trial.name)
        settings = {**trial.settings, **{f"trial.{name}": value for name, value in trial.parameters.items()}}
        params = [Param(valid(name), str(value)[:LONGEST]) for name, value in settings.items()]
        now = self.client.get_run(run).info.start_time
        values = [Metric(valid(name), value, now, 0) for name, value in trial.metrics.items()]
        values += [
            Metric(valid(f"curves/{name}"), value, now, epoch)
            for name, curve in trial.curves.items()
            for epoch, value in curve
        ]
        for first in range(0, len(params), 100):
            self.client.log_batch(run, params=params[first : first + 100])
        for first in range(0, len(values), BATCH):
            self.client.log_batch(run, metrics=values[first : first + BATCH])
        for file in trial.files:
            self.client.log_artifact(run, str(file))
        states = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
        self._end(run, states.get(trial.state, "FAILED"), trial.digest)

    def _begin(self, name: str) -> str:
        tags = {"darkclr_trial": name}
        return str(self.client.create_run(self.experiment, tags=tags, run_name=name).info.run_id)

    def _end(self, run: str, state: str, digest: str) -> None:
        self.client.set_tag(run, "darkclr_digest", digest)  # last: a run without it is written again
        self.client.set_terminated(run, state)


def valid(name: str) -> str:
    """Return a name of a parameter or a metric with the characters that MLflow accepts.

    >>> valid("test/JetCLR s_NAE/leave_out:aachen")
    'test/JetCLR s_NAE/leave_out_aachen'
    """
    return "".join(one if one.isalnum() or one in "_-. /" else "_" for one in name)


def open_tracker(study: Path, where: str) -> Tracker:
    """Return the tracker that writes to the URI ``where``, by default MLFLOW_TRACKING_URI or the study's folder."""
    folder: Any = (study / "tracking" / "mlruns").resolve()
    return MLflow(where or os.environ.get("MLFLOW_TRACKING_URI") or folder.as_uri(), study.resolve().name)
