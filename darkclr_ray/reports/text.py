"""Text of an embedding scan's page: training samples, selection criteria and results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from darkclr_ray.reports.comparison import Evaluations, Ratio, rejection, side
from darkclr_ray.reports.figures.scan import value_text
from darkclr_ray.reports.labels import (
    BENCHMARK,
    D_Z,
    EPS_S,
    P_DROP,
    P_T,
    R_INV,
    detector_label,
    signal_axes,
    signal_label,
)
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.trials import Scan, Trial

SURE = 0.975
"""Confidence from which the text calls one detector better than another. Above it the two-sided 95% interval of the
ratio excludes 1."""

_OBJECTIVES = {
    "matched": Markup("the mean logarithm over all signals of the {}-matched rejection at {} = 0.2").format(P_T, EPS_S),
    "raw": Markup("the mean logarithm over all signals of the unmatched rejection at {} = 0.2").format(EPS_S),
    "worst": Markup("the {}-matched rejection at {} = 0.2 of the worst signal").format(P_T, EPS_S),
    "signal_blind": Markup("how well background is told from its own anomalous views (no signal jet takes part)"),
}


def objective(study: Scan) -> Markup:
    """Return a description of the objective that the search maximised."""
    name = study.objective
    if name.startswith("leave_out:"):
        left_out = name.removeprefix("leave_out:")
        label = signal_label(left_out, study.samples.get(left_out))
        return Markup("{} but {}").format(_OBJECTIVES["matched"], label)
    return _OBJECTIVES.get(name) or Markup("the objective <code>{}</code>").format(name)


def counted(study: Study, split: str, signals: Sequence[str] | None = None) -> Markup:
    """Return the numbers of jets of a split as text: "6,000 QCD jets and 1,500 of each of 5 signals".

    ``signals`` are the signals that are counted; None for all.
    """
    counts: Mapping[str, int] = (study.about.get("counts") or {}).get(split) or {}
    if study.background not in counts:
        return Markup("an unrecorded number of jets")
    text = Markup("{:,} {} jets").format(counts[study.background], background_label(study))
    sizes = sorted(counts[name] for name in (study.samples if signals is None else signals) if name in counts)
    if not sizes:
        return text
    size = " to ".join(dict.fromkeys((f"{sizes[0]:,}", f"{sizes[-1]:,}")))
    return text + Markup(" and {} of {}").format(
        size, f"each of {len(sizes)} signals" if len(sizes) > 1 else "a signal"
    )


def selecting_jets(study: Scan) -> Markup:
    """Return the numbers of jets that the selection among trials used: those of the validation split."""
    if study.objective == "signal_blind":
        return counted(study, "validation", signals=())
    left_out = study.objective.removeprefix("leave_out:")
    return counted(study, "validation", signals=[name for name in study.samples if name != left_out])


def background_label(study: Study) -> Markup:
    """Return the label of the background."""
    return Markup("QCD") if study.background == "qcd" else escape(study.background)


def point(trial: Trial) -> Markup:
    """Return a trial's parameters as text: "d_z = 64, p_drop = 0.5, step size 0.02"."""
    names = {"d_z": Markup("{} = ").format(D_Z), "p_drop": Markup("{} = ").format(P_DROP), "step_size": "step size "}
    parts = [
        Markup("{}{}").format(names.get(key, f"{key} = "), value_text(value, 3))
        for key, value in trial.parameters.items()
    ]
    return Markup(", ").join(parts)


def trained_and_selected(study: Scan) -> Markup:
    """Return the end of a caption: training jets, selection criteria, and the jets that are shown."""
    return Markup(
        "Trained on {} jets without labels; hyperparameters selected by the objective “{}” on the validation split "
        "({}); numbers from the test split ({})."
    ).format(training_jets(study), study.objective, selecting_jets(study), counted(study, "test"))


def training_jets(study: Study) -> Markup:
    """Return the number and name of the jets for training without labels: "10,000 QCD"."""
    count = ((study.about.get("counts") or {}).get("train") or {}).get(study.background)
    number = Markup("{:,} ").format(count) if count else Markup("")
    return number + background_label(study)


