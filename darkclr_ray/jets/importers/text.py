"""Read event records as text, plain or compressed with gzip, for HepMC and LHE."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkclr_ray.jets.importers.unselected import CannotImport, reading

GZIP = b"\x1f\x8b"


def opened(path: Path) -> Any:
    """Open a file as uncompressed bytes."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP
    return gzip.open(path, "rb") if compressed else path.open("rb")


def lines(path: Path, end: bytes) -> Iterator[bytes]:
    """Yield every line. Raises CannotImport if ``end`` is in none of the last lines, since the file is truncated."""
    last: list[bytes] = []
    with reading(path), opened(path) as file:
        for line in file:
            if line.strip():
                last = [*last[-2:], line]
            yield line
    if not any(end in line for line in last):
        raise CannotImport(
            f"{path}: truncated, it ends without {end.decode()}: its writer was stopped, or the file is "
            "not whole. Nothing was imported"
        )
