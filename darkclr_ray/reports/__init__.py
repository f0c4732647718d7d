"""Figures and pages, made from the files that a study left: nothing here trains, or imports torch or Ray."""

from pathlib import Path

from darkclr_ray.reports import detector_comparison, embedding_scan
from darkclr_ray.reports.reader import study_json

__all__ = ["build"]


def build(study_folder: Path) -> Path:
    """Write the page and the CSV files of a study of any kind; returns the path of the page.

    Raises:
        ValueError: the folder holds no study, or nothing of it is complete yet.
    """
    kind = study_json(Path(study_folder)).get("kind", "embedding_scan")
    return embedding_scan.build(study_folder) if kind == "embedding_scan" else detector_comparison.build(study_folder)
