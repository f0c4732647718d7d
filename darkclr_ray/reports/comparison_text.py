"""Text of a comparison's page: training samples, selection criteria and results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from darkclr_ray.reports.comparison import PAPER, Ratio
from darkclr_ray.reports.ensembles import entries, rejection, rivals
from darkclr_ray.reports.labels import D_Z, EPS_S, P_T
from darkclr_ray.reports.measurement import Measurement, plain
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.text import (
    background_label,
    counted,
    detector_words,
    matched_twin,
    number_words,
    range_words,
    rejection_words,
    standing,
    sure_verdict,
    training_jets,
)

_KINDS = {
    "method_comparison": "Comparison of methods",
    "robustness": "Robustness against the unknown dark sector",
    "linear_classifier_test": "Linear classifier test",
}


_ENCODERS = {"DarkCLR": " of DarkCLR", "JetCLR": " of JetCLR", "untrained": " of an untrained encoder"}


def subtitle(study: Comparison) -> Markup:
    """Return the line below the title: the kind of study, the number of runs and the date."""
    failed = len(study.runs) - len(study.complete)
    words = f"{_KINDS.get(study.kind, study.kind)} · {len(study.complete)} runs"
    words += f" ({failed} failed)" if failed else ""
    return Markup("{} · {}").format(words, str(study.about.get("created", "date not recorded")))


def trained(ensembles: Iterable[Ensemble]) -> Markup:
    """Return the sentence of a caption on the training jets, where detectors with the same jets are named together."""
    groups: dict[str, list[Markup]] = {}
    for ensemble in ensembles:
        words = str(ensemble.trained_on.get("words") or "an unrecorded number of jets")
        groups.setdefault(words, []).append(ensemble.label)
    if len(groups) == 1:
        return Markup("Trained on {}.").format(*groups)
    parts = []
    for at, (words, labels) in enumerate(sorted(groups.items(), key=lambda group: -len(group[1]))):
        names = Markup("") if at == 0 else Markup("{}: ").format(Markup(", ").join(dict.fromkeys(labels)))
        parts.append(Markup("{}{}").format(names, words) if names else Markup("{}").format(words))
    return Markup("Trained on {}, except {}.").format(parts[0], Markup("; ").join(parts[1:]))


def selected(ensembles: Iterable[Ensemble]) -> Markup:
    """Return the sentences of a caption on the selection of epochs and settings."""
    found = [run_spec.selected_on for ensemble in ensembles for run_spec in ensemble.runs]
    parts = [
        Markup("{}: {}.").format(title, "; ".join(words))
        for title, key in (("Epochs", "epoch"), ("Settings", "settings"))
        if (words := list(dict.fromkeys(word for facts in found for word in _words(facts.get(key)))))
    ]
    return Markup(" ").join(parts) or Markup("What selected epochs and settings was not recorded.")


def _words(told: object) -> list[str]:
    return str(told).rstrip(".").split("; ") if told else []


def ending(study: Comparison, ensembles: Iterable[Ensemble]) -> Markup:
    """Return the end of a caption: training jets, selection criteria, and the jets that are shown."""
    chosen = list(ensembles)
    return Markup("{} {} Numbers from the test split ({}).").format(
        trained(chosen), selected(chosen), counted(study, "test", study.main_signals)
    )


def folds(study: Comparison) -> Markup:
    """Return the sentence of a caption on the training jets of a linear classifier test."""
    return Markup(
        "Encoders were trained on {} jets without labels; the classifiers use labels and were fitted to test jets, "
        "each judged on the fold that it was not fitted to ({})."
    ).format(training_jets(study), counted(study, "test", [study.lead]))


def headline(study: Comparison, ratios: Sequence[Ratio], eps_s: float) -> Markup:
    """Return the result of the study in two or three sentences; better and worse results are both named."""
    champion = study.selected
    if champion is None:
        return linear_headline(study)
    found = entries(champion, eps_s, study.main_signals)
    lead = found[study.lead, "matched"]
    text = Markup("Without labels, {} reaches a {}-matched background rejection of {} on {}").format(
        detector_words(champion.detector) if champion.detector != "s_NAE" else champion.label,
        P_T,
        _with_networks(rejection(lead), lead.deviation),
        study.label(study.lead),
    )
    elsewhere = [rejection(found[name, "matched"]) for name in study.main_signals if name != study.lead]
    if elsewhere:
        text += Markup(" and of {} on the other signals").format(range_words(elsewhere))
    text += Markup(" at {} = {:g} (chance: {:g}); the choice among detectors was made without signals").format(
        EPS_S, eps_s, 1 / eps_s
    )
    near = rivals(study)
    text += Markup(" and does not exclude {}. ").format(near[0].label) if near else Markup(". ")
    mine = [ratio for ratio in ratios if ratio.numerator == champion.detector and ratio.signal in study.main_signals]
    others = _others(mine)
    compared = [champion, *(study.methods[name] for name in others if name in study.methods)]
    several = any(len(one.runs) > 1 for one in compared)
    verdict = sure_verdict([_standing(study, mine, other) for other in others], several=several)
    return text + verdict + _papers_score(study, eps_s)


def _with_networks(value: Measurement, deviation: float | None) -> Markup:
    words = rejection_words(value)
    return Markup(words if deviation is None else words.replace(")", f"; networks ± {plain(deviation)})"))


def _others(ratios: Sequence[Ratio]) -> list[str]:
    """Return the detectors that the headline compares the selected one with: simple cuts and supervised ones first."""
    known = list(dict.fromkeys(ratio.denominator for ratio in ratios))
    first: list[str] = [name for name in ("multiplicity", "supervised", "JetCLR s_NAE") if name in known]
    return (first or known)[:3]


def _standing(study: Comparison, ratios: Sequence[Ratio], other: str) -> Markup:
    """Return the `standing` against another detector; training signals of a supervised detector are excluded."""
    trained_on = study.methods[other].trained_on.get("signal") if other in study.methods else None
    if not trained_on or not study.methods[other].labels:
        return standing(ratios, other)
    signals = [name for name in study.main_signals if name != trained_on]
    return standing(ratios, other, signals, " that it was not trained on")


def _papers_score(study: Comparison, eps_s: float) -> Markup:
    """Return a sentence that compares the rejection of the paper's score with the published one, both unweighted."""
    ensemble = study.methods.get("s_NAE")
    if ensemble is None or eps_s != 0.2:
        return Markup("")
    found = entries(ensemble, eps_s, study.main_signals)
    shared = [name for name in study.main_signals if name in PAPER["paper"]]
    if not shared:
        return Markup("")
    names, reached, printed = (
        Markup(", ").join(words)
        for words in (
            [study.label(name) for name in shared],
            [number_words(rejection(found[name, "raw"])) for name in shared],
            [number_words(PAPER["paper"][name]) for name in shared],
        )
    )
    return Markup(" The paper’s score {} reaches, raw, {} where the paper has {} ({}).").format(
        ensemble.label, reached, printed, names
    )


