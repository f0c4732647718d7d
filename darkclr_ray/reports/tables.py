"""Tables in HTML and CSV from the same rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from darkclr_ray.reports.measurement import Measurement, plain

Cell = Measurement | str | float | int | None

LONG = 50
"""Number of characters above which a column's text is shown in several lines."""


@dataclass(frozen=True)
class Column:
    """A column: its key in the rows and in the CSV, its heading, and a heading shared with adjacent columns."""

    key: str
    heading: str
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table, whose rows map a column's key to its cell.

    Its CSV file is called ``name`` and contains ``data`` if given (with one number per row, for example), else the
    table as it is shown. A row with a true "best" is highlighted.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]
    data: Sequence[Mapping[str, Cell]] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Shared headings with the number of columns that each spans; empty if no column has one."""
        if not any(column.group for column in self.columns):
            return []
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans

    def starts_group(self, at: int) -> bool:
        """Return whether the column with index ``at``, which is not the first, begins a new shared heading."""
        return at > 0 and self.columns[at].group != self.columns[at - 1].group

    def cell(self, row: Mapping[str, Cell], column: Column) -> str:
        """Return the text of a cell; a dash for None and nan."""
        cell = row.get(column.key)
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return "–"
        if isinstance(cell, Measurement):
            return Markup(cell)
        if isinstance(cell, float):
            return plain(cell)
        return f"{cell:,}" if isinstance(cell, int) else cell

    def numeric(self, column: Column) -> bool:
        """Return whether the column contains only numbers, which are aligned to the right."""
        return all(not isinstance(row.get(column.key), str) for row in self.rows)

    def attributes(self, at: int) -> Markup:
        """Return the classes of the cells of the column with index ``at`` as an HTML attribute; empty for numbers.

        Text has the class "text", or "long" if it needs several lines; "first" starts a new shared heading.
        """
        found = [*self._kinds[at], *(["first"] if self.starts_group(at) else [])]
        return Markup(' class="{}"').format(" ".join(found)) if found else Markup("")

    @cached_property
    def _kinds(self) -> list[list[str]]:
        return [self._kind(column) for column in self.columns]

    def _kind(self, column: Column) -> list[str]:
        if self.numeric(column):
            return []
        lengths = (len(Markup(self.cell(row, column)).striptags()) for row in self.rows)
        return ["long" if max(lengths, default=0) > LONG else "text"]

    @property
    def sortable(self) -> bool:
        """Whether the rows can be sorted: there are several, and none continues the one above it."""
        return len(self.rows) > 2 and all(row.get(self.columns[0].key) for row in self.rows)

    def csv(self) -> str:
        """Return the table as CSV in full precision; intervals are columns ``_low``, ``_high`` and ``_lower_bound``."""
        return as_csv(self.data or [{column.key: row.get(column.key) for column in self.columns} for row in self.rows])


def as_csv(rows: Sequence[Mapping[str, Cell]]) -> str:
    """Return rows as CSV; the columns are those of all rows in order of appearance.

    >>> print(as_csv([{"signal": "aachen", "rejection": Measurement(38.0, 35.0, 42.0)}, {"signal": "=x"}]), end="")
    signal,rejection,rejection_low,rejection_high,rejection_lower_bound
    aachen,38.0,35.0,42.0,0
    '=x,,,,
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    intervals = {key for key in keys if any(isinstance(row.get(key), Measurement) for row in rows)}
    parts = {
        key: [key, f"{key}_low", f"{key}_high", f"{key}_lower_bound"] if key in intervals else [key] for key in keys
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_field(name) for key in keys for name in parts[key]])  # a sample's name may be part of a key
    for row in rows:
        writer.writerow([field for key in keys for field in _fields(row.get(key), len(parts[key]))])
    return text.getvalue()


def _fields(cell: Cell, width: int) -> list[str]:
    if isinstance(cell, Measurement):
        return [_field(cell.value), _field(cell.low), _field(cell.high), str(int(cell.bound))]
    return [_field(cell), *[""] * (width - 1)]


def _field(cell: str | float | None) -> str:
    """Return the text of a field; text that a spreadsheet would evaluate as a formula gets an apostrophe in front."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, str):
        words = Markup(cell).striptags() if isinstance(cell, Markup) else cell
        return "'" + words if words[:1] in ("=", "+", "-", "@", "\t", "\r") else words
    return repr(cell)
