"""A small study of each kind and its report, made once for all tests of the pages."""

from pathlib import Path

import pytest

from darkclr_ray.reports import build

from .make_comparison import make_comparison
from .make_study import make_study


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete study's folder; tests must not change it."""
    return make_study(tmp_path_factory.mktemp("studies") / "toy")


@pytest.fixture(scope="session")
def report(study_folder: Path) -> Path:
    """Its page."""
    return build(study_folder)


@pytest.fixture(scope="session")
def comparison_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete comparison's folder; tests must not change it."""
    return make_comparison(tmp_path_factory.mktemp("studies") / "comparison")


@pytest.fixture(scope="session")
def comparison(comparison_folder: Path) -> Path:
    """Its page."""
    return build(comparison_folder)
