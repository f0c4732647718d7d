"""Section on the provenance of a study: versions, seeds, fingerprints, changes from the paper's settings, and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.records import Start
from darkclr_ray.study.results import StudyResults

DEPARTURES: Mapping[str, Any] = {"nae.scale": "none", "nae.energy_penalty": 0.0, "nae.views_p_drop": []}
"""Values of the paper for settings whose defaults differ from it. With these values representations are not
transformed, the loss is that of Eq. 12 alone, and contrastive divergence starts from the last epoch of pre-training."""


def section(study: StudyResults) -> Section:
    """Return the section with settings that differ from the paper's, provenance facts and timings."""
    return Section(
        "provenance",
        {
            "settings": differing_settings(study.settings),
            "facts": facts(study),
            "changes": what_changed(study.about.starts),
            "timings": timings(study),
            "unit": "trial" if study.trials else "run",
        },
    )


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one dictionary with dotted keys.

    >>> flat({"nae": {"steps": 40, "hidden": (128, 64)}, "seed": 1})
    {'nae.steps': 40, 'nae.hidden': [128, 64], 'seed': 1}
    """
    result: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[prefix + str(key)] = list(value) if isinstance(value, tuple) else value
    return result


def differing_settings(settings: StudySettings) -> Table:
    """Return a table of the settings of physics and training that differ from the paper's values."""
    ours = flat(settings.model_dump(mode="json"))
    paper = {**flat(StudySettings().model_dump(mode="json")), **DEPARTURES}
    rows: list[dict[str, Cell]] = [
        {"setting": key, "here": _text(value), "paper": _text(paper.get(key))}
        for key, value in ours.items()
        if value != paper.get(key) and not key.startswith("compute.") and key not in ("name", "out")
    ]
    columns = [Column("setting", "setting"), Column("here", "this study"), Column("paper", "paper, or default")]
    return Table("settings", columns, rows)


def facts(study: StudyResults) -> Table:
    """Return a table of versions, seed, machine, and fingerprints of the jets, with one fact per row."""
    about = study.about
    last = about.starts[-1] if about.starts else None
    best = study.best if study.trials else None
    chosen = {"number": best.number, **{f"{kind} stage": key for kind, key in best.stages.items()}} if best else {}
    groups: dict[str, Any] = {
        "study": {
            "name": about.name,
            "preset": about.preset,
            "created": about.created,
            "seed": study.settings.seed,
            "command": " ".join(about.command) or None,
        },
        **({"best trial": chosen} if chosen else {}),
        "machine": last.machine.content() if last else {"": None},
        "precision": {"": last.precision if last else None},
        "implementation": (last.kernels if last else None) or {"": None},
        "versions": last.versions if last else {"": None},
        "jets": about.jets.content() if about.jets else {"": None},
    }
    rows: list[dict[str, Cell]] = []
    for group, entries in groups.items():
        for at, (key, value) in enumerate(flat(entries).items()):
            rows.append({"group": group if at == 0 else "", "fact": key, "value": _text(value, "not recorded")})
    return Table("provenance", [Column("group", ""), Column("fact", "fact"), Column("value", "value")], rows)


def what_changed(starts: Sequence[Start]) -> str:
    """Return a description of what differed between the starts of a study, and until when; empty if nothing did.

    >>> torch = [("2026-10-01T09:00:00", "2.9.0"), ("2026-11-01T09:00:00", "2.13.0")]
    >>> what_changed([Start(time=time, versions={"torch": version}) for time, version in torch])
    'torch 2.9.0 until 2026-11-01, 2.13.0 since'
    """
    runs: dict[str, list[tuple[str, str]]] = {}
    for start in starts:
        for fact, value in flat({k: v for k, v in start.content().items() if k != "time" and v is not None}).items():
            known = runs.setdefault(fact, [])
            if not known or known[-1][1] != _text(value):
                known.append((start.time[:10], _text(value)))
    parts = []
    for fact, run in runs.items():
        until = [f"{value} until {day}" for (_, value), (day, _) in pairwise(run)]
        if until:
            parts.append(f"{fact.split('.', 1)[-1]} {', '.join(until)}, {run[-1][1]} since")
    return "; ".join(parts)


def timings(study: StudyResults) -> Table:
    """Return a table of the seconds of each trial or run by stage; a stage found in the store counts 0."""
    unit = "trial" if study.trials else "run"
    spent = {str(trial.number): trial.seconds for trial in study.trials} or {run.key: run.seconds for run in study.runs}
    spent = {name: {stage: time for stage, time in all.items() if stage != "total"} for name, all in spent.items()}
    best = str(study.best.number) if study.trials else None
    stages = list(dict.fromkeys(stage for parts in spent.values() for stage in parts))
    rows: list[dict[str, Cell]] = [
        {"unit": name, **parts, "sum": sum(parts.values()), "best": int(name == best)}
        for name, parts in spent.items()
        if parts
    ]
    total: dict[str, Cell] = {stage: sum(parts.get(stage, 0.0) for parts in spent.values()) for stage in stages}
    total |= {"unit": "all", "sum": sum(sum(parts.values()) for parts in spent.values())}
    columns = [Column("unit", unit), *(Column(stage, stage) for stage in stages), Column("sum", "sum")]
    return Table("timings", columns, [*rows, total])


def _text(value: Any, nothing: str = "none") -> str:
    if value is None:
        return nothing
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
