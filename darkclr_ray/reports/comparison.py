"""Comparison of detectors on the same test jets: the numbers of a page's tables and figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.evaluation import paired, published
from darkclr_ray.evaluation.bands import Band, roc_bands
from darkclr_ray.evaluation.rejection import Evaluation, Performance, Rejection
from darkclr_ray.reports.measurement import Measurement, or_nan
from darkclr_ray.reports.reader import ScoredJets, Study, detector_name
from darkclr_ray.reports.tables import Cell
from darkclr_ray.reports.trials import Scan, Trial

Weighting = Literal["raw", "matched"]
WEIGHTINGS: tuple[Weighting, ...] = ("raw", "matched")
"""Weightings of the background: unweighted, and weighted to the signal's spectrum of jet pT."""

Evaluations = Mapping[str, Mapping[str, Evaluation]]
"""Mapping from detector and signal to the evaluation on test jets."""


def printed(number: published.Published) -> Measurement:
    """Return a published number with its standard deviation over networks as interval."""
    spread = number.deviation or math.nan
    return Measurement(number.value, number.value - spread, number.value + spread)


PAPER: Mapping[str, Mapping[str, Measurement]] = {
    name: {signal: printed(number) for signal, number in published.REJECTION[method].items()}
    for name, method in (("paper", "DarkCLR"), ("paper supervised", "supervised"))
}
"""Table 3 of the paper at eps_S = 0.2; intervals are its standard deviations over networks."""

PAPER_AREA = printed(published.AACHEN_AUC["DarkCLR"])
"""Area under the ROC curve of the paper's DarkCLR on the Aachen benchmark (Table 2)."""


@dataclass(frozen=True)
class Ratio:
    """Rejection of one detector over that of another on the same jets, and the confidence that it exceeds 1."""

    numerator: str
    denominator: str
    signal: str
    weighting: Weighting
    value: Measurement
    confidence: float

    @property
    def noted(self) -> Measurement:
        """Ratio with its confidence as a note."""
        sure = (
            f"{self.confidence:.1%}"
            if 0.001 < self.confidence < 0.999
            else ">99.9%"
            if self.confidence > 0.5
            else "<0.1%"
        )
        return replace(self.value, note=f"{self.value.note} {sure}".strip())


def evaluations(study: Scan) -> dict[str, dict[str, Evaluation]]:
    """Return the evaluations on test jets of the best trial's scores and then of the references' scores."""
    result = {score: _parsed(study.best.test[score]) for score in study.scores(study.best)}
    for name, reference in study.references.items():
        for score, signals in (reference.get("test") or {}).items():
            result[detector_name(name, score)] = _parsed(signals)
    return result


def _parsed(signals: Mapping[str, Any]) -> dict[str, Evaluation]:
    return {signal: Evaluation.from_json(facts) for signal, facts in signals.items()}


def side(evaluation: Evaluation, weighting: Weighting) -> Performance:
    """Return the raw or the matched half of an evaluation."""
    return evaluation.raw if weighting == "raw" else evaluation.matched


def rejection(performance: Performance, eps_s: float) -> Measurement:
    """Return the rejection at a signal efficiency, with the interval of a bootstrap over events.

    Each replica of the bootstrap derives the threshold anew from the signal. The exact binomial interval assumes a
    fixed threshold and is therefore too short.
    """
    at = performance.at(eps_s)
    return Measurement(at.value, at.bootstrap_low, or_nan(at.bootstrap_high), bound=at.lower_bound)


def significance(performance: Performance, eps_s: float) -> Measurement:
    """Return the significance improvement eps_S/sqrt(eps_B), with the interval of the rejection."""
    at = performance.at(eps_s)
    value, low, high = (eps_s * np.sqrt([at.value, at.bootstrap_low, or_nan(at.bootstrap_high)])).tolist()
    return Measurement(value, low, high, bound=at.lower_bound)


def area(performance: Performance) -> Measurement:
    """Return the area under the ROC curve with its interval."""
    return Measurement(performance.auc, performance.auc_low, performance.auc_high)


def of_trial(trial: Trial, score: str, signal: str) -> Evaluation | None:
    """Return the evaluation of a trial's score on test jets of a signal; None if it was not evaluated."""
    facts = trial.test.get(score, {}).get(signal)
    return None if facts is None else Evaluation.from_json(facts)


def roc_of(
    study: Study, scored: ScoredJets, detector: str, signal: str, eps_s: NDArray[np.float64], replicas: int = 200
) -> tuple[Band, Band]:
    """Return the raw and the matched ROC curve of one detector with their bands."""
    samples = scored.of(study.background), scored.of(signal)
    columns = scored.scores[detector], scored.pt, scored.events
    parts = (column[rows] for column in columns for rows in samples)
    return roc_bands(*parts, eps_s=eps_s, seed=int(study.settings["seed"]), replicas=replicas)


