"""Benchmark of a trial's overhead beyond training and scoring, against the start of an empty Ray Train training."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from darkclr_ray.benchmarks.result import Result
from darkclr_ray.presets import preset
from darkclr_ray.runtime.cluster import running_ray
from darkclr_ray.settings import ComputeSettings, StudySettings

SHORT = {
    "contrastive": {"epochs": 1},
    "nae": {"reconstruction_epochs": 1, "divergence_epochs": 1},
    "search": {"trials": 6, "step_sizes_per_encoder": 2, "prune": False},
}
"""Settings of a study whose trials train very little."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield the median overhead of a short study's trials, without the first one, which waits for its workers."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trials = overheads(preset("laptop").updated({**SHORT, "out": str(folder)}))
        logs = folder / "plain" / "ray"
        logs.parent.mkdir()
        with running_ray(ComputeSettings(), logs, 200_000_000):
            plain = median(empty_training(folder / f"train-{number}") for number in range(max(2, repetitions)))
    later = trials[1:]
    yield Result(
        "trial",
        "fixed cost",
        "s",
        median(later),
        plain,
        ratio=plain / median(later),
        aim="3 s or less",
        note=f"trials {', '.join(f'{seconds:.1f}' for seconds in trials)} s; plain: an empty training of Ray Train",
    )


def overheads(settings: StudySettings) -> list[float]:
    """Return each trial's seconds beyond trainings, scores and evaluations; raise RuntimeError if the study fails."""
    from darkclr_ray.reports import build
    from darkclr_ray.study.run import run
    from darkclr_ray.study.scan import EmbeddingScan

    with contextlib.redirect_stdout(io.StringIO()) as said:
        if run(EmbeddingScan(settings, "laptop", ["throughput"]), build):
            raise RuntimeError(f"the short study failed: {said.getvalue()}")
    files = sorted((Path(settings.out) / settings.name / "trials").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8"))["seconds"]["overhead"] for path in files]


def empty_training(folder: Path) -> float:
    """Return the seconds of a TorchTrainer run that trains nothing."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    started = time.perf_counter()
    config = RunConfig(name="empty", storage_path=str(folder))
    TorchTrainer(nothing, scaling_config=ScalingConfig(num_workers=1), run_config=config).fit()
    return time.perf_counter() - started


def nothing(config: dict[str, Any]) -> None:
    """Do nothing, as the training function of an empty training."""
