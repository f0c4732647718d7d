"""TensorBoard: an event file for each trial."""

from __future__ import annotations

import shutil
from pathlib import Path

from tensorboardX import SummaryWriter

from darkclr_ray.study.trackers.base import TrackedTrial, Tracker


class TensorBoard:
    """Writes event files below a folder, one subfolder per trial: `tensorboard --logdir FOLDER`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, trial: TrackedTrial) -> None:
        own = self.folder / trial.name
        mark = own / "written"
        if mark.is_file() and mark.read_text() == trial.digest:
            return
        shutil.rmtree(own, ignore_errors=True)
        with SummaryWriter(str(own)) as writer:
            settings = {**trial.settings, **trial.parameters, "state": trial.state}
            parameters = {name: "none" if value is None else value for name, value in trial.parameters.items()}
            writer.add_hparams(parameters, dict(trial.metrics), name="parameters")  # a subfolder: HParams' own file
            for name, value in trial.metrics.items():
                writer.add_scalar(name, value, 0)
            rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
            writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}")
            for name, curve in trial.curves.items():
                for epoch, value in curve:
                    writer.add_scalar(name, value, epoch)
        mark.write_text(trial.digest)

    def write_page(self, page: Path) -> None:
        with SummaryWriter(str(self.folder / "study")) as writer:
            writer.add_text("report", f"The report of the study is {page.resolve()}.")

    def close(self) -> None:
        """Everything is written."""


def open_tracker(study: Path, where: str) -> Tracker:
    """Return the tracker that writes to the folder ``where``, by default to tracking/tensorboard in the study's."""
    return TensorBoard(Path(where) if where else study / "tracking" / "tensorboard")
