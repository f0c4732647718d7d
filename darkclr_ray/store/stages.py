"""The store of stages: what two trials share is computed once, what a crash interrupted is found again.

A stage (representation, energy, scores, evaluation) is a pure function of what its description says. It lives in
``<store>/<kind>/<hash of the description>/``; while it is computed, in the same place with ``.partial`` appended, which
becomes the stage by one rename. So a folder without that ending is complete, and one with it may be continued. The
stage's description lists the checksums of its files: a damaged stage is computed again.
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

HASH = re.compile("[0-9a-f]{32}")
"""The name of a finished stage's folder; see `content_hash`."""

REMEDY = "run the study again to compute it again"

POLL_SECONDS = 0.5
"""Seconds between two looks at a stage that somebody else computes."""


def content_hash(content: Mapping[str, Any]) -> str:
    """Hash (32 hex digits) of JSON-able content, whatever the order of its entries.

    >>> content_hash({"a": 1, "b": (2,)}) == content_hash({"b": [2], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Stage:
    """One stage of a study, computed or not.

    Attributes:
        kind: what it is: representation, energy, scores, ...
        hash: of its description.
        description: everything that determines the content, as JSON-able values.
        folder: where it is once it is finished.
        lock: held by whoever computes it.
    """

    kind: str
    hash: str
    description: Mapping[str, Any]
    folder: Path
    lock: Lock

    @property
    def finished(self) -> bool:
        """Whether the stage is complete."""
        return self.folder.is_dir()

    @property
    def partial(self) -> Path:
        """Where the stage is computed, by whoever holds the lock."""
        return self.folder.with_name(self.folder.name + ".partial")

    def usable(self) -> bool:
        """Return whether the stage is complete and its files are what was written.

        A damaged stage is deleted, with a warning in the log, so that it is computed again.
        """
        if not self.finished or self.whole():
            return self.finished
        with Lock(self.lock.path, self.lock.owner) as lock:
            if lock.acquire() and not self.whole():  # nobody else has replaced it meanwhile
                announce(f"{self.folder}: this {self.kind} stage is damaged; it is computed again")
                shutil.rmtree(self.folder)
        return False

    def whole(self) -> bool:
        """Return whether the stage is complete and its files are what was written; a damaged stage stays."""
        try:
            check_stage(self.folder)
        except Damaged:
            return False
        return True

    def commit(self, notes: Mapping[str, Any] | None = None, but: Collection[str] = ()) -> None:
        """Make the partial stage the stage, at once and for good.

        Args:
            notes: what does not determine the content but may be asked for: seconds, versions, hardware.
            but: names of files that do not belong to the finished stage, and are deleted after it is there.
        """
        self.partial.mkdir(parents=True, exist_ok=True)
        files = folder_digests(self.partial, but={DESCRIPTION, *but})
        described = {"kind": self.kind, **self.description, "notes": dict(notes or {}), "files": files}
        write_json(self.partial / DESCRIPTION, described)
        sync_files(self.partial)
        if self.finished:  # computed twice where locks do not reach: the same content, the first one stays
            shutil.rmtree(self.partial)
            return
        os.rename(self.partial, self.folder)
        sync_folder(self.folder.parent)
        for name in but:  # not before: a kill would cost what they hold
            (self.folder / name).unlink(missing_ok=True)

    def get_or_compute(self, write: Callable[[Path], None], notes: Mapping[str, Any] | None = None) -> None:
        """Have ``write`` fill the stage and commit it, unless somebody else has, or is at it: then wait for that."""
        with self.lock:
            while not self.usable() and not self.lock.acquire():
                time.sleep(POLL_SECONDS)
            if not self.finished:
                self.partial.mkdir(parents=True, exist_ok=True)
                write(self.partial)
                self.commit(notes)

    def notes(self) -> dict[str, Any]:
        """What was noted beside a finished stage."""
        return dict(read_json(self.folder / DESCRIPTION, REMEDY).get("notes", {}))


def check_stage(folder: Path) -> None:
    """Raise Damaged where the folder of a finished stage is missing, or a file of it is not what was written."""
    if not folder.is_dir():
        raise Damaged(f"{folder}: this stage is missing; {REMEDY}")
    try:
        check_folder(folder, read_json(folder / DESCRIPTION, REMEDY).get("files", {}))
    except Damaged as error:
        raise Damaged(f"{str(error).removesuffix(f'; {REMEDY}')}; {REMEDY}") from error


class Store:
    """All stages of a study.

    Args:
        folder: shared by all nodes that compute stages; it has to be there.

    Raises:
        FileNotFoundError: when a stage is asked for and the folder is not there, or no longer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stage(self, kind: str, description: Mapping[str, Any], owner: str = "") -> Stage:
        """The stage of a kind that a description determines. ``owner`` is told to those who find it locked."""
        name = content_hash({"kind": kind, **description})
        return self._stage(kind, name, description, owner)

    def find(self, kind: str, name: str) -> Stage:
        """A finished stage by its hash. Raises ValueError where there is none, or a damaged one, or it is no hash."""
        stage = self.named(kind, name)
        check_stage(stage.folder)
        return stage

    def named(self, kind: str, name: str) -> Stage:
        """A stage by its hash, finished or not. Raises ValueError where it is no hash."""
        if not HASH.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a stage: 32 hexadecimal digits; the file that has it is damaged")
        return self._stage(kind, name, {}, "")

    def finished(self) -> list[Path]:
        """Folders of all finished stages. Those of unfinished ones are not opened: they may be renamed at any time."""
        return [folder for folder in self.folder.glob("*/*") if HASH.fullmatch(folder.name)]

    def _stage(self, kind: str, name: str, description: Mapping[str, Any], owner: str) -> Stage:
        if not self.folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the folder of the study's stages is gone", str(self.folder))
        folder = self.folder / kind
        return Stage(kind, name, description, folder / name, Lock(self.folder / ".locks" / kind / name, owner))

    def drop_arrays(self, of: Collection[str] | None = None, but: Collection[str] = ()) -> int:
        """Delete the arrays (``*.npy``) of finished stages, all of them or those with the hashes ``of``; bytes freed.

        Those with the hashes ``but`` stay. Arrays are representations: large (1.5 GB a trial at the paper's sizes), and
        made again in one pass of the encoder, whose weights stay.
        """
        freed = 0
        # Folders of unfinished stages are not opened: a worker may rename one at any moment.
        patterns = ["*/*"] if of is None else [f"*/{name}" for name in of if HASH.fullmatch(name)]
        for folder in [folder for pattern in patterns for folder in self.folder.glob(pattern)]:
            if HASH.fullmatch(folder.name) and folder.name not in but:
                for path in folder.glob("*.npy"):
                    freed += path.stat().st_size
                    path.unlink(missing_ok=True)
        return freed
