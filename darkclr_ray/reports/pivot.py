"""Tables with one column per signal, each raw and matched in jet pT: the form of the paper's Table 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from darkclr_ray.reports.comparison import Ratio, Weighting
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.tables import Cell, Column, Table

Row = tuple[str, Mapping[tuple[str, Weighting], Cell]]
"""Label of a row (HTML if it is Markup) and its cells by signal and weighting."""


def pivot_table(
    name: str,
    caption: str,
    study: Study,
    signals: Sequence[str],
    rows: Sequence[Row],
    *,
    heading: str = "",
    marked: int | None = None,
    data: Sequence[Mapping[str, Cell]] = (),
) -> Table:
    """Return a table of ``rows`` that highlights the row with index ``marked``; ``data`` are the rows of its CSV."""
    cells: list[dict[str, Cell]] = []
    for at, (label, found) in enumerate(rows):
        cells.append({"row": label, "best": int(at == marked)})
        cells[-1].update({f"{signal}_{weighting}": cell for (signal, weighting), cell in found.items()})
    columns = [
        Column(f"{signal}_{weighting}", study.label(signal), label)
        for weighting, label in WEIGHTING_LABELS.items()
        for signal in signals
    ]
    return Table(name, caption, [Column("row", heading), *columns], cells, data)


def ratio_table(
    study: Study,
    signals: Sequence[str],
    ratios: Sequence[Ratio],
    eps_s: float,
    labels: Mapping[str, str],
    *,
    which: str | Markup = "",
) -> Table:
    """Return a table of ratios of the rejections of two detectors, with the confidence that each ratio exceeds 1.

    ``labels`` maps detectors to their labels; ``which`` is a sentence of the caption on the compared networks.
    """
    several = len({ratio.numerator for ratio in ratios}) > 1
    rows: dict[tuple[str, str], dict[tuple[str, Weighting], Cell]] = {}
    for ratio in ratios:
        cells = rows.setdefault((ratio.numerator, ratio.denominator), {})
        cells[ratio.signal, ratio.weighting] = ratio.noted
    caption = Markup(
        "Rejection of {} at {} = {:g} over that of others on the same test jets: ratio with 95% interval, and below it "
        "the confidence that it exceeds 1 (paired bootstrap over events, thresholds derived anew each time). {}"
    ).format(
        "one detector" if several else labels[ratios[0].numerator] if ratios else "a detector", EPS_S, eps_s, which
    )
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
    named: list[Row] = [
        (Markup("{} over<br>{}").format(labels[a], labels[b]) if several else labels[b], cells)
        for (a, b), cells in rows.items()
    ]
    return pivot_table("ratios", caption, study, signals, named, heading="" if several else "over", data=data)
