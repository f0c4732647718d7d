"""Report pages with figures and tables, built from the files in a study's folder; nothing is trained or computed here.

`darkclr_ray.study.read_results` reads the folder, and `darkclr_ray.study.results` computes what the pages show. A page
is a list of sections. Each is a function in `darkclr_ray.reports.sections` that returns figures and tables, and a
template with the same name in ``templates/sections`` that holds the text.
"""

from pathlib import Path

from darkclr_ray.reports.builder import build_page
from darkclr_ray.reports.page import environment, write
from darkclr_ray.study.read_results import read_results

__all__ = ["build"]


def build(study_folder: Path) -> Path:
    """Write ``report/index.html`` and its CSV files into a study's folder and return the path of the page.

    Only files are read and nothing is trained, so that a page can be built at any time, also while the study runs.

    Raises:
        ValueError: the folder contains no study, a file of it is damaged, or no trial or run of it is complete yet.
    """
    study = read_results(Path(study_folder))
    return write(build_page(study), environment(study), study.folder / "report")
