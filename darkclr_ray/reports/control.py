"""Page that compares a search with a random search of the same budget."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup

from darkclr_ray.reports import comparison
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports import text as words
from darkclr_ray.reports.comparison import WEIGHTINGS
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS
from darkclr_ray.reports.page import Figure, Page, Section, write
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan, read

EPS = 0.2
"""Signal efficiency at which rejections are shown, as in the paper."""


def build(search: Path, control: Path) -> Path:
    """Write ``control/index.html`` into the folder of a search; ``control`` is the folder of a random one.

    Raises:
        ValueError: a folder contains no study, or no complete trial; or the two maximised different objectives.
    """
    studies = [read(folder) for folder in (search, control)]
    if studies[0].objective != studies[1].objective or studies[0].score != studies[1].score:
        raise ValueError(f"{control}: maximised another objective than {search}; the two cannot be compared")
    return write(page(*studies), search / "control")


def page(search: Scan, control: Scan) -> Page:
    """Return the page on a search and its control."""
    gain = search.best.objective(search.objective) - control.best.objective(control.objective)
    headline = Markup(
        "After {} trials the best objective of {} is {:.3f}, and that of the random search after {} trials is {:.3f}: "
        "a difference of {:+.3f}. Both are single searches; their difference has the spread of a search over seeds, "
        "which one pair does not show."
    ).format(
        len(search.trials),
        sampler(search),
        search.best.objective(search.objective),
        len(control.trials),
        control.best.objective(control.objective),
        gain,
    )
    return Page(
        title=f"{search.name} and a random search",
        subtitle="Two searches with the same space, jets, seed and number of trials",
        headline=headline,
        key=figure(search, control),
        sections=[Section("control", "The best trials of both", [table(search, control)])],
    )


def sampler(study: Scan) -> str:
    """Return the name of a study's sampler."""
    return str(study.settings["search"].get("sampler", "tpe"))


def figure(search: Scan, control: Scan) -> Figure:
    """Return the figure of the best objective so far against the number of trials."""
    plot, data = go.Figure(), list[dict[str, Cell]]()
    for study, colour in ((search, theme.INK), (control, theme.GREY)):
        found = [trial.objective(study.objective) for trial in study.trials]
        best = list(accumulate(found, max))
        numbers = [trial.number + 1 for trial in study.trials]
        name = f"{study.name} ({sampler(study)})"
        line = {"color": colour, "shape": "hv"}
        plot.add_trace(go.Scatter(x=numbers, y=best, mode="lines", name=name, line=line))
        data += [
            {"study": study.name, "trials": number, "objective": own, "best": so_far}
            for number, own, so_far in zip(numbers, found, best, strict=True)
        ]
    plot.update_xaxes(title_text="number of trials")
    plot.update_yaxes(title_text=f"best {search.objective} so far")
    caption = Markup("Largest objective on validation jets so far against the number of trials. {}").format(
        words.trained_and_selected(search)
    )
    return Figure("best_so_far", theme.apply_template(plot, 460), caption, data)


def table(search: Scan, control: Scan) -> Table:
    """Return the table of both searches: states, the best point, and its rejection of each signal on test jets."""
    rows: list[dict[str, Cell]] = []
    for study in (search, control):
        row: dict[str, Cell] = {
            "study": study.name,
            "sampler": sampler(study),
            "complete": len(study.complete),
            "pruned": sum(trial.state == "PRUNED" for trial in study.trials),
            "point": words.point(study.best),
            "objective": study.best.objective(study.objective),
        }
        for signal in study.samples:
            evaluation = comparison.of_trial(study.best, study.score, signal)
            if evaluation is not None:
                for weighting in WEIGHTINGS:
                    side = comparison.side(evaluation, weighting)
                    row[f"{signal}_{weighting}"] = comparison.rejection(side, EPS)
        rows.append(row)
    headings = {
        "study": "study",
        "sampler": "sampler",
        "complete": "complete trials",
        "pruned": "pruned",
        "point": "best point",
        "objective": "objective",
    }
    columns = [Column(key, heading) for key, heading in headings.items()]
    columns += [
        Column(f"{signal}_{weighting}", label, search.label(signal))
        for signal in search.samples
        for weighting, label in WEIGHTING_LABELS.items()
    ]
    caption = Markup("Best trial of each search: rejections at {} = {:g} on test jets. {}").format(
        EPS_S, EPS, words.trained_and_selected(search)
    )
    return Table("searches", caption, columns, rows)
