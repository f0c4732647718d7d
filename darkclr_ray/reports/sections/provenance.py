"""Section on the provenance of a study: versions, seeds, fingerprints, changes from the paper's settings, and times."""

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
"""Values of the paper for settings whose defaults differ from it. With these values representations are not
transformed, the loss is that of Eq. 12 alone, and contrastive divergence starts from the last epoch of pre-training."""


@dataclass(frozen=True)
class Unit:
    """A trial or a run of a study: its name and its seconds by stage."""

    name: str
    seconds: Mapping[str, float]
    best: bool = False


def section(study: Study, *, unit: str, units: Sequence[Unit], chosen: Mapping[str, Any] | None = None) -> Section:
    """Return the section with provenance facts, settings that differ from the paper's, and timings.

    ``unit`` is the word for one of the ``units``, such as "trial"; ``chosen`` are facts on the selected one, if any.
    """
    blocks = [differing_settings(study), facts(study, {f"best {unit}": chosen} if chosen else {}), timings(unit, units)]
    return Section("provenance", "Where the numbers come from", blocks)


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


def differing_settings(study: Study) -> Table:
    """Return a table of the settings of physics and training that differ from the paper's values."""
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
    """Return a table of versions, seed, machine, and fingerprints of the jets, with one fact per row."""
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
        "implementation": last.get("kernels") or {"": None},
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
    """Return a description of what differed between the starts of a study, and until when; empty if nothing did.

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
    """Return a table of the seconds of each unit by stage, and their sums; a stage found in the store counts 0."""
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
