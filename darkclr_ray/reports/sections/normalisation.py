"""Section on what contrastive divergence brings: the normalised autoencoder over the one that it started from."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence

from darkclr_ray.evaluation.gain import Gain, log_ratio, mean_gain
from darkclr_ray.reports.labels import signal_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.ensemble import EPS_S
from darkclr_ray.study.records import Evaluations
from darkclr_ray.study.results import StudyResults

NORMALISED, PLAIN = "s_NAE", "s_AE"


def section(study: StudyResults) -> Section | None:
    """Return the section for a search's complete trials, or for the networks of a comparison at its own settings.

    It is None if no training was evaluated with both scores.
    """
    if study.trials:
        complete = (trial for trial in study.trials if trial.state == "COMPLETE")
        return of_trainings(study, ((trial.stages.get("representation"), trial.test) for trial in complete))
    runs = (run for run in study.complete if "methods" in run.sections)
    return of_trainings(study, ((run.seeds.encoder, run.test) for run in runs))


def of_trainings(study: StudyResults, trainings: Iterable[tuple[Hashable, Evaluations]]) -> Section | None:
    """Return the section for trainings, each given by its encoder and its evaluations on test jets."""
    found: dict[Hashable, list[Evaluations]] = {}
    for encoder, test in trainings:
        if NORMALISED in test and PLAIN in test:
            found.setdefault(encoder, []).append(test)
    if not found:
        return None
    evaluated = next(iter(found.values()))[0][NORMALISED]
    overall = _gain(found, None)
    rows: list[dict[str, Cell]] = [{"signal": "mean over signals", "gain": _measured(overall)}]
    rows += [
        {"signal": signal_label(name, study.samples[name]), "gain": _measured(_gain(found, name))}
        for name in study.main_signals
        if name in evaluated
    ]
    columns = [Column("signal", "signal"), Column("gain", "ratio of rejections")]
    parts = {"gain": overall, "verdict": verdict(overall), "normalisation": Table("normalisation", columns, rows)}
    return Section("normalisation", parts)


def verdict(gain: Gain) -> str:
    """Return whether the normalised autoencoder beats the plain one: "beats", "harms", "neither" or "unknown".

    >>> verdict(Gain(1.1, 0.9, 1.3, 0.95, 5, 5))
    'neither'
    """
    if gain.low is None or gain.high is None:
        return "unknown"
    return "beats" if gain.low > 1.0 else "harms" if gain.high < 1.0 else "neither"


def _gain(found: Mapping[Hashable, Sequence[Evaluations]], signal: str | None) -> Gain:
    return mean_gain(
        {
            encoder: [log_ratio(one[NORMALISED], one[PLAIN], signal, eps_s=EPS_S) for one in members]
            for encoder, members in found.items()
        }
    )


def _measured(gain: Gain) -> Measurement:
    low, high = (math.nan if end is None else end for end in (gain.low, gain.high))
    return Measurement(gain.ratio, low, high)
