"""Runs of a comparison: each run is one network of each detector that shares the run's trainings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.darkclr import RepresentationDetector
from darkclr_ray.detectors.supervised import Supervised
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.extra_jobs import LinearJob
from darkclr_ray.study.jobs import DetectorJob

SHOWN = (
    "encoder.d_z",
    "views.p_drop",
    "nae.step_size",
    "nae.noise",
    "nae.temperature",
    "contrastive.norm_penalty",
    "inputs.pt",
)
"""Settings that the record of every run contains."""


@dataclass(frozen=True)
class RunSpec:
    """Specification of a run of a comparison.

    Attributes:
        key: name of its file: family of the detectors, and seeds.
        label: label of the runs of its ensemble.
        sections: names of the analyses that use it.
        job: job of a worker group.
        detectors: title, entry and use of labels of each detector, by name of the score.
        encoder_seed, autoencoder_seed: seeds on which it depends; None for no dependence.
        parameters: settings in which runs may differ.
        trains: name of each training by kind; runs with the same name share the training.
    """

    key: str
    label: str
    sections: tuple[str, ...]
    job: DetectorJob | LinearJob
    detectors: Mapping[str, Mapping[str, Any]]
    encoder_seed: int | None = None
    autoencoder_seed: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trains: Mapping[str, str] = field(default_factory=dict)

    @property
    def fraction(self) -> float:
        """Fraction of signal among the training jets."""
        return self.job.fraction if isinstance(self.job, DetectorJob) else 0.0

    @property
    def labels(self) -> bool:
        """Whether its training uses labels."""
        return any(detector["labels"] for detector in self.detectors.values())


def expand_runs(
    settings: StudySettings,
    entries: Sequence[str],
    sections: Sequence[str],
    *,
    encoders: int = 1,
    autoencoders: int = 1,
    changes: Mapping[str, Any] | None = None,
    fraction: float = 0.0,
    prefix: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> list[RunSpec]:
    """Return the runs of detectors, one per network; a detector has one network for each seed on which it depends.

    Detectors of one family that depend on the same seeds, and all or none of which use labels, share their runs.

    Args:
        settings: of the study.
        entries: detectors, see `darkclr_ray.detectors.registry`.
        sections: names of the analyses that use the runs.
        encoders, autoencoders: number of encoders, and of autoencoders for each.
        changes: changes to the settings.
        fraction: fraction of signal in the training background.
        prefix: prefix of the keys.
        parameters: further parameters for the records.
    """
    groups: dict[tuple[str, bool, bool, bool], list[str]] = {}
    for entry in entries:
        cls = registry.find(entry)
        group = cls.family, cls.sample_type() is LabelledSample, "encoder" in cls.seeds, "autoencoder" in cls.seeds
        groups.setdefault(group, []).append(entry)
    runs = []
    for (family, labels, by_encoder, by_autoencoder), members in groups.items():
        for encoder in range(encoders if by_encoder else 1):
            for autoencoder in range(autoencoders if by_autoencoder else 1):
                seed = settings.seed + encoder
                own = settings.seed + encoder * autoencoders + autoencoder
                seeds = {"seed": seed, "nae": {"seed": own}} if by_autoencoder else {"seed": seed}
                complete = settings.updated(dict(changes or {})).updated(seeds)
                numbers = (f"-e{seed}" if by_encoder else "") + (f"-a{own}" if by_autoencoder else "")
                name = f"{prefix}{family}{'-labels' if labels else ''}{numbers}"
                first = registry.find(members[0])
                runs.append(
                    RunSpec(
                        key=re.sub(r"[^A-Za-z0-9._-]+", "_", name),
                        label=family,
                        sections=tuple(sections),
                        job=DetectorJob(
                            complete, tuple(members), score=first.name, fraction=fraction, seed=settings.seed
                        ),
                        detectors=detector_facts(members),
                        encoder_seed=seed if by_encoder else None,
                        autoencoder_seed=own if by_autoencoder else None,
                        parameters={**reader_parameters(complete), **(parameters or {})},
                        trains=trainings(members, complete, fraction),
                    )
                )
    return runs


def check_unique(entries: Sequence[str]) -> Sequence[str]:
    """Return the detectors. Raises ValueError if two of them have scores of the same name, or one is unknown."""
    known: dict[str, str] = {}
    for entry in entries:
        name = registry.find(entry).name
        if name in known:
            raise ValueError(
                f"{entry!r}: the scores of {known[name]!r} are called {name!r}, too; name each detector once"
            )
        known[name] = entry
    return entries


def detector_facts(entries: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return title, entry and use of labels of detectors, by the name of the score."""
    found = {}
    for entry in entries:
        cls = registry.find(entry)
        found[cls.name] = {"title": cls.title, "entry": entry, "labels": cls.sample_type() is LabelledSample}
    return found


def trainings(entries: Sequence[str], settings: StudySettings, fraction: float = 0.0) -> dict[str, str]:
    """Return the names of the trainings of detectors by kind; a shared training has the same name for all."""
    stages = {}
    for entry in entries:
        cls = registry.find(entry)
        if issubclass(cls, RepresentationDetector):
            encoder = cls(settings).settings
            if encoder.contrastive.epochs:
                contrastive = encoder.contrastive
                weights = [value for name, value in contrastive if name.endswith("_weight")]
                changed = f"{contrastive.loss} {weights} {encoder.encoder.d_z} {fraction}"
                stages["representation"] = f"{cls.family} {changed} {settings.seed}"
        if "autoencoder" in cls.seeds:
            stages["energy"] = f"{stages.get('representation', cls.family)} {settings.seed} {settings.nae.seed}"
        if issubclass(cls, Supervised):
            stages["supervised"] = f"{settings.seed}"
    return stages


def deduplicate(runs: Sequence[RunSpec]) -> list[RunSpec]:
    """Return each run once, with all analyses that use it; runs without an autoencoder come first."""
    found: dict[str, RunSpec] = {}
    for run_spec in runs:
        known = found.get(run_spec.key)
        sections = dict.fromkeys((*(known.sections if known else ()), *run_spec.sections))
        found[run_spec.key] = replace(run_spec, sections=tuple(sections))
    return sorted(found.values(), key=lambda run_spec: run_spec.autoencoder_seed is not None)


def reader_parameters(settings: StudySettings) -> dict[str, Any]:
    """Return the settings `SHOWN` as a flat dictionary."""
    values = settings.model_dump(mode="json")
    flat = {}
    for name in SHOWN:
        group, _, leaf = name.partition(".")
        value = values[group][leaf]
        flat["pt_inputs" if name == "inputs.pt" else leaf] = value if not isinstance(value, list) else str(value)
    return flat
