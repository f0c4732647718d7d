"""Section with one jet before and after each augmentation (Fig. 1), and means of observables of jets and views."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports.figures.jets import jets, view_title
from darkclr_ray.reports.labels import signal_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.labels import background_label
from darkclr_ray.study.records import MeansRecord
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section with the example jet and the table of means; None if the study kept no example."""
    views, content = study.examples(), study.means()
    if not views:
        return None
    table = None if content is None else _means(study, content)
    return Section("augmentations", {"views": Figure("augmentations", jets(views)), "means": table, "content": content})


def _means(study: StudyResults, content: MeansRecord) -> Table:
    """Return the table of means of observables of background, views and signals."""
    rows: list[dict[str, Cell]] = [{"jets": background_label(study.background), "best": 1, **content.background}]
    rows += [{"jets": Markup("views: {}").format(view_title(name)), **of} for name, of in content.views.items()]
    rows += [{"jets": signal_label(name, study.samples.get(name)), **of} for name, of in content.signals.items()]
    columns = [Column("jets", "jets"), *(Column(name, name.replace("_", " ")) for name in content.background)]
    return Table("means", columns, rows)