def ratios(study: Scan, scored: ScoredJets, eps_s: float) -> list[Ratio]:
    """Return ratios of the rejection of the best trial's evaluated score to those of its other scores and references.

    The evaluated score is the one that the objective uses. Of a reference with several scores only the same score is
    compared: s_NAE of the untrained encoder with s_NAE.
    """
    others = [*study.scores(study.best), *(f"{name} {study.score}" for name in study.references), *study.references]
    return [
        ratio
        for other in others
        if other != study.score and comparable(scored, (study.score, other))
        for ratio in ratios_of(study, scored, study.score, other, list(study.samples), eps_s)
    ]


def ratios_of(
    study: Study, scored: ScoredJets, numerator: str, denominator: str, signals: Iterable[str], eps_s: float
) -> list[Ratio]:
    """Return ratios of the rejections of two detectors on the same jets, for each signal, raw and matched."""
    b, found = scored.of(study.background), []
    for signal in signals:
        s = scored.of(signal)
        result = paired.paired_ratio(
            *(scored.scores[name][rows] for name in (numerator, denominator) for rows in (b, s)),
            *(values[rows] for values in (scored.pt, scored.events) for rows in (b, s)),
            eps_s=eps_s,
            seed=int(study.settings["seed"]),
        )
        for weighting in WEIGHTINGS:
            half = result.raw if weighting == "raw" else result.matched
            found.append(Ratio(numerator, denominator, signal, weighting, _value(half), half.confidence))
    return found


def comparable(scored: ScoredJets, detectors: Iterable[str]) -> bool:
    """Return whether all of these detectors have a finite score for all of these jets."""
    return all(name in scored.scores and bool(np.isfinite(scored.scores[name]).all()) for name in detectors)


def ratio_value(facts: Mapping[str, Any]) -> tuple[Measurement, float]:
    """Return a ratio and the confidence that it exceeds 1, from the JSON of one half of a paired comparison."""
    half = paired.Ratio(**facts)
    return _value(half), half.confidence


def _value(half: paired.Ratio) -> Measurement:
    return replace(bounded(half.ratio, half.bound), low=half.low, high=half.high)


def bounded(ratio: float, bound: str | None) -> Measurement:
    """Return a ratio of rejections, marked as a bound where ``bound`` says so (see `paired.bound_of`)."""
    note = {"upper": "at most", "none": "no background survives either"}.get(bound or "", "")
    return Measurement(ratio, bound=bound == "lower", note=note)


def as_rows(study: Study, found: Evaluations) -> list[dict[str, Cell]]:
    """Return the rows of the CSV: all results of every detector on every signal, with one signal efficiency per row."""
    rows: list[dict[str, Cell]] = []
    for detector, signals in found.items():
        for signal, evaluation in signals.items():
            for weighting in WEIGHTINGS:
                performance = side(evaluation, weighting)
                rows += [
                    _row(study, detector, signal, weighting, evaluation, performance, at)
                    for at in performance.rejections
                ]
    return rows + paper_as_rows(study.samples)


def paper_as_rows(signals: Collection[str]) -> list[dict[str, Cell]]:
    """Return rows of the CSV with the paper's numbers for those of these signals that the paper has."""
    return [
        {"detector": method, "signal": signal, "weighting": "raw", "eps_s": 0.2, "rejection": value}
        for method, numbers in PAPER.items()
        for signal, value in numbers.items()
        if signal in signals
    ]


def _row(
    study: Study,
    detector: str,
    signal: str,
    weighting: Weighting,
    evaluation: Evaluation,
    performance: Performance,
    at: Rejection,
) -> dict[str, Cell]:
    parameters = study.samples[signal]
    return {
        "detector": detector,
        "signal": signal,
        "r_inv": parameters.get("r_inv"),
        "pion_mass_gev": parameters.get("pion_mass"),
        "weighting": weighting,
        "eps_s": at.eps_s,
        "rejection": rejection(performance, at.eps_s),
        **({"rejection_binomial_low": at.low, "rejection_binomial_high": at.high} if weighting == "raw" else {}),
        "significance_improvement": at.significance_improvement,
        "threshold": at.threshold,
        "background_survivors": at.survivors,
        "auc": area(performance),
        "effective_background": performance.effective_background,
        "background_jets": evaluation.n_background,
        "signal_jets": evaluation.n_signal,
    }
