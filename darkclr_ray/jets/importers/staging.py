"""Keep shards in a hidden folder until an import is complete, and prevent that jets are imported twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from darkclr_ray.integrity import replacing
from darkclr_ray.jets.importers.options import EVERYTHING_ELSE, ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport
from darkclr_ray.jets.progress import Progress
from darkclr_ray.jets.shards import SPLITS
from darkclr_ray.randomness import stable_id

RECORDS = "imports"
_COMPLETE = "complete.json"
_MEGABYTE = 1 << 20


class Staging:
    """Hidden folder beside the splits; its shards are moved to their places when all are written.

    Attributes:
        folder: named after the files' content and the options, so that the same command finds it again.
    """

    def __init__(self, out: Path, fingerprints: list[str], options: ImportOptions) -> None:
        self.folder = out / f".import-{stable_id(*fingerprints, options.model_dump_json()):016x}"
        self._out, self._is_new = out, not out.exists()

    @property
    def complete(self) -> bool:
        """Return whether an import wrote everything and was stopped while it moved its shards."""
        return (self.folder / _COMPLETE).exists()

    def clear(self) -> None:
        """Remove the files of an import that was stopped, and the folder of the shards if that import created it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._is_new:
            with contextlib.suppress(OSError):
                self._out.rmdir()

    def finish(self, record: dict[str, Any]) -> None:
        """Write the record, which marks the import as complete."""
        with replacing(self.folder / _COMPLETE) as partial:
            partial.write_text(json.dumps(record, indent=1))

    def publish(self) -> dict[str, Any]:
        """Move each sample to its place, the record last, and return the record."""
        record: dict[str, Any] = json.loads((self.folder / _COMPLETE).read_text())
        for folder in sorted(path for path in self.folder.glob("*/*") if path.is_dir()):
            place = self._out / folder.relative_to(self.folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                raise CannotImport(
                    f"{place}: appeared while its jets were imported into {self.folder}; remove one of them"
                )
            os.replace(folder, place)
        splits, samples = ({key.split("/")[part] for key in record["written"]} for part in (0, 1))
        name = f"{'+'.join(sorted(samples))}-{'+'.join(split for split in SPLITS if split in splits)}.json"
        (self._out / RECORDS).mkdir(exist_ok=True)
        os.replace(self.folder / _COMPLETE, self._out / RECORDS / name)
        self.clear()
        return record


def fingerprints(files: list[Path], console: Console) -> list[str]:
    """Return a hash (hex) of each file's content, from which ids of jets are derived instead of from its name."""
    found: dict[str, Path] = {}
    size = sum(path.stat().st_size for path in files)
    with Progress(1 + size // _MEGABYTE, console=console, unit="MB", pause=10.0) as bar:
        for path in files:
            hasher = hashlib.blake2b(digest_size=16)
            for piece in _pieces(path, 16 * _MEGABYTE):
                hasher.update(piece)
                if len(piece) >= _MEGABYTE:
                    bar.advance(len(piece) // _MEGABYTE, f"fingerprint of {path.name}")
            fingerprint = hasher.hexdigest()
            if fingerprint in found:
                raise CannotImport(f"{path} and {found[fingerprint]} have the same content; name each file once")
            found[fingerprint] = path
    return list(found)


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece


def check_free(files: list[Path], fingerprints: list[str], out: Path, options: ImportOptions) -> None:
    """Raise CannotImport if a sample exists already, or if jets of these files were imported before."""
    for sample in options.samples:
        for split in options.splits:
            if (out / split / sample).exists():
                raise CannotImport(
                    f"{out / split / sample}: is there already; name the sample otherwise, choose another --out, "
                    "or remove it (several files of one sample are imported by one command)"
                )
    wanted = set(options.labels)
    for record in sorted((out / RECORDS).glob("*.json")):
        before = json.loads(record.read_text())
        known = {file["fingerprint"] for file in before["files"]}
        taken = [path for path, fingerprint in zip(files, fingerprints, strict=True) if fingerprint in known]
        labels = set(before["options"]["labels"])
        # two imports of one file have different jets only if each requested labels that the other did not
        disjoint = wanted and labels and not wanted & labels and EVERYTHING_ELSE not in wanted | labels
        if taken and not disjoint:
            raise CannotImport(
                f"{taken[0]}: was imported into {out} before ({record.name}): the same jets would be there twice; "
                f"remove those and {record} first, or choose another --out"
            )