def subtitle(study: Scan) -> Markup:
    """Return the line below the title: the kind of study, the numbers of trials and the date."""
    states = [trial.state for trial in study.trials]
    other = [
        f"{states.count(state)} {word}" for state, word in (("PRUNED", "pruned"), ("FAIL", "failed")) if state in states
    ]
    words = f"Embedding scan of DarkCLR · {states.count('COMPLETE')} complete trials"
    words += f" ({', '.join(other)})" if other else ""
    words += f" · {study.settings['search'].get('trials', '?')} planned"
    return Markup("{} · {}").format(words, str(study.about.get("created", "date not recorded")))


def headline(study: Scan, found: Evaluations, ratios: Sequence[Ratio], eps_s: float) -> Markup:
    """Return the result of the study in one or two sentences; better and worse results are both named."""
    rejections = {name: rejection(side(one, "matched"), eps_s) for name, one in found[study.score].items()}
    text = Markup("The best of {} trials ({}) reaches a {}-matched background rejection of {} on {}").format(
        len(study.complete), point(study.best), P_T, rejection_words(rejections[study.lead]), study.label(study.lead)
    )
    others = [value for signal, value in rejections.items() if signal != study.lead]
    if others:
        text += Markup(" and of {} on the other signals").format(range_words(others))
    text += Markup(" at {} = {:g}. ").format(EPS_S, eps_s)
    verdicts = [standing(ratios, other) for other in (f"untrained {study.score}", "multiplicity")]
    return text + sure_verdict(verdicts)


def rejection_words(value: Measurement) -> str:
    """Return a rejection with its interval as text for a sentence.

    >>> rejection_words(Measurement(38.2, 35.0, 42.4)), rejection_words(Measurement(120.0, bound=True))
    ('38 (35–42)', 'more than 120')
    >>> rejection_words(Measurement(1000.0, 500.0))
    '1,000 (more than 500)'
    """
    if value.bound:
        return number_words(value)
    if not math.isfinite(value.high):
        return f"{value.value:,.0f} (more than {value.value - value.down:,.0f})"
    return f"{value.value:,.0f} ({value.value - value.down:,.0f}–{value.value + value.up:,.0f})"


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


def standing(ratios: Sequence[Ratio], other: str, signals: Sequence[str] | None = None, suffix: str = "") -> Markup:
    """Return on how many signals a detector is ahead of and behind ``other`` with a two-sided confidence of 95%.

    The detector is the numerator of the pT-matched ratios. ``signals`` restricts the signals that are counted. The text
    is empty if the two were not compared.
    """
    sure = [
        ratio.confidence
        for ratio in ratios
        if ratio.denominator == other and ratio.weighting == "matched" and (signals is None or ratio.signal in signals)
    ]
    if not sure:
        return Markup("")
    ahead, behind = sum(c >= SURE for c in sure), sum(c <= 1 - SURE for c in sure)
    text = Markup("ahead of {} on {} of {} signals{}").format(detector_words(other), ahead, len(sure), suffix)
    return text + (Markup(" (behind on {})").format(behind) if behind else "")


def sure_verdict(standings: Sequence[Markup], *, several: bool = False) -> Markup:
    """Return a sentence that joins texts of `standing`; empty if all are empty.

    With ``several`` networks per detector the sentence says that the first network of each was compared.
    """
    said = [one for one in standings if one]
    if not said:
        return Markup("")
    ending = Markup(", and ").join([Markup(", ").join(said[:-1]), said[-1]] if len(said) > 1 else said)
    return Markup("With 95% confidence, on the same jets{}, it is {}.").format(
        " and with the first network of each" if several else "", ending
    )


def detector_words(name: str) -> Markup:
    """Return the name of a detector for use within a sentence."""
    words: dict[str, Markup] = {
        "multiplicity": Markup("a cut on the number of constituents"),
        "untrained s_NAE": Markup("an untrained encoder with its own NAE"),
        "untrained s_CLR": Markup("the norm of an untrained encoder"),
        "views_observables": Markup("logistic regression on observables of views"),
        "views_classifier": Markup("the views’ classifier"),
        "untrained views_classifier": Markup("the views’ classifier on an untrained encoder"),
        "supervised": Markup("the supervised classifier"),
        "boosted_trees": Markup("supervised boosted trees"),
        "supervised_observables": Markup("supervised logistic regression on observables"),
    }
    return words.get(name) or detector_label(name)


