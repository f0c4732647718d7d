"""Section on what contrastive divergence brings: the normalised autoencoder over the one that it started from."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from darkclr_ray.evaluation.gain import Gain, log_ratio, mean_gain
from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.reports.labels import EPS_S, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.runs import Comparison
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan

NORMALISED, PLAIN = "s_NAE", "s_AE"

Scores = Mapping[str, Mapping[str, Evaluation]]
"""Mapping from score and signal to the evaluation on test jets."""


def of_scan(study: Scan, eps_s: float) -> list[Section]:
    """Return the section for the complete trials of a search; empty if none was evaluated with both scores."""
    return section(study, ((trial.stages.get("representation"), trial.test) for trial in study.complete), eps_s)


def of_comparison(study: Comparison, eps_s: float) -> list[Section]:
    """Return the section for the networks of a comparison at its own settings; empty if there are none."""
    runs = [one for one in study.complete if "methods" in one.sections]
    return section(study, ((one.seeds.get("encoder"), one.test) for one in runs), eps_s)


def section(
    study: Study, trainings: Iterable[tuple[Hashable, Mapping[str, Mapping[str, Any]]]], eps_s: float
) -> list[Section]:
    """Return the section for trainings, each given by its encoder and its evaluations on test jets as JSON."""
    found: dict[Hashable, list[Scores]] = {}
    for encoder, test in trainings:
        if NORMALISED in test and PLAIN in test:
            scores = {name: _parsed(test[name]) for name in (NORMALISED, PLAIN)}
            found.setdefault(encoder, []).append(scores)
    if not found:
        return []
    signals = [name for name in study.samples if name in next(iter(found.values()))[0][NORMALISED]]
    overall = _gain(found, None, eps_s)
    rows: list[dict[str, Cell]] = [{"signal": "mean over signals", "gain": _measured(overall)}]
    rows += [{"signal": study.label(name), "gain": _measured(_gain(found, name, eps_s))} for name in signals]
    caption = Markup(
        "Rejection of {} over that of {} of the same training at {} = {:g} on test jets, matched: geometric mean over "
        "encoders, and its {:.0%} interval by Student’s t over {} encoders with {} autoencoders. The interval covers "
        "other encoders, judged on the same test jets."
    ).format(
        detector_label(NORMALISED),
        detector_label(PLAIN),
        EPS_S,
        eps_s,
        overall.level,
        overall.groups,
        overall.trainings,
    )
    columns = [Column("signal", "signal"), Column("gain", "ratio of rejections")]
    table = Table("normalisation", caption, columns, rows)
    return [Section("normalisation", "What contrastive divergence brings", [verdict(overall), table])]


def verdict(gain: Gain) -> Markup:
    """Return a sentence that says whether the normalised autoencoder beats the plain one.

    >>> str(verdict(Gain(1.1, 0.9, 1.3, 0.95, 5, 5))).endswith("it does not beat the plain autoencoder.</strong>")
    True
    """
    if gain.low is None or gain.high is None:
        return Markup(
            "Contrastive divergence multiplies the rejection by {:.2f}, as mean over signals on one encoder. One "
            "encoder gives no interval, so that this does not show whether it beats the plain autoencoder."
        ).format(gain.ratio)
    if gain.low > 1.0:
        judgement = Markup("it beats the plain autoencoder.")
    elif gain.high < 1.0:
        judgement = Markup("<strong>it harms the plain autoencoder.</strong>")
    else:
        judgement = Markup("<strong>it does not beat the plain autoencoder.</strong>")
    return Markup(
        "Contrastive divergence multiplies the rejection by {:.2f} ({:.0%}: {:.2f} to {:.2f}), as mean over signals "
        "and encoders: {}"
    ).format(gain.ratio, gain.level, gain.low, gain.high, judgement)


def _gain(found: Mapping[Hashable, Sequence[Scores]], signal: str | None, eps_s: float) -> Gain:
    return mean_gain(
        {
            encoder: [log_ratio(one[NORMALISED], one[PLAIN], signal, eps_s=eps_s) for one in members]
            for encoder, members in found.items()
        }
    )


def _parsed(signals: Mapping[str, Any]) -> dict[str, Evaluation]:
    return {name: Evaluation.from_json(facts) for name, facts in signals.items()}


def _measured(gain: Gain) -> Measurement:
    low, high = (math.nan if end is None else end for end in (gain.low, gain.high))
    return Measurement(gain.ratio, low, high)
