"""Result of a benchmark: one stage in one case, shown as a row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from darkclr_ray.benchmarks.timing import Rates

OURS, PLAIN, AUTOCAST, TORCH = "ours", "plain", "plain bf16", "torch"
"""Names of the implementations that are compared: the package, the reference, the latter with bf16 autocast, and
well-written PyTorch (`benchmarks.well_written`)."""


@dataclass(frozen=True)
class Result:
    """Measurement of a stage.

    Attributes:
        stage, case: names of the stage and of the case.
        unit: unit of the rates ("jets/s") or of another quantity ("s", "MB").
        ours, plain, autocast, torch: values of the package, of the reference implementation, of the latter with bf16
            autocast, and of well-written PyTorch; None if not measured.
        torch_ratio: rate of ours over that of well-written PyTorch.
        ratio: rate of ours over that of plain, as median over interleaved repetitions; or the quantity of the aim.
        limit: fraction of the hardware's limit, in [0, 1].
        aim: aim as text.
        note: explanation of the numbers.
    """

    stage: str
    case: str
    unit: str
    ours: float | None
    plain: float | None = None
    autocast: float | None = None
    torch: float | None = None
    torch_ratio: float | None = None
    ratio: float | None = None
    limit: float | None = None
    aim: str = ""
    note: str = ""

    @staticmethod
    def of_rates(stage: str, case: str, rates: Rates, *, unit: str = "jets/s", **rest: Any) -> Result:
        """Return a result from the rates of `OURS`, `PLAIN` and, if measured, `AUTOCAST` and `TORCH`."""
        autocast, torch = (rates[way] if way in rates.measured else None for way in (AUTOCAST, TORCH))
        torch_ratio = None if torch is None else rates.ratio(OURS, TORCH)
        ratio = rates.ratio(OURS, PLAIN)
        return Result(stage, case, unit, rates[OURS], rates[PLAIN], autocast, torch, torch_ratio, ratio, **rest)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def table(rows: Sequence[Result]) -> Table:
    """Return all results as a table of rich, with the numbers of their `notes`."""
    result = Table(title="Throughput")
    for name in ("stage", "case", "unit"):
        result.add_column(name)
    for name in (OURS, PLAIN, AUTOCAST, TORCH, "ratio", "over torch", "of limit"):
        result.add_column(name, justify="right", no_wrap=True)
    for name in ("aim", "note"):
        result.add_column(name)
    numbered = {note: str(number) for number, note in enumerate(notes(rows), 1)}
    for row in rows:
        share = "" if row.limit is None else f"{row.limit:.0%}"
        ratios = ("" if ratio is None else f"{ratio:.2f}" for ratio in (row.ratio, row.torch_ratio))
        numbers = (*map(short, (row.ours, row.plain, row.autocast, row.torch)), *ratios, share)
        result.add_row(row.stage, row.case, row.unit, *numbers, row.aim, numbered.get(row.note, ""))
    return result


def notes(rows: Sequence[Result]) -> list[str]:
    """Return the notes of the results without duplicates."""
    return [note for note in dict.fromkeys(row.note for row in rows) if note]


def short(value: float | None) -> str:
    """Return a number as text with three significant digits; "" for None.

    >>> short(1234567.0), short(12.345), short(0.0123), short(None)
    ('1.23M', '12.3', '0.0123', '')
    """
    if value is None:
        return ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1000.0 if letter == 'k' else size):.3g}{letter}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
