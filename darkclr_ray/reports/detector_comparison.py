"""Report page of a comparison of methods, of their robustness, or of linear classifiers."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from darkclr_ray.reports import comparison_text as comparison_words
from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import PAPER, WEIGHTINGS
from darkclr_ray.reports.figures.curves import Curve, against, rejection
from darkclr_ray.reports.labels import EPS_S, P_T, WEIGHTING_LABELS, decay_rules, signal_axes
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Figure, Page, Section, write
from darkclr_ray.reports.runs import Comparison, read
from darkclr_ray.reports.sections import (
    augmentations,
    contamination,
    detectors,
    dimensions,
    method_curves,
    normalisation,
    observables,
    provenance,
    runs,
    sculpting,
    summary,
    terms,
    training,
)
from darkclr_ray.reports.sections import parameter_maps as plane
from darkclr_ray.reports.sections import seed_variance as spread
from darkclr_ray.reports.sections import selection as choices
from darkclr_ray.reports.sections import stability as shifts
from darkclr_ray.reports.text import in_both_panels

EPS = 0.2
"""Signal efficiency at which rejections are shown, as in the paper."""


def build(study_folder: Path) -> Path:
    """Write ``report/index.html`` and its CSV files into a comparison's folder and return the path of the page.

    The page has a section for each analysis that the study contains. Only files are read; nothing is trained.

    Raises:
        ValueError: the folder contains no study, or no run of it is complete yet.
    """
    study = read(Path(study_folder))
    return write(page(study), study.folder / "report")


def page(study: Comparison) -> Page:
    """Return the whole page of a study."""
    ratios = ensembles.ratios(study, EPS)
    key = key_figure(study)
    sections = [
        Section("study", "The study", [*comparison_words.summary(study), summary.samples(study, study.main_signals)]),
        *detectors.section(study, ratios, EPS),
        *observables.section(study),
        *method_curves.section(study, EPS),
        *dimensions.sections(study, EPS, but=key.name),
        *terms.section(study, EPS),
        *plane.section(study, EPS),
        *choices.sections(study, EPS),
        *contamination.section(study, EPS),
        *sculpting.section(study),
        *shifts.sections(study),
        *spread.section(study),
        *normalisation.of_comparison(study, EPS),
        runs.section(study),
        *training_of_first(study),
        *augmentations.sections(study),
        provenance.section(study, unit="run", units=[provenance.Unit(one.key, one.seconds) for one in study.runs]),
    ]
    return Page(
        title=study.name,
        subtitle=comparison_words.subtitle(study),
        headline=comparison_words.headline(study, ratios, EPS),
        key=key,
        sections=sections,
    )


def key_figure(study: Comparison) -> Figure:
    """Return the first figure: rejection against the dark sector's parameters, or against the scanned dimension."""
    if not study.methods:
        return dimensions.linear(study, EPS) if study.ensembles("linear") else dimensions.dimensions(study, EPS)
    shown = method_curves.prominent(study)
    panels: dict[str, list[Curve]] = {}
    for weighting in WEIGHTINGS:
        curves = []
        for one in shown:
            found = ensembles.entries(one, EPS, study.main_signals)
            places = {signal: entry for (signal, side), entry in found.items() if side == weighting}
            curves.append(ensembles.rejection_curve(places, one.detector, label=one.label))
        if weighting == "raw":
            curves += [
                Curve(
                    name,
                    {at: Measurement(one.value) for at, one in numbers.items()},
                    {at: one.up for at, one in numbers.items()},
                )
                for name, numbers in PAPER.items()
            ]
        panels[str(WEIGHTING_LABELS[weighting])] = curves
    samples = {name: study.samples[name] for name in study.main_signals}
    caption = Markup(
        "Background rejection at {} = {:g} as the dark sector changes: raw as in the paper, and with background "
        "weighted to the signal’s jet {}. Light bands: 68% of a bootstrap of the test sample; dark bands: standard "
        "deviation over networks; dotted: chance.{}{} {}"
    ).format(EPS_S, EPS, P_T, in_both_panels(samples), decay_rules(samples), comparison_words.ending(study, shown))
    figure = against(signal_axes(samples), [(rejection(EPS), panels)], bands=True)
    return Figure("rejection", figure, caption, ensembles.as_rows(study, shown, (EPS,)))


def training_of_first(study: Comparison) -> list[Section]:
    """Return the section on the training of the first s_NAE network; empty if its training history is missing."""
    ensemble = study.methods.get("s_NAE")
    if ensemble is None:
        return []
    facts = ensemble.runs[0].detectors.get("s_NAE", {})
    stages = facts.get("stages") or ensemble.runs[0].stages
    if not any(study.history(stages, kind) for kind in ("representation", "energy")):
        return []
    ending = comparison_words.ending(study, [ensemble])
    return [training.section(study, stages, "the first network of DarkCLR", ending)]
