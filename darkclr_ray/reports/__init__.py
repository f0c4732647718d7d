"""Figures and pages, made from the files that a study left: nothing here trains, or imports torch or Ray."""

from darkclr_ray.reports.embedding_scan import build

__all__ = ["build"]
