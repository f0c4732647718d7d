"""Section on failed runs, warnings, and Langevin chains that end at other energies than the data."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.records import ChainRecord, RunRecord
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section with counts in a sentence, and a table of runs with warnings, failures or chains.

    It is None for a scan, whose trials are in a section of their own.
    """
    if study.trials:
        return None
    failed = [run for run in study.runs if run.state != "COMPLETE"]
    rows = [row for run in [*failed, *study.complete] for row in _rows(run)]
    columns = [
        Column("run", "run"),
        Column("state", "state"),
        Column("detector", "detector"),
        Column("energy_data", "energy of data"),
        Column("energy_chain", "of chains"),
        Column("displacement", "displacement"),
        Column("words", "what happened"),
    ]
    parts = {
        "warned": sum(bool(run.warnings) for run in study.complete),
        "with_chains": sum(bool(run.chains) for run in study.complete),
        "mismatched": sum(any(map(_mismatch, run.chains.values())) for run in study.complete),
    }
    return Section("runs", {**parts, "runs": Table("runs", columns, rows) if rows else None})


def _mismatch(chains: ChainRecord) -> str:
    """Return "above" or "below" if chains end there relative to the data's energy, otherwise an empty string."""
    return "above" if chains.above_data else "below" if chains.below_data else ""


def _rows(run: RunRecord) -> list[dict[str, Cell]]:
    words = Markup("<br>").join(dict.fromkeys([*([run.reason] if run.reason else []), *run.warnings]))
    state = {"FAIL": "failed"}.get(run.state, run.state.lower())
    first: dict[str, Cell] = {"run": run.key, "state": state, "words": words}
    if not run.chains:
        return [first] if words else []
    rows: list[dict[str, Cell]] = []
    for at, (detector, chains) in enumerate(run.chains.items()):
        row = first if at == 0 else {"run": "", "state": "", "words": ""}
        numbers = chains.model_dump(include={"energy_data", "energy_chain", "displacement"})
        rows.append({**row, "detector": detector, **numbers})
        side = _mismatch(chains)
        if side:
            alert = Markup('<span class="alert">chains {} the data</span> {}')
            rows[-1]["words"] = alert.format(side, row["words"])
    return rows
