"""Section on every signal: detectors and references on the same jets, compared with the paper's Table 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from darkclr_ray.evaluation.rejection import Evaluation, Performance
from darkclr_ray.reports import comparison
from darkclr_ray.reports import text as words
from darkclr_ray.reports.comparison import PAPER, PAPER_AREA, WEIGHTINGS, Evaluations, Ratio, Weighting
from darkclr_ray.reports.labels import EPS_S, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.pivot import Row, pivot_table, ratio_table
from darkclr_ray.reports.tables import Cell, Table
from darkclr_ray.reports.trials import Scan

WHO = Markup(
    "s<sub>NAE</sub> is the energy of the best trial’s normalised autoencoder, s<sub>AE</sub> that of the same "
    "autoencoder before contrastive divergence, s<sub>CLR</sub> the norm of the representation. “Untrained” is the "
    "same pipeline on an encoder with random weights, with an autoencoder of its own. “Few constituents” takes jets "
    "with few constituents for signal, without any training."
)
"""Explanation of the rows of the tables."""


def section(study: Scan, found: Evaluations, ratios: Sequence[Ratio], eps_s: float) -> Section:
    """Return the section with rejections (at ``eps_s`` and 0.1), paired ratios, areas and significance improvements."""
    at = Markup("at {} = {:g}").format(EPS_S, eps_s)
    labels = {name: detector_label(name) for name in [*found, *(ratio.denominator for ratio in ratios)]}
    return Section(
        "signals",
        "Every signal, beside references on the same jets",
        [
            WHO,
            table(
                "rejections",
                Markup(
                    "Background rejection 1/ε<sub>B</sub> {}; chance is {:g}. Intervals: bootstrap over "
                    "events, the threshold derived anew from the signal each time. The paper’s errors are standard "
                    "deviations over networks, on its own jets. The CSV holds every number of these tables, and the "
                    "exact binomial intervals of the surviving background, which take the threshold as given and "
                    "are too short for that. {}"
                ).format(at, 1 / eps_s, words.trained_and_selected(study)),
                study,
                found,
                lambda performance: comparison.rejection(performance, eps_s),
                paper=PAPER,
                data=comparison.as_rows(study, found),
                sizes=True,
            ),
            ratio_table(study, list(study.samples), ratios, eps_s, labels),
            table(
                "areas",
                Markup("Area under the ROC curve; chance is 0.5. Intervals: bootstrap over events."),
                study,
                found,
                comparison.area,
                paper={"paper": {"aachen": PAPER_AREA}},
            ),
            table(
                "rejections_tight",
                Markup("Background rejection at {} = 0.1; chance is 10.").format(EPS_S),
                study,
                found,
                lambda performance: comparison.rejection(performance, 0.1),
            ),
            table(
                "significance",
                Markup(
                    "Significance improvement ε<sub>S</sub>/√ε<sub>B</sub> {}; a cut at random gives {:.2f}."
                ).format(at, eps_s**0.5),
                study,
                found,
                lambda performance: comparison.significance(performance, eps_s),
            ),
        ],
    )


def table(
    name: str,
    caption: str,
    study: Scan,
    found: Evaluations,
    quantity: Callable[[Performance], Measurement],
    *,
    paper: Mapping[str, Mapping[str, Measurement]] | None = None,
    data: Sequence[Mapping[str, Cell]] = (),
    sizes: bool = False,
) -> Table:
    """Return a table of a quantity with one row per detector and one column per signal, raw and matched.

    ``sizes`` adds a row with the effective number of background jets.
    """
    rows: list[Row] = [
        (
            detector_label(detector),
            {
                (signal, weighting): quantity(comparison.side(evaluation, weighting))
                for signal, evaluation in signals.items()
                for weighting in WEIGHTINGS
            },
        )
        for detector, signals in found.items()
    ]
    rows += paper_rows(paper or {}, list(study.samples))
    if sizes:
        rows.append(effective_sizes(found[study.score]))
    marked = list(found).index(study.score)
    return pivot_table(name, caption, study, list(study.samples), rows, marked=marked, data=data)


def paper_rows(paper: Mapping[str, Mapping[str, Measurement]], signals: Sequence[str]) -> list[Row]:
    """Return rows with the paper's numbers, which are not matched in pT, for the signals that it has."""
    rows: list[Row] = []
    for method, numbers in paper.items():
        cells: dict[tuple[str, Weighting], Cell] = {
            (signal, "raw"): value for signal, value in numbers.items() if signal in signals
        }
        rows += [(detector_label(method), cells)] if cells else []
    return rows


def effective_sizes(found: Mapping[str, Evaluation]) -> Row:
    """Return the row with the effective number of background jets for each signal."""
    return "effective background jets", {
        (signal, weighting): round(comparison.side(evaluation, weighting).effective_background)
        for signal, evaluation in found.items()
        for weighting in WEIGHTINGS
    }
