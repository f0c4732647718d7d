"""What an import did: jets read, kept and dropped, and why; for the screen and for the record beside the shards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from darkclr_ray.jets.shards import SPLITS


@dataclass(eq=False)
class FileSummary:
    """One file.

    Attributes:
        path: as it was given.
        format, understood: how it was read.
        fingerprint: hash of its content.
        holds: "jets" or "events", which ``read`` counts.
        read: jets or events in the file.
        jets: jets seen: those of the file, or those clustered from its events above the window's lower end.
        kept: jets written.
        dropped: jets not written, by reason.
    """

    path: str
    format: str
    fingerprint: str
    holds: str
    understood: dict[str, Any]
    read: int = 0
    jets: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.__dict__, "dropped": dict(self.dropped)}


@dataclass(eq=False)
class Summary:
    """A whole import: its files, and the jets written by split and sample."""

    files: list[FileSummary]
    written: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        """Jets written."""
        return sum(file.kept for file in self.files)

    @property
    def dropped(self) -> Counter[str]:
        """Jets not written, by reason, over all files."""
        return sum((file.dropped for file in self.files), Counter())

    def record(self) -> dict[str, Any]:
        """As JSON."""
        written = {f"{split}/{sample}": jets for (split, sample), jets in sorted(self.written.items())}
        return {"files": [file.record() for file in self.files], "written": written}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Summary:
        """The summary that :meth:`record` came from."""
        files = [FileSummary(**{**file, "dropped": Counter(file["dropped"])}) for file in record["files"]]
        written = {
            (split, sample): jets for key, jets in record["written"].items() for split, sample in [key.split("/")]
        }
        return cls(files, Counter(written))

    def show(self, console: Console) -> None:
        """Print what was read, kept and dropped, and where it went."""
        read = Table("file", "read", "kept", "dropped, and why", box=None, header_style="bold")
        for file in self.files:
            why = "\n".join(f"{jets:,} {reason}" for reason, jets in file.dropped.most_common()) or "none"
            seen = f"{file.read:,} {file.holds}" + (f",\n{file.jets:,} jets" if file.holds == "events" else "")
            read.add_row(f"{Path(file.path).name}\n({file.format})", seen, f"{file.kept:,}", why)
        kept = Table("sample", *SPLITS, box=None, header_style="bold")
        for sample in sorted({sample for _, sample in self.written}):
            kept.add_row(sample, *(f"{self.written[split, sample]:,}" for split in SPLITS))
        console.print(read, kept, sep="\n")
