"""A folder in the place of another, whole at every moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkclr_ray.store.files import read_json, replace_folder


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "content").write_text(content)
    return path


def test_one_folder_in_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for content in ("first", "second", "third"):
        replace_folder(folder(tmp_path / "new", content), target)
        assert (target / "content").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_where_it_cannot_be_put_there_the_old_one_stays(tmp_path: Path) -> None:
    target = folder(tmp_path / "model", "old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "nowhere", target)
    assert (target / "content").read_text() == "old"


def test_killed_in_between_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, new = folder(tmp_path / "model", "old"), folder(tmp_path / "new", "new")
    renames = []

    def rename(self: Path, to: Path) -> None:
        renames.append(to)
        if len(renames) == 2:
            raise KeyboardInterrupt  # as good as a kill: nobody catches it
        self.replace(to)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            replace_folder(new, target)
    assert (tmp_path / ".model.before" / "content").read_text() == "old"
    assert (new / "content").read_text() == "new"
    replace_folder(new, target)
    assert (target / "content").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_fault_of_the_disk_is_not_one_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="restore it"):
        read_json(path)
    path.unlink()
    path.symlink_to("/proc/self/mem")  # reading it at its beginning is an input/output error
    with pytest.raises(OSError, match="Input/output error"):
        read_json(path)
