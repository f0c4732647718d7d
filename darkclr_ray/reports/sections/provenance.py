"""Where a study's numbers come from: versions, seeds, fingerprints, unusual settings, time spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports.page import Section
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.provenance import starts_of

DEPARTURES: Mapping[str, Any] = {"nae.scale": "none", "nae.energy_penalty": 0.0, "nae.views_p_drop": []}
"""The paper's values where a default departs from them: representations are not transformed, the loss is Eq. 12's
alone, and contrastive divergence goes on from the last epoch of pre-training."""


@dataclass(frozen=True)
class Unit:
    """A trial, or whatever else a study consists of: what it is called and the seconds that it spent by stage."""

    name: str
    seconds: Mapping[str, float]
    best: bool = False


def section(study: Study, *, unit: str, units: Sequence[Unit], chosen: Mapping[str, Any] | None = None) -> Section:
    """Facts, settings that differ from the paper's, and timings of the study's units (each a "trial", say); ``chosen``
    are facts about the one that was chosen, where one was."""
    blocks = [differing_settings(study), facts(study, {f"best {unit}": chosen} if chosen else {}), timings(unit, units)]
    return Section("provenance", "Where the numbers come from", blocks)


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings with dotted keys.

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


def differing_settings(study: Study) -> Table:
    """Settings of physics and training that differ from the paper's: the defaults, but for those that depart."""
    ours, paper = flat(study.settings), {**flat(StudySettings().model_dump(mode="json")), **DEPARTURES}
    rows: list[dict[str, Cell]] = [
        {"setting": key, "here": _text(value), "paper": _text(paper.get(key))}
        for key, value in ours.items()
        if value != paper.get(key) and not key.startswith("compute.") and key not in ("name", "out")
    ]
    return Table(
        "settings",
        Markup(
            "Settings that differ from the paper’s, or where it is silent from the defaults (its authors’, where they "
            "have one). Three defaults of the autoencoder are not the paper’s: representations are put on one scale "
            "(<code>nae.scale</code>), the loss has a penalty on energies (<code>nae.energy_penalty</code>), and views "
            "choose the epoch of pre-training that is kept (<code>nae.views_p_drop</code>)."
        ),
        [Column("setting", "setting"), Column("here", "this study"), Column("paper", "paper, or default")],
        rows,
    )


def facts(study: Study, more: Mapping[str, Mapping[str, Any]]) -> Table:
    """Versions, seed, machine, and fingerprints of the jets, one fact a row."""
    about = study.about
    starts = starts_of(about)
    last = starts[-1] if starts else {}
    groups: dict[str, Any] = {
        "study": {
            "name": study.name,
            "preset": about.get("preset"),
            "created": about.get("created"),
            "seed": study.settings.get("seed"),
            "command": " ".join(map(str, about.get("command") or [])) or None,
        },
        **more,
        "machine": last.get("machine") or {"": None},
        "precision": {"": last.get("precision")},
        "versions": last.get("versions") or {"": None},
        "jets": about.get("jets") or {"": None},
    }
    rows: list[dict[str, Cell]] = []
    for group, entries in groups.items():
        for at, (key, value) in enumerate(flat(entries).items()):
            rows.append({"group": group if at == 0 else "", "fact": key, "value": _text(value, "not recorded")})
    columns = [Column("group", ""), Column("fact", "fact"), Column("value", "value")]
    caption = Markup("What made these numbers.")
    if changes := what_changed(starts):
        caption = Markup("What made the last of these numbers; not all were made alike: {}.").format(changes)
    return Table("provenance", caption, columns, rows)


def what_changed(starts: Sequence[Mapping[str, Any]]) -> str:
    """What differed between the starts of a study, and until when; empty where nothing did.

    >>> torch = [("2026-10-01T09:00:00", "2.9.0"), ("2026-11-01T09:00:00", "2.13.0")]
    >>> what_changed([{"time": time, "versions": {"torch": version}} for time, version in torch])
    'torch 2.9.0 until 2026-11-01, 2.13.0 since'
    """
    runs: dict[str, list[tuple[str, str]]] = {}
    for start in starts:
        for fact, value in flat({name: told for name, told in start.items() if name != "time"}).items():
            known = runs.setdefault(fact, [])
            if not known or known[-1][1] != _text(value):
                known.append((str(start.get("time"))[:10], _text(value)))
    parts = []
    for fact, run in runs.items():
        until = [f"{value} until {day}" for (_, value), (day, _) in pairwise(run)]
        if until:
            parts.append(f"{fact.split('.', 1)[-1]} {', '.join(until)}, {run[-1][1]} since")
    return "; ".join(parts)


def timings(unit: str, units: Sequence[Unit]) -> Table:
    """Seconds of each unit by stage, and their sums; a stage found in the store costs nothing."""
    spent = [{stage: time for stage, time in one.seconds.items() if stage != "total"} for one in units]
    stages = list(dict.fromkeys(stage for parts in spent for stage in parts))
    rows: list[dict[str, Cell]] = [
        {"unit": one.name, **parts, "sum": sum(parts.values()), "best": int(one.best)}
        for one, parts in zip(units, spent, strict=True)
        if parts
    ]
    total: dict[str, Cell] = {stage: sum(parts.get(stage, 0.0) for parts in spent) for stage in stages}
    total |= {"unit": "all", "sum": sum(sum(parts.values()) for parts in spent)}
    caption = f"Seconds that each {unit} spent, by stage; what an earlier one had computed comes from the store."
    columns = [Column("unit", unit), *(Column(stage, stage) for stage in stages), Column("sum", "sum")]
    return Table("timings", caption, columns, [*rows, total])


def _text(value: Any, nothing: str = "none") -> str:
    if value is None:
        return nothing
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
