"""Cache of computed stages: trials share the stages that they have in common, and an interrupted stage is continued.

A stage (representation, energy, scores, evaluation) is a pure function of its description. It is stored in the folder
``<store>/<kind>/<hash of the description>/``. While it is computed, the name of its folder ends in ``.partial``; one
rename turns the partial folder into the finished stage. So a folder without that ending is complete, and one with it
can be continued. The description of a stage lists the checksums of its files, and a damaged stage is computed again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkclr_ray.integrity import Damaged, announce, check_folder, folder_digests, sync_folder
from darkclr_ray.store.files import read_json, sync_files, write_json
from darkclr_ray.store.locks import Lock

DESCRIPTION = "stage.json"

STAGES = "stages"
"""Name of the folder of a study's stages."""

HASH = re.compile("[0-9a-f]{32}")
"""Pattern of the folder names of finished stages; see `content_hash`."""

REMEDY = "run the study again to compute it again"

POLL_SECONDS = 0.5
"""Interval in seconds between two checks of a stage that another process computes."""


def content_hash(content: Mapping[str, Any]) -> str:
    """Return the hash (32 hex digits) of JSON-serialisable content; the order of its entries does not matter.

    >>> content_hash({"a": 1, "b": (2,)}) == content_hash({"b": [2], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Stage:
    """One stage of a study, finished or not.

    Attributes:
        kind: kind of the stage: representation, energy, scores, ...
        hash: hash of its description.
        description: everything that determines the content, as JSON-serialisable values.
        folder: folder of the finished stage.
        lock: lock that the computing process holds.
        beside: folder of other studies, whose stages are taken over; None for none.
    """

    kind: str
    hash: str
    description: Mapping[str, Any]
    folder: Path
    lock: Lock
    beside: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether the stage is complete."""
        return self.folder.is_dir()

    @property
    def partial(self) -> Path:
        """Folder in which the process that holds the lock computes the stage."""
        return self.folder.with_name(self.folder.name + ".partial")

    def usable(self) -> bool:
        """Return whether the stage is complete and its checksums match; delete a damaged stage.

        The deletion is announced by a warning; the stage is then computed again. A stage that another study beside this
        one has completed is taken over.
        """
        if not self.finished:
            return self._take_over()
        if self.whole():
            return True
        with Lock(self.lock.path, self.lock.owner) as lock:
            if lock.acquire() and not self.whole():  # no other process has replaced it meanwhile
                announce(f"{self.folder}: this {self.kind} stage is damaged; it is computed again")
                shutil.rmtree(self.folder)
        return False

    def _take_over(self) -> bool:
        """Take over the stage from another study; return whether one has it, with right checksums.

        Files are hard links where the file system has them. Arrays are not taken: they are computed again when needed.
        """
        others = self.beside.glob(f"*/{STAGES}/{self.kind}/{self.hash}") if self.beside is not None else ()
        for other in sorted(others):
            copy = self.folder.with_name(f"{self.folder.name}.{os.getpid()}.copy")
            try:
                check_stage(other)
                shutil.copytree(other, copy, copy_function=_link, ignore=shutil.ignore_patterns("*.npy"))
                os.rename(copy, self.folder)
            except (OSError, Damaged):  # it is damaged or being deleted, or another process has been faster
                shutil.rmtree(copy, ignore_errors=True)
            if self.finished:
                sync_folder(self.folder.parent)
                return True
        return False

    def whole(self) -> bool:
        """Return whether the stage is complete and its checksums match; keep a damaged stage."""
        try:
            check_stage(self.folder)
        except Damaged:
            return False
        return True

    def commit(self, notes: Mapping[str, Any] | None = None, but: Collection[str] = ()) -> None:
        """Turn the partial stage into the finished stage by one rename.

        Args:
            notes: metadata that does not determine the content: seconds, versions, hardware.
            but: names of files that do not belong to the finished stage and are deleted after the rename.
        """
        self.partial.mkdir(parents=True, exist_ok=True)
        files = folder_digests(self.partial, but={DESCRIPTION, *but})
        described = {"kind": self.kind, **self.description, "notes": dict(notes or {}), "files": files}
        write_json(self.partial / DESCRIPTION, described)
        sync_files(self.partial)
        if self.finished:  # computed twice where nodes do not share locks: equal content, the first is kept
            shutil.rmtree(self.partial)
            return
        os.rename(self.partial, self.folder)
        sync_folder(self.folder.parent)
        for name in but:  # only after the rename: until then an interrupted stage needs them
            (self.folder / name).unlink(missing_ok=True)

    def get_or_compute(self, write: Callable[[Path], None], notes: Mapping[str, Any] | None = None) -> None:
        """Compute and commit the stage unless it is finished; wait if another process computes it.

        ``write`` gets the partial folder and writes the files of the stage into it.
        """
        with self.lock:
            while not self.usable() and not self.lock.acquire():
                time.sleep(POLL_SECONDS)
            if not self.finished:
                self.partial.mkdir(parents=True, exist_ok=True)
                write(self.partial)
                self.commit(notes)

    def notes(self) -> dict[str, Any]:
        """Return the metadata that was recorded with a finished stage."""
        return dict(read_json(self.folder / DESCRIPTION, REMEDY).get("notes", {}))


