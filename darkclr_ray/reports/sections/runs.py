"""Section on failed runs, warnings, and Langevin chains that end at other energies than the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from markupsafe import Markup

from darkclr_ray.reports.page import Section
from darkclr_ray.reports.runs import Comparison, Run
from darkclr_ray.reports.tables import Cell, Column, Table


def section(study: Comparison) -> Section:
    """Return the section with the counts in a sentence, and a table of runs with warnings, failures or chains."""
    failed = [one for one in study.runs if one.state != "COMPLETE"]
    off = [one for one in study.complete if any(_mismatched(facts) for facts in _chains(one).values())]
    warned = [one for one in study.complete if one.warnings]
    text = Markup("{} of {} runs ran to their end; {} gave a warning. ").format(
        len(study.complete), len(study.runs), len(warned)
    )
    if any(_chains(one) for one in study.complete):
        text += (
            Markup(
                '<strong class="alert">In {} the Langevin chains end at energies far above or below the data’s: their '
                "temperature does not fit, and the energy is not normalised.</strong>"
            ).format("1 of them" if len(off) == 1 else f"{len(off)} of them")
            if off
            else Markup("All Langevin chains ended at about the data’s energy.")
        )
    rows = [row for one in [*failed, *study.complete] for row in _rows(one)]
    blocks: list[str | Table] = [text]
    if rows:
        columns = [
            Column("run", "run"),
            Column("state", "state"),
            Column("detector", "detector"),
            Column("energy_data", "energy of data"),
            Column("energy_chain", "of chains"),
            Column("displacement", "displacement"),
            Column("words", "what happened"),
        ]
        caption = (
            "Runs that failed, gave a warning, or sampled chains: energies at the kept epoch, and displacement in "
            "units of the data’s spread. The same warning of several detectors is shown once."
        )
        blocks.append(Table("runs", caption, columns, rows))
    return Section("runs", "Failures, warnings and chains", blocks)


def _chains(run_spec: Run) -> dict[str, dict[str, Cell]]:
    """Return the facts on Langevin chains by detector."""
    return {name: facts for name, facts in run_spec.chains.items() if isinstance(facts, dict)}


def _mismatched(facts: Mapping[str, Cell]) -> str:
    """Return "above" or "below" if chains end there relative to the data, otherwise an empty string."""
    return next((side for side in ("above", "below") if facts.get(f"{side}_data")), "")


def _rows(run_spec: Run) -> list[dict[str, Cell]]:
    words = Markup("<br>").join(Counter([*([run_spec.reason] if run_spec.reason else []), *run_spec.warnings]))
    first: dict[str, Cell] = {
        "run": run_spec.key,
        "state": {"FAIL": "failed"}.get(run_spec.state, run_spec.state.lower()),
        "words": words,
    }
    chains = _chains(run_spec)
    if not chains:
        return [first] if words else []
    rows: list[dict[str, Cell]] = []
    for at, (detector, facts) in enumerate(chains.items()):
        row = first if at == 0 else {"run": "", "state": "", "words": ""}
        numbers = {key: facts.get(key) for key in ("energy_data", "energy_chain", "displacement")}
        rows.append({**row, "detector": detector, **numbers})
        side = _mismatched(facts)
        if side:
            alert = Markup('<span class="alert">chains {} the data</span> {}')
            rows[-1]["words"] = alert.format(side, row["words"])
    return rows
