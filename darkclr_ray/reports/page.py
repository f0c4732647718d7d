"""Report pages: sections of text, figures and tables, written as one HTML file that works offline.

Every table, and every figure with data, also gets a CSV file beside the page. All text is escaped unless it is
`markupsafe.Markup`. The page's Content-Security-Policy forbids loading anything, and running any script other than
plotly.js and the page's own script.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import plotly.graph_objects as go
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from darkclr_ray.integrity import replacing
from darkclr_ray.reports.tables import Cell, Table, as_csv

_DRAW = """"use strict";
const drawings = [...document.querySelectorAll("div.plot")].map((place) => {
  const figure = JSON.parse(document.getElementById(place.id + "-data").textContent);
  const options = {
    displaylogo: false,
    displayModeBar: "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: {format: "svg", filename: place.id},
  };
  return Plotly.newPlot(place, figure.data, figure.layout, options);
});
Promise.all(drawings).then(() => { document.documentElement.dataset.drawn = drawings.length; });
"""


@dataclass(frozen=True)
class Figure:
    """A plotly figure with a caption, a name that is unique on the page ([a-z][a-z0-9_]*), and the rows of its CSV."""

    name: str
    figure: go.Figure
    caption: str
    data: Sequence[Mapping[str, Cell]] = ()

    @property
    def json(self) -> str:
        """Figure as JSON that cannot close the script element around it."""
        text = str(self.figure.to_json())
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@dataclass(frozen=True)
class Section:
    """A section of a page: a heading, followed by paragraphs (str or Markup), figures and tables in order."""

    name: str
    title: str
    blocks: Sequence[str | Figure | Table]


@dataclass(frozen=True)
class Page:
    """A page: the first screen (title, result in a few sentences, one figure), and the sections below it."""

    title: str
    subtitle: str
    headline: str
    key: Figure
    sections: Sequence[Section] = field(default_factory=tuple)

    @property
    def blocks(self) -> list[Figure | Table]:
        """List of all figures and tables in the order of the page."""
        below = [block for section in self.sections for block in section.blocks if not isinstance(block, str)]
        return [self.key, *below]


def render(page: Page) -> str:
    """Return the page as HTML.

    Raises:
        ValueError: two blocks have the same name, or a name does not match [a-z][a-z0-9_]*.
    """
    names = [block.name for block in page.blocks]
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or names.count(name) > 1:
            raise ValueError(f"block {name!r}: expected a name of a-z, 0-9 and _ that no other figure or table has")
    environment = Environment(
        loader=PackageLoader("darkclr_ray.reports", "."),
        autoescape=select_autoescape(["j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_link"] = _data_link
    template = environment.get_template("page.html.j2")
    scripts = [_plotly_js(), _DRAW]
    return template.render(page=page, plotly_js=scripts[0], draw=scripts[1], hashes=[_hash(text) for text in scripts])


def write(page: Page, folder: Path) -> Path:
    """Write ``index.html`` and the CSV files into ``folder``, which is created if needed; return the path of the page.

    Each file is written atomically, the page last.
    """
    html = render(page)
    folder.mkdir(parents=True, exist_ok=True)
    for block in page.blocks:
        text = _csv(block)
        if text:
            _replace(folder / f"{block.name}.csv", text)
    return _replace(folder / "index.html", html)


def _csv(block: Figure | Table) -> str:
    if isinstance(block, Table):
        return block.csv()
    return as_csv(block.data) if block.data else ""


def _data_link(block: Figure | Table) -> str:
    """Return the block's CSV as a data URL, which works in a copy of the page without the files beside it; or ""."""
    text = _csv(block)
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode() if text else ""


def _replace(path: Path, text: str) -> Path:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    return path


@cache
def _plotly_js() -> str:
    text = str(plotly.offline.get_plotlyjs()).replace("\r\n", "\n")
    assert "</script" not in text.lower()
    return text


def _hash(script: str) -> str:
    """Return the hash of a script in the format of a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
