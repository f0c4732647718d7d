"""Who takes part in a comparison: each run is one network of each of a few detectors that share it."""

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
"""Settings that a reader wants to see of every run."""


@dataclass(frozen=True)
class RunSpec:
    """A member of a comparison, trained once.

    Attributes:
        key: its file's name, made of who it is and its seeds.
        label: of all members of its ensemble.
        sections: the questions that it answers.
        job: what a worker group does for it.
        detectors: what it brings, by name of the score: title and whether labels were used.
        encoder_seed, autoencoder_seed: that it depends on; None where it does not.
        parameters: what makes it different from others, for readers.
        trains: what is trained for it, by stage; runs that name the same share it.
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
        """Of signal in what it was trained on."""
        return self.job.fraction if isinstance(self.job, DetectorJob) else 0.0

    @property
    def labels(self) -> bool:
        """Whether it was trained with labels."""
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
    """Runs for detectors: as many networks of each as there are seeds that it depends on.

    Detectors of one family, with the same seeds and the same appetite for labels, make one run a network.

    Args:
        settings: of the study.
        entries: detectors, see `darkclr_ray.detectors.registry`.
        sections: questions that the runs answer.
        encoders, autoencoders: number of encoders, and of autoencoders on each.
        changes: to the settings.
        fraction: of signal in the training background.
        prefix: of the keys.
        parameters: more of them to show.
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
                        detectors=described(members),
                        encoder_seed=seed if by_encoder else None,
                        autoencoder_seed=own if by_autoencoder else None,
                        parameters={**shown(complete), **(parameters or {})},
                        trains=trained(members, complete, fraction),
                    )
                )
    return runs


def check_unique(entries: Sequence[str]) -> Sequence[str]:
    """The same detectors. Raises ValueError where the scores of two of them have the same name, or one is unknown."""
    known: dict[str, str] = {}
    for entry in entries:
        name = registry.find(entry).name
        if name in known:
            raise ValueError(
                f"{entry!r}: {known[name]!r} takes part, and its scores are called {name!r}, too; name each once"
            )
        known[name] = entry
    return entries


def described(entries: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What readers are told of detectors, by the name of the score."""
    found = {}
    for entry in entries:
        cls = registry.find(entry)
        found[cls.name] = {"title": cls.title, "entry": entry, "labels": cls.sample_type() is LabelledSample}
    return found


def trained(entries: Sequence[str], settings: StudySettings, fraction: float = 0.0) -> dict[str, str]:
    """What is trained for detectors, by stage, named so that those who share it name it alike."""
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


def merged(runs: Sequence[RunSpec]) -> list[RunSpec]:
    """Each run once, with all questions that it answers; encoders first, so that nobody waits for one."""
    found: dict[str, RunSpec] = {}
    for run_spec in runs:
        known = found.get(run_spec.key)
        sections = dict.fromkeys((*(known.sections if known else ()), *run_spec.sections))
        found[run_spec.key] = replace(run_spec, sections=tuple(sections))
    return sorted(found.values(), key=lambda run_spec: run_spec.autoencoder_seed is not None)


def shown(settings: StudySettings) -> dict[str, Any]:
    """Flat parameters for readers."""
    values = settings.model_dump(mode="json")
    flat = {}
    for name in SHOWN:
        group, _, leaf = name.partition(".")
        value = values[group][leaf]
        flat["pt_inputs" if name == "inputs.pt" else leaf] = value if not isinstance(value, list) else str(value)
    return flat
