"""Figures and report pages, built from the files in a study's folder. Nothing here trains or imports torch or Ray."""

from pathlib import Path

from darkclr_ray.reports import detector_comparison, embedding_scan
from darkclr_ray.reports.reader import study_json

__all__ = ["build"]


def build(study_folder: Path) -> Path:
    """Write the page and the CSV files of a study of any kind and return the path of the page.

    Raises:
        ValueError: the folder contains no study, or no trial or run of it is complete yet.
    """
    kind = study_json(Path(study_folder)).get("kind", "embedding_scan")
    return embedding_scan.build(study_folder) if kind == "embedding_scan" else detector_comparison.build(study_folder)
