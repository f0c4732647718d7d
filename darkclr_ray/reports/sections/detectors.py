"""Section on every detector and signal: the paper's Tables 2 and 3 as a figure and tables, and paired comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import PAPER, PAPER_AREA, WEIGHTINGS, Ratio
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.figures.curves import rejection
from darkclr_ray.reports.figures.dots import Dots, dots
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.pivot import Row, pivot_table, ratio_table
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.sections import published
from darkclr_ray.reports.sections.signals import effective_sizes, paper_rows
from darkclr_ray.reports.tables import Cell, Table


def section(study: Comparison, ratios: Sequence[Ratio], eps_s: float) -> list[Section]:
    """Return the section with the figure and the tables; empty if methods are not compared."""
    if not study.methods:
        return []
    blocks: list[str | Figure | Table] = [_figure(study, eps_s), _rejections(study, eps_s)]
    shown = [ratio for ratio in ratios if ratio.signal in study.main_signals]
    if shown:
        labels = {name: detector_label(name) for ratio in shown for name in (ratio.numerator, ratio.denominator)}
        labels |= {name: ensemble.label for name, ensemble in study.methods.items()}
        which = "The first network of each."
        blocks.append(ratio_table(study, study.main_signals, shown, eps_s, labels, which=which))
    areas = Markup("Area under the ROC curve, mean over networks, and ± its standard deviation; chance is 0.5.")
    tight = Markup("Background rejection at {} = 0.1; chance is 10.").format(EPS_S)
    blocks += [
        _table(study, "areas", areas, eps_s, _area, paper={"paper": {"aachen": PAPER_AREA}}),
        _table(study, "rejections_tight", tight, 0.1, _rejection),
    ]
    blocks += published.table(study, eps_s)
    return [Section("detectors", "Every detector on every signal", blocks)]


def _figure(study: Comparison, eps_s: float) -> Figure:
    rows: dict[str, dict[str, Dots]] = {}
    for ensemble in study.methods.values():
        found = ensembles.entries(ensemble, eps_s, study.main_signals)
        for weighting in WEIGHTINGS[::-1]:
            kind = str(WEIGHTING_LABELS[weighting])
            rows.setdefault(str(ensemble.label), {})[kind] = {
                signal: (ensembles.rejection(entry), entry.deviation)
                for (signal, side), entry in found.items()
                if side == weighting
            }
    styles = {str(ensemble.label): study.styles[name] for name, ensemble in study.methods.items()}
    signals = {name: str(study.label(name)) for name in study.main_signals}
    caption = Markup(
        "All detectors on all signals (the paper’s Tables 2 and 3 as a figure). Filled: background weighted to the "
        "signal’s jet p<sub>T</sub>; hollow: raw, as in the paper. Thin bars: bootstrap of the test sample; grey bars: "
        "standard deviation over networks. Dotted: chance. {}"
    ).format(ending(study, study.methods.values()))
    data = ensembles.as_rows(study, study.methods.values(), (eps_s,))
    return Figure("detectors_rejection", dots(rows, styles, signals, rejection(eps_s)), caption, data)


def _rejections(study: Comparison, eps_s: float) -> Table:
    caption = Markup(
        "Background rejection 1/ε<sub>B</sub> at {} = {:g}, mean over networks; chance is {:g}. Errors above one "
        "another: bootstrap of the test sample; below, after ±: standard deviation over networks. The paper’s errors "
        "are standard deviations over networks, on its own jets; its Table 2 gives 59 for Aachen. "
        "“×”: number of networks, where there are several. The CSV holds every number, and the exact binomial "
        "intervals. {}"
    ).format(
        EPS_S,
        eps_s,
        1 / eps_s,
        ending(study, study.methods.values()),
    )
    data = ensembles.as_rows(study, study.methods.values(), (eps_s, 0.1))
    return _table(study, "rejections", caption, eps_s, _rejection, paper=PAPER, sizes=True, data=data)


def _table(
    study: Comparison,
    name: str,
    caption: str,
    eps_s: float,
    number: Callable[[Entry], Measurement],
    *,
    paper: Mapping[str, Mapping[str, Measurement]] | None = None,
    sizes: bool = False,
    data: Sequence[Mapping[str, Cell]] = (),
) -> Table:
    """Return a table with one row per detector, the selected one highlighted.

    ``sizes`` adds a row with the effective number of background jets.
    """
    champion = study.selected
    assert champion is not None
    rows: list[Row] = []
    for ensemble in study.methods.values():
        found = ensembles.entries(ensemble, eps_s, study.main_signals)
        rows.append((_label(ensemble), {at: number(entry) for at, entry in found.items()}))
    rows += paper_rows(paper or {}, study.main_signals)
    if sizes:
        rows.append(effective_sizes({signal: champion.evaluations[signal][0] for signal in study.main_signals}))
    marked = list(study.methods).index(champion.detector)
    return pivot_table(name, caption, study, study.main_signals, rows, marked=marked, data=data)


def _label(ensemble: Ensemble) -> Markup:
    """Return the label of a detector with its number of networks."""
    count = len(ensemble.runs)
    several = Markup('{} <span class="note">×{}</span>').format(ensemble.label, count)
    return several if count > 1 else ensemble.label


def _rejection(entry: Entry) -> Measurement:
    return ensembles.noted(ensembles.rejection(entry), entry.deviation)


def _area(entry: Entry) -> Measurement:
    return ensembles.noted(Measurement(entry.auc), entry.auc_deviation)
