"""The table of the paper's statements in CONTRIBUTING.md: each file has what the table names, and cites its source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(
    r"^\| (?P<statement>[^|]+) \| (?P<source>[^|]+) \| `(?P<file>[^|`]+)` \| `(?P<name>\w+)` \|$", re.MULTILINE
)
ROWS = [found.groupdict() for found in ROW.finditer((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))]


def test_the_table_covers_the_paper() -> None:
    assert {row["source"] for row in ROWS} >= {"Sec. 3.2", "Sec. 3.3", "Sec. 4", "Table 2"}
    assert {row["source"] for row in ROWS} >= {f"Eq. {number}" for number in (3, 4, 6, 8, 10, 12)}


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_a_statement_is_where_the_table_says_and_cites_its_source(row: dict[str, str]) -> None:
    tree = ast.parse((ROOT / row["file"]).read_text(encoding="utf-8"))
    named = [
        node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == row["name"]
    ]
    assert len(named) == 1
    own = ast.get_docstring(named[0])
    assert own
    kind, number = row["source"].rsplit(" ", 1)
    cited = re.findall(rf"{re.escape(kind)} ((?:[\d.]+(?:, | and )?)+)", f"{ast.get_docstring(tree)} {own}")
    assert number in {one.rstrip(".") for text in cited for one in re.split(", | and ", text)}
