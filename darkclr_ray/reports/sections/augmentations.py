"""Section with one jet before and after each augmentation (Fig. 1)."""

from __future__ import annotations

from darkclr_ray.reports.figures.jets import jets
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section with the example jet; None if the study kept no example."""
    views = study.examples()
    return Section("augmentations", {"views": Figure("augmentations", jets(views))}) if views else None
