"""Summarise an import: jets read, kept and dropped, with reasons, for the screen and for the record on disk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from darkclr_ray.jets.importers.portions import Portion
from darkclr_ray.jets.shards import SPLITS

_REMEDIES = {
    "pT outside": "--pt-min and --pt-max set the window, --unit the unit of momenta",
    "|eta| above": "--eta-max sets the limit",
    "no parton": "--match none keeps unmatched jets",
    "a label that was not": "--labels names the values to keep",
    "a missing label": "--labels '*=NAME' keeps jets without a label",
    "a number that is not": "are the columns and their order right (--columns, --order)?",
    "no constituents": "are the columns right (--columns)?",
}
"""Remedies for dropped jets, by the beginning of the reason."""


def remedies(dropped: Counter[str]) -> str:
    """Return remedies for dropped jets, that for the most common reason first."""
    found = (
        text for reason, _ in dropped.most_common() for start, text in _REMEDIES.items() if reason.startswith(start)
    )
    return "; ".join(dict.fromkeys(found))


@dataclass(eq=False)
class FileSummary:
    """Summary of one file.

    Attributes:
        path: as it was given.
        format, understood: how it was read.
        fingerprint: hash of its content.
        holds: "jets" or "events", which ``read`` counts.
        read: number of jets or events in the file.
        jets: number of jets in the file, or clustered from its events above the window's lower end.
        kept: number of jets written.
        dropped: numbers of jets not written, by reason.
        notes: further notes for the user, with how often they apply.
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
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, portion: Portion) -> None:
        """Add the counts of one portion of the file."""
        self.read += portion.read
        self.jets += portion.jets
        self.kept += sum(map(len, portion.kept.values()))
        self.dropped += portion.dropped
        self.notes += portion.notes

    def warning(self) -> str:
        """Return a warning if most jets were dropped, apart from labels that were not requested, or an empty text."""
        dropped = Counter({reason: jets for reason, jets in self.dropped.items() if not reason.startswith("a label")})
        lost = sum(dropped.values())
        if lost <= self.kept:
            return ""
        why = "; ".join(f"{jets:,} {reason}" for reason, jets in dropped.most_common())
        return f"MOST JETS WERE DROPPED: {lost:,} of {lost + self.kept:,} of {self.path} ({why}). {remedies(dropped)}"

    def record(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {**self.__dict__, "dropped": dict(self.dropped), "notes": dict(self.notes)}


@dataclass(eq=False)
class Summary:
    """Summary of a whole import: its files, and the jets written by split and sample."""

    files: list[FileSummary]
    written: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        """Return the number of jets written."""
        return sum(file.kept for file in self.files)

    @property
    def dropped(self) -> Counter[str]:
        """Return the numbers of jets not written, by reason, over all files."""
        return sum((file.dropped for file in self.files), Counter())

    def record(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        written = {f"{split}/{sample}": jets for (split, sample), jets in sorted(self.written.items())}
        return {"files": [file.record() for file in self.files], "written": written}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Summary:
        """Return the summary that :meth:`record` returned."""
        files = [
            FileSummary(**{**file, **{name: Counter(file.get(name, {})) for name in ("dropped", "notes")}})
            for file in record["files"]
        ]
        written = {
            (split, sample): jets for key, jets in record["written"].items() for split, sample in [key.split("/")]
        }
        return cls(files, Counter(written))

    def show(self, console: Console) -> None:
        """Print the numbers of jets read, kept and dropped, and the folder of the shards."""
        numbers = [Column(name, no_wrap=True) for name in ("read", "kept")]
        read = Table("file", *numbers, "dropped, and why", box=None, header_style="bold")
        for file in self.files:
            why = "\n".join(f"{jets:,} {reason}" for reason, jets in file.dropped.most_common()) or "none"
            seen = f"{file.read:,} {file.holds}" + (f",\n{file.jets:,} jets" if file.holds == "events" else "")
            read.add_row(f"{Path(file.path).name}\n({file.format})", seen, f"{file.kept:,}", why)
        kept = Table("sample", *(Column(split, no_wrap=True) for split in SPLITS), box=None, header_style="bold")
        for sample in sorted({sample for _, sample in self.written}):
            kept.add_row(sample, *(f"{self.written[split, sample]:,}" for split in SPLITS))
        console.print(read, kept, sep="\n")
        for file in self.files:
            if warning := file.warning():
                console.print(warning, style="bold red", highlight=False, soft_wrap=True, markup=False)
            for note, times in file.notes.most_common():
                console.print(f"{file.path}: {times:,} {note}", highlight=False, soft_wrap=True)
