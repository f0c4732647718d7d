"""Every signal: detectors and references on the same jets, beside the paper's Table 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from darkclr_ray.evaluation.rejection import Evaluation, Performance
from darkclr_ray.reports import comparison, words
from darkclr_ray.reports.comparison import PAPER, PAPER_AREA, WEIGHTINGS, Evaluations, Ratio
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS, detector_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan
from darkclr_ray.reports.values import Value

WHO = Markup(
    "s<sub>NAE</sub> is the energy of the best trial’s normalised autoencoder, s<sub>AE</sub> that of the same "
    "autoencoder before contrastive divergence, s<sub>CLR</sub> the norm of the representation. “Untrained” is the "
    "same pipeline on an encoder with random weights, with an autoencoder of its own. “Few constituents” takes jets "
    "with few constituents for signal, without any training."
)
"""What the rows of the tables are."""


def section(study: Scan, found: Evaluations, ratios: Sequence[Ratio], eps_s: float) -> Section:
    """Tables of rejections (at ``eps_s`` and 0.1), paired ratios, areas and significance improvements."""
    at = Markup("at {} = {:g}").format(EPS_S, eps_s)
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
            ratio_table(study, ratios, eps_s),
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
    quantity: Callable[[Performance], Value],
    *,
    paper: Mapping[str, Mapping[str, Value]] | None = None,
    data: Sequence[Mapping[str, Cell]] = (),
    sizes: bool = False,
) -> Table:
    """Detectors down, signals across, raw and matched; ``sizes`` adds the effective number of background jets."""
    rows: list[dict[str, Cell]] = []
    for detector, signals in found.items():
        row: dict[str, Cell] = {"detector": detector_label(detector), "best": int(detector == study.score)}
        for signal, evaluation in signals.items():
            for weighting in WEIGHTINGS:
                row[f"{signal}_{weighting}"] = quantity(comparison.side(evaluation, weighting))
        rows.append(row)
    for method, numbers in (paper or {}).items():
        cells = {f"{signal}_raw": value for signal, value in numbers.items() if signal in study.samples}
        rows += [{"detector": detector_label(method), **cells}] if cells else []
    if sizes:
        rows.append({"detector": "effective background jets", **_sizes(found[study.score])})
    return Table(name, caption, [Column("detector", ""), *_signal_columns(study)], rows, data)


def ratio_table(study: Scan, ratios: Sequence[Ratio], eps_s: float) -> Table:
    """The best trial's score over every other one, with the confidence that it is better."""
    rows: dict[str, dict[str, Cell]] = {}
    for ratio in ratios:
        row = rows.setdefault(ratio.denominator, {"denominator": detector_label(ratio.denominator)})
        row[f"{ratio.signal}_{ratio.weighting}"] = ratio.noted
    caption = Markup(
        "Rejection of the best trial’s {} at {} = {:g} over that of others on the same test jets: ratio with 95% "
        "interval, and below it the confidence that it exceeds 1 (paired bootstrap over events, thresholds derived "
        "anew each time)."
    ).format(detector_label(study.score), EPS_S, eps_s)
    data: list[dict[str, Cell]] = [
        {
            "numerator": ratio.numerator,
            "denominator": ratio.denominator,
            "signal": ratio.signal,
            "weighting": ratio.weighting,
            "ratio": ratio.value,
            "confidence": ratio.confidence,
        }
        for ratio in ratios
    ]
    return Table("ratios", caption, [Column("denominator", "over"), *_signal_columns(study)], list(rows.values()), data)


def _signal_columns(study: Scan) -> list[Column]:
    return [
        Column(f"{signal}_{weighting}", study.label(signal), label)
        for weighting, label in WEIGHTING_LABELS.items()
        for signal in study.samples
    ]


def _sizes(found: Mapping[str, Evaluation]) -> dict[str, Cell]:
    return {
        f"{signal}_{weighting}": round(comparison.side(evaluation, weighting).effective_background)
        for signal, evaluation in found.items()
        for weighting in WEIGHTINGS
    }
