"""Weights & Biases: a group for each study, a run for each trial."""

from __future__ import annotations

import hashlib
from pathlib import Path

from darkclr_ray.study.trackers.base import TrackedTrial, Tracker

PROJECT = "darkclr_ray"


class WeightsAndBiases:
    """Writes runs with the wandb client; offline runs lie in the study's folder until `wandb sync` sends them."""

    def __init__(self, study: Path, mode: str) -> None:
        self.study, self.mode = study, mode
        self.folder = study / "tracking" / "wandb"
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, trial: TrackedTrial) -> None:
        mark = self.folder / f"{trial.name}.{self.mode}"
        if mark.is_file() and mark.read_text() == trial.digest:
            return
        import wandb

        config = {**trial.settings, **{f"trial.{name}": value for name, value in trial.parameters.items()}}
        with self._run(trial.name, config, [trial.state]) as run:
            steps: dict[int, dict[str, float]] = {}
            for name, curve in trial.curves.items():
                for epoch, value in curve:
                    steps.setdefault(epoch, {})[name] = value
            for epoch in sorted(steps):
                run.log({"epoch": epoch, **steps[epoch]})
            run.summary.update({**trial.metrics, "state": trial.state})
            artifact = wandb.Artifact(f"{self.study.resolve().name}-{trial.name}", type="trial")
            for file in trial.files:
                artifact.add_file(str(file), name=f"{file.parent.name}-{file.name}")
            run.log_artifact(artifact)
        mark.write_text(trial.digest)

    def write_page(self, page: Path) -> None:
        import wandb

        with self._run("study", {}, []) as run:
            run.log({"report": wandb.Html(page.read_text(encoding="utf-8"), inject=False)})

    def close(self) -> None:
        """Everything is written or, offline, on the disk."""

    def _run(self, name: str, config: dict[str, object], tags: list[str]):  # type: ignore[no-untyped-def]
        import wandb

        study = self.study.resolve()
        own = hashlib.blake2b(f"{study} {name}".encode(), digest_size=8).hexdigest()
        return wandb.init(
            project=PROJECT,
            group=study.name,
            name=f"{study.name} {name}",
            id=own,
            resume="allow",
            mode=self.mode,
            dir=str(self.folder),
            config=config,
            tags=tags,
            settings=wandb.Settings(silent=True, console="off", init_timeout=60),
        )


def open_tracker(study: Path, where: str) -> Tracker:
    """Return the tracker; ``where`` is "offline" or empty for the server that wandb is configured for."""
    return WeightsAndBiases(study, "offline" if where == "offline" else "online")
