"""Section on hyperparameters that were selected with one signal left out, compared with those of an oracle."""

from __future__ import annotations

from dataclasses import asdict

from markupsafe import Markup

from darkclr_ray.evaluation.leave_one_out import Choice, LeftOut
from darkclr_ray.evaluation.paired import bound_of
from darkclr_ray.reports.labels import signal_label
from darkclr_ray.reports.measurement import Measurement, bounded, or_nan
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.results import StudyResults

KINDS = {"left_out": "chosen on the other signals", "signal_blind": "chosen without signals", "oracle": "oracle"}


def section(study: StudyResults) -> Section | None:
    """Return the section; None without this analysis."""
    found: list[LeftOut] = study.result("leave_one_out") or []
    if not found:
        return None
    rows: list[dict[str, Cell]] = []
    for one in found:
        few = one.oracle.matched_bound, one.left_out.matched_bound
        row: dict[str, Cell] = {"signal": signal_label(one.signal, study.samples.get(one.signal))}
        row["loss"] = bounded(one.loss, bound_of(*few))
        for kind in KINDS:
            row |= _choice(kind, getattr(one, kind))
        rows.append(row)
    columns = [
        Column("signal", "signal"),
        *(
            Column(f"{kind}_{key}", heading, title)
            for kind, title in KINDS.items()
            if any(f"{kind}_matched" in row for row in rows)
            for key, heading in (("trial", "trial"), ("matched", "matched"), ("raw", "raw"))
        ),
        Column("loss", Markup("oracle over<br>left out")),
    ]
    return Section("leave_one_out", {"leave_one_out": Table("leave_one_out", columns, rows)})


def _choice(kind: str, choice: Choice | None) -> dict[str, Cell]:
    if choice is None:
        return {}
    facts = asdict(choice)
    numbers = {
        f"{kind}_{side}": Measurement(
            facts[side], facts[f"{side}_low"], or_nan(facts[f"{side}_high"]), bound=facts[f"{side}_bound"]
        )
        for side in ("matched", "raw")
    }
    return {f"{kind}_trial": str(choice.trial), **numbers}
