"""Page that compares a search with a random search of the same budget."""

from __future__ import annotations

import math
from itertools import accumulate
from pathlib import Path

import plotly.graph_objects as go

from darkclr_ray.detectors.display import GREY
from darkclr_ray.reports import styles
from darkclr_ray.reports.labels import WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.measurement import rejection
from darkclr_ray.reports.page import Figure, Page, Section, environment, write
from darkclr_ray.reports.sections.study import trainings
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import point_words
from darkclr_ray.study.ensemble import WEIGHTINGS
from darkclr_ray.study.read_results import read_results, trial_entries
from darkclr_ray.study.results import StudyResults


def build(search: Path, control: Path) -> Path:
    """Write ``control/index.html`` into the folder of a search; ``control`` is the folder of a random one.

    Raises:
        ValueError: a folder contains no study, or no complete trial; or the two maximised different objectives.
    """
    studies = read_results(search), read_results(control)
    if studies[0].objective != studies[1].objective or studies[0].score != studies[1].score:
        raise ValueError(f"{control}: maximised another objective than {search}; the two cannot be compared")
    return write(page(*studies), environment(studies[0]), search / "control")


def page(search: StudyResults, control: StudyResults) -> Page:
    """Return the page on a search and its control."""
    gain = (search.best.objective or 0.0) - (control.best.objective or 0.0)
    head = Section("control_head", {"control": control, "gain": gain, "best_so_far": figure(search, control)})
    table = Section("control", {"searches": searches(search, control), "trainings": trainings(search)})
    return Page(f"{search.about.name} and a random search", head, [table])


def figure(search: StudyResults, control: StudyResults) -> Figure:
    """Return the figure of the best objective so far against the number of trials."""
    plot, data = go.Figure(), list[dict[str, Cell]]()
    for study, colour in ((search, styles.INK), (control, GREY)):
        found = [-math.inf if trial.objective is None else trial.objective for trial in study.trials]
        best = list(accumulate(found, max))
        numbers = [trial.number + 1 for trial in study.trials]
        name = f"{study.about.name} ({study.settings.search.sampler})"
        shown = [value if math.isfinite(value) else None for value in best]
        plot.add_trace(go.Scatter(x=numbers, y=shown, mode="lines", name=name, line={"color": colour, "shape": "hv"}))
        data += [
            {"study": study.about.name, "trials": number, "objective": own, "best": so_far}
            for number, own, so_far in zip(numbers, found, best, strict=True)
        ]
    plot.update_xaxes(title_text="number of trials")
    plot.update_yaxes(title_text=f"best {search.objective} so far")
    return Figure("best_so_far", styles.apply_template(plot, 460), data)


def searches(search: StudyResults, control: StudyResults) -> Table:
    """Return the table of both searches: states, the best point, and its rejection of each signal on test jets."""
    rows: list[dict[str, Cell]] = []
    for study in (search, control):
        states = [trial.state for trial in study.trials]
        row: dict[str, Cell] = {
            "study": study.about.name,
            "sampler": study.settings.search.sampler,
            "complete": states.count("COMPLETE"),
            "pruned": states.count("PRUNED"),
            "point": point_words(study.best.parameters),
            "objective": study.best.objective,
        }
        for (signal, weighting), entry in trial_entries(study.best, study.score).items():
            row[f"{signal}_{weighting}"] = rejection(entry)
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
        Column(f"{signal}_{weighting}", WEIGHTING_LABELS[weighting], signal_label(signal, search.samples[signal]))
        for signal in search.main_signals
        for weighting in WEIGHTINGS
    ]
    return Table("searches", columns, rows)
