"""What counts as a change of code, on a plug-in of two modules and on the package itself."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkclr_ray.store.fingerprints import code_fingerprint, participants

MAIN = '''"""A plug-in."""
import logging
import numpy as np
from myplugin.helper import factor
from darkclr_ray.langevin import langevin_chain

logger = logging.getLogger(__name__)

def double(x):
    """Doubles."""
    # by adding
    if x is None:
        raise ValueError(f"nothing in {x}", 0)
    logger.info("doubled %s", x)
    return x + x
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "myplugin"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "main.py").write_text(MAIN)
    (folder / "helper.py").write_text("factor = 2\n")
    (folder / "other.py").write_text("unused = 1\n")
    for source in ("helper.c", "other.c"):
        (folder / source).write_text("float factor = 2;\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.startswith("myplugin")]:
        del sys.modules[name]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("main.py", "# by adding", "# in the simplest way", True),
        ("main.py", '"""Doubles."""', '"""Gives twice."""', True),
        ("main.py", "x + x", "(x  +  x)", True),
        ("main.py", '"""A plug-in."""\n', "", True),
        ("main.py", 'f"nothing in {x}"', '"no number"', True),
        ("main.py", '"doubled %s"', '"added %s"', True),
        ("main.py", "ValueError", "TypeError", False),
        ("main.py", ", 0)", ", 1)", False),
        ("main.py", "x is None", "x is 1", False),
        ("main.py", "x + x", "2 * x", False),
        ("helper.py", "factor = 2", "factor = 3", False),
        ("other.py", "unused = 1", "unused = 2", True),
        ("helper.c", "2", "3", False),
        ("other.c", "2", "3", True),
        ("__init__.py", "", "import sys\n", False),
    ],
)
def test_what_changes_a_fingerprint(plugin: Path, file: str, old: str, new: str, same: bool) -> None:
    before = code_fingerprint("myplugin.main")
    change(plugin / file, old, new)
    assert (code_fingerprint("myplugin.main") == before) == same


def test_a_plugin_counts_with_what_it_uses(plugin: Path) -> None:
    names = participants("myplugin.main")
    assert {"myplugin.main", "myplugin.helper", "myplugin.__init__", "darkclr_ray.langevin"} <= set(names)
    assert "myplugin.other" not in names
    assert not any(name.startswith("numpy") for name in names)


def test_every_transformation_counts_for_an_encoder_and_none_of_the_rest() -> None:
    names = participants("darkclr_ray.training.contrastive")
    for file in (Path(__file__).parents[2] / "darkclr_ray" / "augmentations").glob("*.py"):
        assert f"darkclr_ray.augmentations.{file.stem}" in names
    for other in (
        "settings",
        "settings.__init__",
        "settings.encoder",
        "losses.contrastive_divergence",
        "training.nae",
        "study.search",
        "reports.builder",
        "evaluation.roc",
    ):
        assert f"darkclr_ray.{other}" not in names


@pytest.mark.parametrize("name", ["no_such_module_anywhere", "darkclr_ray.no_such_module", "__main__"])
def test_what_is_no_module_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        code_fingerprint(name)
