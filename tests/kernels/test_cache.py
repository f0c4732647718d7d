"""Where compiled kernels are kept, and which of them are loaded."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkclr_ray.fs_checks import cache_folder
from darkclr_ray.kernels.cpu.compiled import compiled

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no GCC")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled.cache_clear()
    yield tmp_path / "cache" / "darkclr_ray"
    compiled.cache_clear()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text("int answer(void) { return 42; }")
    return path


def answer(library: ctypes.CDLL | None) -> int:
    assert library is not None
    return int(library.answer())


def test_who_may_write_to_a_parent_may_replace_the_cache(cache: Path, tmp_path: Path) -> None:
    for mode, used in ((0o755, cache), (0o777, tmp_path), (0o1777, cache), (0o757, tmp_path), (0o700, cache)):
        cache.parent.mkdir(exist_ok=True)
        cache.parent.chmod(mode)
        assert cache_folder(tmp_path) == used


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files to another user wants root")
def test_what_belongs_to_another_user_is_not_loaded(cache: Path, source: Path, tmp_path: Path) -> None:
    assert answer(compiled(source)) == 42
    (library,) = cache.glob("*.so")
    first = library.stat().st_ino
    os.chown(library, 12345, 12345)
    compiled.cache_clear()
    assert answer(compiled(source)) == 42
    assert (library.stat().st_uid, library.stat().st_ino == first) == (0, False)
    for folder in (cache, cache.parent):
        os.chown(folder, 12345, 12345)
        assert cache_folder(tmp_path) == tmp_path
        os.chown(folder, 0, 0)
    cache.parent.chmod(0o775)  # its group has another member, as far as can be told
    os.chown(cache.parent, 0, 12345)
    assert cache_folder(tmp_path) == tmp_path


@pytest.mark.usefixtures("cache")
def test_a_compiler_of_several_words(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$CC is "ccache gcc" where compilations are cached."""
    monkeypatch.setenv("CC", f"env LC_ALL=C {shutil.which('gcc')}")
    assert answer(compiled(source)) == 42
