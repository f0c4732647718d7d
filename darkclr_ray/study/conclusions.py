"""The result of a study in words, which the screen shows at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from darkclr_ray.detectors.multiplicity import Multiplicity
from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.study.display import is_prominent
from darkclr_ray.study.ensemble import EPS_S, Ensemble, Weighting
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.records import State, TrialRecord
from darkclr_ray.study.results import StudyResults

WIDTH = 15
"""Smallest width of a column of rejections."""

SIGNS = {1: "+", 0: "=", -1: "-"}
"""Signs of a ratio that is above 1, not different from 1, or below 1 at 95% confidence."""


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
    failed = [trial for trial in study.trials if trial.state == "FAIL"]
    for reason in dict.fromkeys(kind_of(trial.reason) for trial in failed):
        numbers = [trial.number for trial in failed if kind_of(trial.reason) == reason]
        yield f"failed      {reason}: trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
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


def kind_of(reason: str | None) -> str:
    """Return the first clause of a reason, which is the same for all failures of one kind.

    >>> kind_of("the encoder collapsed: after epoch 2, 64.5% of the jets have the same representation")
    'the encoder collapsed'
    """
    return (reason or "no reason").split(": ")[0]


def _table(study: StudyResults, selected: Ensemble) -> Iterator[str]:
    cut = study.methods.get(Multiplicity.name)
    shown = [selected, *_other_without_labels(study, selected), *([cut] if cut not in (None, selected) else [])]
    signs = {one.detector: _signs(study, one, cut) for one in shown}
    entries = {one.detector: one.entries() for one in shown}
    yield f"\nbackground rejection at a signal efficiency of {EPS_S:g},"
    yield "matched in pT, with 68% intervals:"
    widths = {name: max(len(name), WIDTH) for name in entries}
    yield f"  {'signal':8} " + " ".join(f"{name:>{width}}" for name, width in widths.items())
    for signal in study.main_signals:
        at: tuple[str, Weighting] = (signal, "matched")
        cells = [
            f"{_number(found[at]) if at in found else '':>{widths[name] - 2}} {signs[name].get(signal, ' ')}"
            for name, found in entries.items()
        ]
        yield f"  {signal:8} {' '.join(cells)}".rstrip()
    if any(signs.values()):
        yield f"  (against {Multiplicity.name}, 95%: + above, - below, = neither)"


def _other_without_labels(study: StudyResults, selected: Ensemble) -> list[Ensemble]:
    """Return the first other detector of the page's first figure that learned something, without labels."""
    left_out = (selected.detector, f"untrained {selected.detector}", Multiplicity.name)
    others = [
        one for name, one in study.methods.items() if name not in left_out and not one.labels and is_prominent(name)
    ]
    return others[:1]


def _signs(study: StudyResults, one: Ensemble, cut: Ensemble | None) -> dict[str, str]:
    """Return the sign of a detector's pT-matched ratio to the cut on multiplicity, by signal."""
    if cut is None or one == cut:
        return {}
    recorded = [pair for pair in study.recorded_pairs if (pair.a, pair.b) == (one.detector, cut.detector)]
    pairs = recorded or study.compared(one, cut)
    return {pair.signal: SIGNS[pair.matched.significant] for pair in pairs}


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
