"""Report page of an embedding scan, built from the study's folder."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from darkclr_ray.reports import comparison
from darkclr_ray.reports import text as words
from darkclr_ray.reports.comparison import PAPER, WEIGHTINGS, Evaluations
from darkclr_ray.reports.figures.curves import Curve, against, rejection
from darkclr_ray.reports.labels import EPS_S, P_T, WEIGHTING_LABELS, decay_rules, signal_axes
from darkclr_ray.reports.page import Figure, Page, Section, write
from darkclr_ray.reports.sections import (
    augmentations,
    curves,
    pareto,
    provenance,
    repeats,
    scan,
    signals,
    summary,
    training,
)
from darkclr_ray.reports.trials import Scan, read

EPS = 0.2
"""Signal efficiency at which rejections are shown, as in the paper."""


def build(study_folder: Path) -> Path:
    """Write ``report/index.html`` and its CSV files into a study's folder and return the path of the page.

    Only files are read and nothing is trained, so that a page can be built at any time, also while the study runs.

    Raises:
        ValueError: the folder contains no study, or no trial of it is complete yet.
    """
    study = read(Path(study_folder))
    return write(page(study), study.folder / "report")


def page(study: Scan) -> Page:
    """Return the whole page of a study."""
    found = comparison.evaluations(study)
    scored = study.scored("test")
    ratios = comparison.ratios(study, scored, EPS)
    return Page(
        title=study.name,
        subtitle=words.subtitle(study),
        headline=words.headline(study, found, ratios, EPS),
        key=key_figure(study, found),
        sections=[
            summary.section(study, found),
            scan.section(study, EPS),
            *pareto.sections(study),
            *repeats.sections(study),
            curves.section(study, scored, EPS),
            signals.section(study, found, ratios, EPS),
            training.section(study, study.best.stages, "the best trial", words.trained_and_selected(study)),
            *augmentations.sections(study),
            where_from(study),
        ],
    )


def where_from(study: Scan) -> Section:
    """Return the section on the provenance of the study and on the time of each trial."""
    best = study.best
    return provenance.section(
        study,
        unit="trial",
        units=[provenance.Unit(str(one.number), one.seconds, one.number == best.number) for one in study.trials],
        chosen={"number": best.number, **{f"{kind} stage": key for kind, key in best.stages.items()}},
    )


def key_figure(study: Scan, found: Evaluations) -> Figure:
    """Return the figure of rejections: best trial, references on the same jets and the paper's Table 3."""
    shown = [study.score, "views_observables", "multiplicity", f"untrained {study.score}"]
    panels: dict[str, list[Curve]] = {}
    for weighting in WEIGHTINGS:
        lines = [
            Curve(
                detector,
                {
                    signal: comparison.rejection(comparison.side(evaluation, weighting), EPS)
                    for signal, evaluation in found[detector].items()
                },
            )
            for detector in shown
            if detector in found
        ]
        panels[str(WEIGHTING_LABELS[weighting])] = [
            *lines,
            *([Curve("paper", PAPER["paper"])] if weighting == "raw" else []),
        ]
    caption = Markup(
        "Background rejection at {} = {:g} as the dark sector changes, left as it is and right with background "
        "weighted to the signal’s jet {}. The paper’s numbers are from its own jets; dotted: chance.{}{} {}"
    ).format(
        EPS_S,
        EPS,
        P_T,
        words.in_both_panels(study.samples),
        decay_rules(study.samples),
        words.trained_and_selected(study),
    )
    figure = against(signal_axes(study.samples), [(rejection(EPS), panels)])
    return Figure("rejection", figure, caption)