def check_stage(folder: Path) -> None:
    """Raise Damaged if the folder of a finished stage is missing, or a checksum of its files does not match."""
    if not folder.is_dir():
        raise Damaged(f"{folder}: this stage is missing; {REMEDY}")
    try:
        check_folder(folder, read_json(folder / DESCRIPTION, REMEDY).get("files", {}))
    except Damaged as error:
        raise Damaged(f"{str(error).removesuffix(f'; {REMEDY}')}; {REMEDY}") from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


class Store:
    """Store of all stages of a study.

    Args:
        folder: existing folder that all nodes share which compute stages.
        beside: folder of other studies, whose stages are taken over instead of being computed again; None for none.

    Raises:
        FileNotFoundError: the folder does not exist when a stage is requested.
    """

    def __init__(self, folder: Path, beside: Path | None = None) -> None:
        self.folder, self.beside = folder, beside

    @classmethod
    def of_study(cls, study: Path) -> Store:
        """Return the store of the study in a folder; other studies in the same parent folder share their stages."""
        return cls(study / STAGES, study.parent)

    def stage(self, kind: str, description: Mapping[str, Any], owner: str = "") -> Stage:
        """Return the stage of a kind that a description determines; ``owner`` describes the holder of its lock."""
        name = content_hash({"kind": kind, **description})
        return self._stage(kind, name, description, owner)

    def find(self, kind: str, name: str) -> Stage:
        """Return a finished stage by its hash; raise ValueError if it is missing or damaged, or ``name`` is no hash."""
        stage = self.named(kind, name)
        check_stage(stage.folder)
        return stage

    def named(self, kind: str, name: str) -> Stage:
        """Return a stage by its hash, finished or not; raise ValueError if ``name`` is no hash."""
        if not HASH.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a stage: 32 hexadecimal digits; the file that has it is damaged")
        return self._stage(kind, name, {}, "")

    def finished(self) -> list[Path]:
        """Return the folders of all finished stages.

        Folders of unfinished stages are not opened, since a worker may rename them at any time.
        """
        return [folder for folder in self.folder.glob("*/*") if HASH.fullmatch(folder.name)]

    def _stage(self, kind: str, name: str, description: Mapping[str, Any], owner: str) -> Stage:
        if not self.folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the folder of the study's stages is gone", str(self.folder))
        folder = self.folder / kind
        lock = Lock(self.folder / ".locks" / kind / name, owner)
        return Stage(kind, name, description, folder / name, lock, self.beside)

    def drop_arrays(self, of: Collection[str] | None = None, but: Collection[str] = ()) -> int:
        """Delete the arrays (``*.npy``) of finished stages and return the number of bytes freed.

        The arrays are representations. They are large (1.5 GB per trial at the paper's sizes), and one pass of the
        encoder, whose weights are kept, computes them again.

        Args:
            of: hashes of the stages whose arrays are deleted; None for all stages.
            but: hashes of stages whose arrays are kept.
        """
        freed = 0
        # Folders of unfinished stages are not opened: a worker may rename one at any time.
        patterns = ["*/*"] if of is None else [f"*/{name}" for name in of if HASH.fullmatch(name)]
        for folder in [folder for pattern in patterns for folder in self.folder.glob(pattern)]:
            if HASH.fullmatch(folder.name) and folder.name not in but:
                for path in folder.glob("*.npy"):
                    freed += path.stat().st_size
                    path.unlink(missing_ok=True)
        return freed
