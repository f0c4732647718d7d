"""Section with one jet before and after each augmentation (Fig. 1)."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports import text as words
from darkclr_ray.reports.figures.jets import jets
from darkclr_ray.reports.labels import P_T
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.reader import Study


def sections(study: Study) -> list[Section]:
    """Return the section with the example jet; empty if the study kept no example."""
    views = study.examples()
    if not views:
        return []
    anchor, positive, anomalous = (
        " then ".join(study.settings["views"][name]) for name in ("anchor", "positive", "anomalous")
    )
    caption = Markup(
        "One {} jet before and after each augmentation (the paper’s Fig. 1); in parentheses the number of "
        "constituents, whose area and colour show their {}. The circle is R = 0.8 around the jet’s axis. In this "
        "study the anchor is made by {}, the positive view by {}, the anomalous view by {}."
    ).format(words.background_label(study), P_T, anchor or "nothing", positive or "nothing", anomalous or "nothing")
    return [Section("augmentations", "What is done to a jet", [Figure("augmentations", jets(views), caption)])]
