"""Functions and filters of the templates: numbers, jets, detectors and paired comparisons as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports.figures.scan import value_text
from darkclr_ray.reports.labels import (
    BENCHMARK,
    D_Z,
    P_DROP,
    decay_rules,
    detector_label,
    detector_phrase,
    signal_axes,
    signal_label,
)
from darkclr_ray.reports.measurement import Measurement, plain
from darkclr_ray.study.ensemble import Ensemble
from darkclr_ray.study.labels import background_label
from darkclr_ray.study.results import StudyResults

NOT_RECORDED = "not recorded"


def rejection_words(value: Measurement, networks: float | None = None) -> str:
    """Return a rejection with its interval, and its standard deviation over networks if given, for a sentence.

    >>> rejection_words(Measurement(38.2, 35.0, 42.4)), rejection_words(Measurement(120.0, bound=True))
    ('38 (35–42)', 'more than 120')
    >>> rejection_words(Measurement(1000.0, 500.0)), rejection_words(Measurement(38.2, 35.0, 42.4), 1.5)
    ('1,000 (more than 500)', '38 (35–42; networks ± 1.50)')
    """
    if value.bound:
        return number_words(value)
    spread = "" if networks is None else f"; networks ± {plain(networks)}"
    if not math.isfinite(value.high):
        return f"{value.value:,.0f} (more than {value.value - value.down:,.0f}{spread})"
    return f"{value.value:,.0f} ({value.value - value.down:,.0f}–{value.value + value.up:,.0f}{spread})"


def number_words(value: Measurement) -> str:
    """Return a number without its interval as text for a sentence.

    >>> number_words(Measurement(38.2, 35.0, 42.4)), number_words(Measurement(120.0, bound=True))
    ('38', 'more than 120')
    """
    return f"more than {value.value:,.0f}" if value.bound else f"{value.value:,.0f}"


def range_words(values: Iterable[Measurement]) -> str:
    """Return the smallest and the largest number as text, or one number if both have the same text.

    A lower bound below the largest number may exceed it, so that the range then ends in "at least".

    >>> range_words([Measurement(30.0), Measurement(7.2)]), range_words([Measurement(8.0)])
    ('7 to 30', '8')
    >>> range_words([Measurement(1000.0, bound=True), Measurement(12.0)])
    '12 to more than 1,000'
    >>> range_words([Measurement(12.0), Measurement(9.0, bound=True)])
    'more than 9 to at least 12'
    """
    ordered = sorted(values, key=lambda one: (one.value, one.bound))
    largest, exceeded = ordered[-1], any(one.bound for one in ordered)
    end = ("at least " if exceeded and not largest.bound else "") + number_words(largest)
    return " to ".join(dict.fromkeys((number_words(ordered[0]), end)))


def probability_words(p_drop: float | Sequence[float]) -> str:
    """Return a drop probability, or the range from which it is drawn for each jet.

    >>> probability_words(0.5), probability_words((0.3, 0.7))
    ('0.5', '0.3 to 0.7')
    """
    return " to ".join(f"{end:g}" for end in ([p_drop] if isinstance(p_drop, int | float) else p_drop))


def point_words(parameters: Mapping[str, Any]) -> Markup:
    """Return a trial's parameters as text: "d_z = 64, p_drop = 0.5, step size 0.02"."""
    names = {"d_z": Markup("{} = ").format(D_Z), "p_drop": Markup("{} = ").format(P_DROP), "step_size": "step size "}
    parts = [
        Markup("{}{}").format(names.get(key, f"{key} = "), value_text(value, 3)) for key, value in parameters.items()
    ]
    return Markup(", ").join(parts)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "rejection": rejection_words,
    "number": number_words,
    "range": range_words,
    "probability": probability_words,
    "point": point_words,
    "number_g": lambda value: f"{value:g}",
    "label": lambda ensemble: ensemble_label(ensemble),
}


def ensemble_label(ensemble: Ensemble) -> Markup:
    """Return the label of an ensemble's detector."""
    return detector_label(ensemble.detector, ensemble.record.title)


def counted(study: StudyResults, split: str, signals: Sequence[str] | None = None) -> str:
    """Return the numbers of jets of a split as text: "6,000 QCD jets and 1,500 of each of 5 signals".

    ``signals`` are the signals that are counted; None for all.
    """
    background = study.count(split, study.background)
    if background is None:
        return "an unrecorded number of jets"
    counts = [study.count(split, name) for name in (study.samples if signals is None else signals)]
    sizes = sorted(count for count in counts if count is not None)
    text = f"{background:,} {background_label(study.background)} jets"
    if not sizes:
        return text
    size = " to ".join(dict.fromkeys((f"{sizes[0]:,}", f"{sizes[-1]:,}")))
    return f"{text} and {size} of {f'each of {len(sizes)} signals' if len(sizes) > 1 else 'a signal'}"


def selecting_jets(study: StudyResults) -> str:
    """Return the numbers of validation jets that the objective of a search used."""
    left_out = study.objective.removeprefix("leave_out:")
    signals = [name for name in study.samples if name != left_out]
    return counted(study, "validation", () if study.objective == "signal_blind" else signals)


def training_jets(study: StudyResults) -> str:
    """Return the number and name of the jets for training without labels: "10,000 QCD"."""
    count = study.count("train", study.background)
    return f"{count:,} {background_label(study.background)}" if count else background_label(study.background)


def selection_words(study: StudyResults, ensemble: Ensemble, kind: str) -> str:
    """Return what selected the epochs ("epoch") or the settings ("settings") of an ensemble; each criterion once."""
    if study.trials and kind == "settings":
        return f"the objective “{study.objective}” on the validation split ({selecting_jets(study)})"
    told = [getattr(run.selected_on, kind) for run in ensemble.runs]
    words = "; ".join(dict.fromkeys(word for one in told if one for word in one.rstrip(".").split("; ")))
    return words or NOT_RECORDED


def both_panels(study: StudyResults) -> list[Markup]:
    """Return the labels of the main signals that are on the axes of both r_inv and meson mass."""
    samples = {name: study.samples[name] for name in study.main_signals}
    axes = [axis.positions for axis in signal_axes(samples) if not axis.names]
    return [signal_label(name, samples[name]) for name in samples if sum(name in axis for axis in axes) == 2]


def searched(study: StudyResults) -> Markup:
    """Return the names of the parameters that a search chose."""
    keys = dict.fromkeys(key for trial in study.trials for key in trial.parameters)
    if keys.keys() == {"d_z", "p_drop", "step_size"}:
        return Markup("{}, {} and the Langevin step size").format(D_Z, P_DROP)
    return Markup(", ").join(Markup("<code>{}</code>").format(key) for key in keys)


def functions(study: StudyResults) -> dict[str, Any]:
    """Return the functions and values that the templates of a study's page can use."""
    return {
        "background": background_label(study.background),
        "benchmark": BENCHMARK,
        "both_panels": lambda: both_panels(study),
        "counted": lambda split, signals=None: counted(study, split, signals),
        "decay_rules_differ": lambda: decay_rules({name: study.samples[name] for name in study.main_signals}),
        "detector": lambda name: ensemble_label(study.methods[name]) if name in study.methods else detector_label(name),
        "label": ensemble_label,
        "phrase": detector_phrase,
        "searched": lambda: searched(study),
        "selecting_jets": lambda: selecting_jets(study),
        "signal": lambda name: signal_label(name, study.samples.get(name)),
        "training_jets": lambda: training_jets(study),
    }
