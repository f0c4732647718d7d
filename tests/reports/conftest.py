"""One small study and its report, made once for all tests of the page."""

from pathlib import Path

import pytest

from darkclr_ray.reports import build

from .make_study import make_study


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete study's folder; tests must not change it."""
    return make_study(tmp_path_factory.mktemp("studies") / "toy")


@pytest.fixture(scope="session")
def report(study_folder: Path) -> Path:
    """Its page."""
    return build(study_folder)
