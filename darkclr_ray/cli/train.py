"""Fit detectors on background jets, without a search, and save them as a model: ``darkclr train --out my_model``.

The command has the settings of a study, and reads a study's ``settings.yaml`` as ``--config``. The model that ships
with the package was made by ``darkclr train --threads 1 --out darkclr_ray/pretrained``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from rich.console import Console

from darkclr_ray.cli.inspect import show_reached
from darkclr_ray.cli.options import CommandLine
from darkclr_ray.fs_checks import check_writable
from darkclr_ray.presets import PRESETS
from darkclr_ray.settings import StudySettings

if TYPE_CHECKING:
    from darkclr_ray.detectors.base import AnomalyDetector
    from darkclr_ray.jets.folder import JetFolder
    from darkclr_ray.jets.packed import TrainingSample
    from darkclr_ray.training.trainer import Trainer


class ModelSettings(StudySettings):
    """Settings of the command that fits and saves a model."""

    out: str = "model"
    """Folder of the model; an existing model is replaced."""
    detectors: tuple[str, ...] = Field(("s_NAE", "s_CLR", "views_observables"), min_length=1)
    """Detectors to fit, by name or as module:name; detectors that use the same encoder share it."""
    threads: int = Field(0, ge=0, le=4096)
    """Number of torch threads on the CPU, even where there is a GPU; with 0 torch chooses their number and uses a GPU
    if there is one. The number of threads may change the last digits of the weights."""


STUDY = set(StudySettings.model_fields)

COMMAND_LINE = CommandLine(
    ModelSettings,
    PRESETS,
    default="laptop",
    description="Fit detectors on background jets, look at what they reach on the signals beside them, and leave a "
    "model to score jets with.",
    aliases={},
)


def main(arguments: Sequence[str], program: str) -> int:
    """Train and save a model as the arguments specify and return 0; raise ValueError if that is not possible."""
    settings, _ = COMMAND_LINE.read(arguments, program)
    jets = check(settings)
    from darkclr_ray.detectors import registry
    from darkclr_ray.detectors.models import save_model
    from darkclr_ray.training.trainer import Trainer

    study = StudySettings.model_validate(settings.model_dump(exclude=set(ModelSettings.model_fields) - STUDY))
    detectors = [registry.make(entry, study) for entry in settings.detectors]
    check_labels(detectors, jets, settings)
    device = "cpu" if settings.threads else None
    runner = Trainer(
        device=device,
        precision=settings.compute.precision,
        kernels=settings.compute.kernels,
        threads=settings.threads or None,
        report=tell_epochs(),
        validation=validation_sample(jets, settings.background),
    )
    fitted_on: dict[str, str] = {}
    for detector in detectors:
        fitted_on |= fit(detector, jets, settings, runner)
    metrics = {split: reached(detectors, jets, split, settings) for split in jets.splits() if split != "train"}
    save_model(settings.out, detectors, jets=fitted_on, metrics=metrics)
    show_reached(metrics.get("test", {}), Console())
    print(f"a model of {', '.join(d.name for d in detectors)}; it is in {settings.out}")
    return 0


def check(settings: ModelSettings) -> JetFolder:
    """Return the jets; raise ValueError for invalid settings, as far as they can be checked without torch."""
    from darkclr_ray.augmentations import registry
    from darkclr_ray.detectors.description import check_replaceable
    from darkclr_ray.jets.folder import open_jets, starter_jets

    check_writable(Path(settings.out), "--out")
    check_replaceable(Path(settings.out))
    twice = [name for name, times in Counter(settings.detectors).items() if times > 1]
    if twice:
        raise ValueError(f"detectors: {twice[0]} is named twice; name it once")
    registry.check(settings.views)
    jets = open_jets(starter_jets() if settings.jets == "starter" else settings.jets)
    there = jets.samples("train") if "train" in jets.splits() else ()
    if settings.background not in there:
        names = ", ".join(there) or "nothing"
        raise ValueError(f"{jets.path}: no background {settings.background!r} (--background) in train; it has {names}")
    return jets


def check_labels(detectors: Sequence[AnomalyDetector[Any]], jets: JetFolder, settings: ModelSettings) -> None:
    """Raise ValueError if a detector needs labels and there are no training jets of the signal."""
    from darkclr_ray.jets.labelled import LabelledSample, check_signal

    for detector in detectors:
        if detector.sample_type() is LabelledSample:
            check_signal(jets, settings.supervised.signal, settings.background, detector.name)


def fit(detector: AnomalyDetector[Any], jets: JetFolder, settings: StudySettings, runner: Trainer) -> dict[str, str]:
    """Fit a detector on the sample type that it declares; return the fingerprints of those jets by split and sample."""
    from darkclr_ray.jets.labelled import LabelledSample
    from darkclr_ray.jets.packed import TrainingSample

    names = [settings.background]
    if detector.sample_type() is LabelledSample:
        names.append(settings.supervised.signal)
    parts = [jets.load("train", name) for name in names]
    detector.fit(TrainingSample(parts[0]) if len(parts) == 1 else LabelledSample(*parts), runner)
    return {f"train/{name}": jets.fingerprint("train", name) for name in names}


def validation_sample(jets: JetFolder, background: str) -> TrainingSample | None:
    """Return the background's validation jets, which select the epochs of encoders; None if there are none."""
    from darkclr_ray.jets.packed import TrainingSample

    there = "validation" in jets.splits() and background in jets.samples("validation")
    return TrainingSample(jets.load("validation", background)) if there else None


def reached(
    detectors: Sequence[AnomalyDetector[Any]], jets: JetFolder, split: str, settings: StudySettings
) -> dict[str, Any]:
    """Return evaluations by detector and signal as JSON; empty if the split has no background."""
    from darkclr_ray.evaluation.rejection import evaluate

    samples = {name: jets.load(split, name) for name in jets.samples(split)}
    background = samples.pop(settings.background, None)
    if background is None:
        return {}
    found: dict[str, Any] = {}
    for detector in detectors:
        scores = detector.score(background)
        found[detector.name] = {
            name: evaluate(
                scores,
                detector.score(signal),
                background.pt,
                signal.pt,
                background.events,
                signal.events,
                seed=settings.seed,
            ).to_json()
            for name, signal in samples.items()
        }
    return found


def tell_epochs() -> Any:
    """Return a `darkclr_ray.training.loop.Report` that prints a line at every tenth of a training."""

    def tell(progress: Any) -> None:
        epoch = progress.epoch + 1
        if progress.finished and (epoch % max(1, progress.epochs // 10) == 0 or epoch == progress.epochs):
            loss = f", loss {progress.record['loss']:.4g}" if "loss" in progress.record else ""
            print(f"{progress.kind}: epoch {epoch} of {progress.epochs}{loss}", flush=True)

    return tell
