"""The result of a study in words, which the screen shows at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from darkclr_ray.detectors.multiplicity import Multiplicity
from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.study.ensemble import EPS_S, Ensemble, Weighting
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.records import State, TrialRecord
from darkclr_ray.study.results import StudyResults

VERDICTS = {1: "ahead", 0: "not different", -1: "behind"}
"""Words for the sign of a difference that is significant at 95% confidence, and for none."""


def conclusions(folder: Path) -> list[str]:
    """Return the result of a study as lines: the best trial, how trials ended, and the rejection on each signal.

    Raises ValueError if no trial or run is complete, or a file is damaged.
    """
    study = read_results(folder)
    lines = list(_of_search(study)) if study.trials else []
    return lines if study.selected is None else [*lines, *_table(study, study.selected)]


def _of_search(study: StudyResults) -> Iterator[str]:
    best, states = study.best, Counter(trial.state for trial in study.trials)
    point = ", ".join(f"{name} {value:.4g}" for name, value in best.parameters.items())
    yield f"best trial  {best.number} of {len(study.trials)}, on validation jets: {point}"
    names: dict[State, str] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    yield "trials      " + ", ".join(f"{states[state]} {name}" for state, name in names.items())
    for reason, count in Counter(trial.reason for trial in study.trials if trial.state == "FAIL").items():
        yield f"failed      {count}: {reason}"
    if best.number == 0 and len(study.trials) > 1:
        yield "note        no trial was better than the starting point, trial 0"
    for name in at_edge(best, study.settings.search.model_dump()):
        yield f"note        the best {name} is at the edge of the searched range; widen search.{name}"


def at_edge(best: TrialRecord, search: Mapping[str, Any]) -> list[str]:
    """Return the parameters whose best value is the smallest or the largest of the searched range.

    A range is a list of choices, or (low, high) with a step as third number or without one.

    >>> trial = TrialRecord(number=1, state="COMPLETE", parameters={"d_z": 64, "p_drop": 0.7})
    >>> at_edge(trial, {"d_z": (16, 64, 256), "p_drop": (0.1, 0.7, 0.05)})
    ['p_drop']
    """
    found = []
    for name, value in best.parameters.items():
        searched = search.get(name)
        if isinstance(searched, tuple | list) and len(searched) > 1:
            ends = (min(searched), max(searched)) if name == "d_z" else searched[:2]
            if value in ends:
                found.append(name)
    return found


def _table(study: StudyResults, selected: Ensemble) -> Iterator[str]:
    name, cut = selected.detector, Multiplicity.name
    other = study.methods.get(cut) if name != cut else None
    verdicts = {
        pair.signal: VERDICTS[pair.matched.significant] for pair in study.pairs if (pair.a, pair.b) == (name, cut)
    }
    yield f"\nbackground rejection at a signal efficiency of {EPS_S:g},"
    yield "matched in pT, with 68% intervals:"
    widths = max(len(name), 14), max(len(cut), 14)
    yield f"  {'signal':9}{name:>{widths[0]}}" + (f"  {cut:>{widths[1]}}" if other is not None else "")
    entries = selected.entries()
    below = other.entries() if other is not None else {}
    for signal in study.main_signals:
        at: tuple[str, Weighting] = (signal, "matched")
        if at in entries:
            line = f"  {signal:9}{_number(entries[at]):>{widths[0]}}"
            yield line + (f"  {_number(below[at]):>{widths[1]}}  {verdicts.get(signal, '')}" if at in below else "")


def _number(entry: Entry) -> str:
    """Return a rejection with its interval.

    >>> from types import SimpleNamespace
    >>> _number(SimpleNamespace(rejection=61.2, bootstrap_low=50.4, bootstrap_high=None, lower_bound=False))
    '61 [50, ...]'
    """
    high = "..." if entry.bootstrap_high is None else _plain(entry.bootstrap_high)
    return f"{'>' if entry.lower_bound else ''}{_plain(entry.rejection)} [{_plain(entry.bootstrap_low)}, {high}]"


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
