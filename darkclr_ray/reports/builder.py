"""Build the page of a study of any kind from the sections for which the study has results."""

from __future__ import annotations

from darkclr_ray.reports.page import Page
from darkclr_ray.reports.sections import (
    augmentations,
    contamination,
    criteria,
    detectors,
    dimensions,
    head,
    jets_and_scores,
    leave_one_out,
    normalisation,
    observables,
    parameter_maps,
    pareto,
    provenance,
    repeats,
    roc,
    runs,
    scan,
    sculpting,
    search,
    seed_variance,
    selection,
    stability,
    systematics,
    terms,
    training,
)
from darkclr_ray.reports.sections import study as summary
from darkclr_ray.study.results import StudyResults

SECTIONS = (
    summary.section,
    scan.section,
    search.section,
    pareto.section,
    repeats.section,
    criteria.section,
    detectors.section,
    observables.section,
    roc.section,
    jets_and_scores.section,
    dimensions.section,
    dimensions.linear_section,
    terms.section,
    parameter_maps.section,
    selection.section,
    leave_one_out.section,
    contamination.section,
    sculpting.section,
    stability.section,
    systematics.section,
    seed_variance.section,
    normalisation.section,
    runs.section,
    training.section,
    augmentations.section,
    provenance.section,
)
"""Sections in the order of the page: functions that return None if the study has no results for them."""


def build_page(study: StudyResults) -> Page:
    """Return the page of a study."""
    found = [section(study) for section in SECTIONS]
    return Page(head.title(study), head.section(study), [section for section in found if section is not None])