def summary(study: Scan, found: Evaluations) -> list[Markup]:
    """Return the paragraphs that summarise the training, the selection and the meaning of the thresholds."""
    settings: Mapping[str, Any] = study.settings
    trained = Markup(
        "Each trial trains DarkCLR’s encoder on {} jets and views of them, and then a normalised autoencoder on the "
        "encoder’s representations of the same jets. No signal jet and no label enters a training; constituents’ {} "
        "enters {}."
    ).format(
        training_jets(study),
        P_T,
        "as a fraction of the jet’s"
        if settings["inputs"]["pt"] == "fraction"
        else f"divided by {settings['inputs']['pt_scale']:g} GeV",
    )
    chosen = Markup(
        "<strong>What chose what.</strong> Within a training, the encoder’s epoch is that of the lowest training "
        "loss, and the autoencoder’s {}. The search chose {}: it maximised {}, judged "
        "by {}, on <em>validation</em> jets ({}). {} All numbers below come from <em>test</em> jets ({}), which chose "
        "nothing{}."
    ).format(
        autoencoder_epoch(settings["nae"]),
        searched(study),
        objective(study),
        detector_label(study.score),
        selecting_jets(study),
        "No signal chose the model."
        if study.objective == "signal_blind"
        else "So the training is blind to signals, but the choice among trials is not.",
        counted(study, "test"),
        " in this study; but the preset laptop itself was chosen with a look at the starter set’s validation and test "
        "jets, so that its numbers there are slightly optimistic"
        if study.about.get("preset") == "laptop"
        else "",
    )
    level = min(evaluation.level for evaluation in found[study.score].values())
    thresholds = Markup(
        "<strong>What the numbers mean.</strong> A rejection 1/ε<sub>B</sub> is quoted at the threshold that keeps {} "
        "of the <em>test signal itself</em>: the paper’s convention. A search that does not know its signal could not "
        "set it. Chance is a rejection of 1/{}. {}. Intervals hold {:.0%}; “&gt;” marks a lower bound (95%) "
        "where less than one background jet of average weight survives. They cover the test sample, not another "
        "training with other seeds."
    ).format(EPS_S, EPS_S, matched_twin(study), level)
    return [trained, chosen, thresholds]


def searched(study: Scan) -> Markup:
    """Return the names of the searched parameters."""
    keys = dict.fromkeys(key for trial in study.trials for key in trial.parameters)
    if keys.keys() == {"d_z", "p_drop", "step_size"}:
        return Markup("{}, {} and the Langevin step size").format(D_Z, P_DROP)
    return Markup(", ").join(Markup("<code>{}</code>").format(key) for key in keys)


def autoencoder_epoch(nae: Mapping[str, Any]) -> str:
    """Return the criteria that select the epoch of an autoencoder: in pre-training, then in contrastive divergence."""
    by_views = nae["reconstruction_epochs"] and nae.get("views_p_drop")
    chosen = ["that whose energy best tells training jets from their own anomalous views"] if by_views else []
    chosen += ["that with the energy difference closest to zero"] if nae["divergence_epochs"] else []
    return ", and after it ".join(chosen) or "the last"


def matched_twin(study: Study) -> Markup:
    """Return the explanation, without a full stop, why every number has a second, pT-matched value."""
    return Markup(
        "Where jets of a signal and of {} differ in {}, a score may tell them apart by that alone, so every number has "
        "a twin in which background is weighted to the signal’s spectrum of jet {} (“matched”)"
    ).format(background_label(study), P_T, P_T)


def in_both_panels(samples: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Return a caption's sentence on the signals that are on the axes of both r_inv and meson mass; empty if none is.

    >>> in_both_panels({"aachen": {"r_inv": 0.75, "pion_mass": 4}, "b": {"r_inv": 0.2, "pion_mass": 4}})
    Markup('')
    """
    axes = [axis.positions for axis in signal_axes(samples) if not axis.names]
    both = [signal_label(name, samples[name]) for name in samples if sum(name in axis for axis in axes) == 2]
    if not both:
        return Markup("")
    return Markup(" In both kinds of panels: {} ({} = {:g}, {:g} GeV).").format(
        Markup(", ").join(both), R_INV, *BENCHMARK
    )
