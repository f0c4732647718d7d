"""Section with one jet before and after each augmentation (Fig. 1), and means of observables of jets and views."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from darkclr_ray.reports import text as words
from darkclr_ray.reports.figures.jets import jets, view_title
from darkclr_ray.reports.labels import P_T
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.tables import Cell, Column, Table


def sections(study: Study) -> list[Section]:
    """Return the section with the example jet and the table of means; empty if the study kept no example."""
    views = study.examples()
    if not views:
        return []
    anchor, positive, anomalous = (
        " then ".join(study.settings["views"][name]) for name in ("anchor", "positive", "anomalous")
    )
    caption = Markup(
        "One {} jet before and after each augmentation (the paper’s Fig. 1); in parentheses the number of "
        "constituents, whose area and colour show their {}. The circle is R = 0.8 around the jet’s axis. In this "
        "study the anchor is made by {}, the positive view by {}, the anomalous view by {}.{}"
    ).format(
        words.background_label(study),
        P_T,
        anchor or "nothing",
        positive or "nothing",
        anomalous or "nothing",
        _window(study),
    )
    table = means(study)
    return [
        Section(
            "augmentations",
            "What is done to a jet",
            [Figure("augmentations", jets(views), caption), *([table] if table else [])],
        )
    ]


def _window(study: Study) -> Markup:
    """Return a sentence on the window of translations; empty if no view is translated."""
    views = study.settings["views"]
    if not any("translation" in views[name] for name in ("anchor", "positive", "anomalous")):
        return Markup("")
    width = float(views["translation"])
    return Markup(
        " Translations are uniform within ±{:g} times the jet’s extent along each axis; with 1, as in the authors’ "
        "code, the window is 1.66 times as wide as the paper’s text says (the distance between the two furthest "
        "constituents)."
    ).format(width)


def means(study: Study) -> Table | None:
    """Return the table of means of observables of background, views and signals; None if the study kept none."""
    content = study.means()
    if not content:
        return None
    background: Mapping[str, float] = content["background"]
    rows: list[dict[str, Cell]] = [{"jets": words.background_label(study), "best": 1, **background}]
    rows += [{"jets": Markup("views: {}").format(view_title(name)), **of} for name, of in content["views"].items()]
    rows += [{"jets": study.label(name), **of} for name, of in content["signals"].items()]
    columns = [Column("jets", "jets"), *(Column(name, name.replace("_", " ")) for name in background)]
    caption = Markup(
        "Means of observables of background, of anomalous views of it by family, and of signals, on the first {:,} "
        "validation jets of each: which views resemble which signal. Views are not chosen by this table. Fractions and "
        "splittings are relative to the jet’s {}; see darkclr_ray.jets.observables for definitions."
    ).format(content["jets"], P_T)
    return Table("means", caption, columns, rows)