def linear_headline(study: Comparison) -> Markup:
    """Return the result of a linear classifier test: best matched area and raw area for each kind of features."""
    best: dict[tuple[Markup, str], tuple[float, float]] = {}
    for ensemble in study.ensembles("linear"):
        kind = ensemble.label, _ENCODERS.get(str(ensemble.parameters.get("encoder")), "")
        found = entries(ensemble, 0.2, [study.lead])
        areas = found[study.lead, "matched"].auc, found[study.lead, "raw"].auc
        best[kind] = max(best.get(kind, areas), areas)
    parts = [
        Markup("{:.3f} (raw {:.3f}) on the {}{}").format(*areas, label, encoder)
        for (label, encoder), areas in sorted(best.items(), key=lambda one: one[1], reverse=True)
    ]
    if not parts:
        return Markup("No detector was compared in this study.")
    return Markup(
        "A linear classifier of {} against {} jets reaches, {}-matched and at its best {}, an area under the ROC curve "
        "of {}."
    ).format(study.label(study.lead), background_label(study), P_T, D_Z, Markup(", ").join(parts))


def summary(study: Comparison) -> list[Markup]:
    """Return the paragraphs that summarise the study and explain its numbers and their errors."""
    first = next(one for run_spec in study.complete for signals in run_spec.test.values() for one in signals.values())
    ensembles = list(study.methods.values()) or study.ensembles("dimensions")
    told = Markup("<strong>What was trained on what.</strong> {}").format(
        Markup("{} {}").format(trained(ensembles), selected(ensembles)) if ensembles else folds(study)
    )
    thresholds = Markup(
        "<strong>What the numbers mean.</strong> A rejection 1/ε<sub>B</sub> is quoted at the threshold that keeps {} "
        "of the <em>test signal itself</em>: the paper’s convention. A search that does not know its signal could not "
        "set it. {}; the effective number of background jets that is left stands below the table."
    ).format(EPS_S, matched_twin(study))
    errors = Markup(
        "<strong>Two errors.</strong> The interval of a number is that of the <em>test sample</em>: {:.0%} of a "
        "bootstrap over events, in which threshold and weights are derived anew; “&gt;” marks a lower bound (95%). The "
        "exact binomial interval, in the CSV, takes the threshold as given, although it comes from the signal: it "
        "covers less than it claims, the less the smaller the rejection. “±” is the <em>spread over networks</em>: the "
        "standard deviation over seeds, as the paper quotes it. Means are over networks, which share the test jets. "
        "“Ahead” and “behind” are said of paired comparisons on the same jets only, of the first network of each, "
        "where the 95% interval of the ratio leaves out 1."
    ).format(float(first.get("level", 0.68)))
    return [told, thresholds, errors]
