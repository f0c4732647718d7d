"""Report pages: sections of text, figures and tables, written as one HTML file that works offline.

Every table, and every figure with data, also gets a CSV file beside the page. Templates escape all text that is not
`markupsafe.Markup`. The page contains plotly.js and the figures in compressed form, and its own script unpacks them.
Its Content-Security-Policy forbids loading anything, and running any script other than these two.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from darkclr_ray.integrity import replacing
from darkclr_ray.reports import labels, styles, text
from darkclr_ray.reports.packing import Packed, pack
from darkclr_ray.reports.tables import Cell, Table, as_csv
from darkclr_ray.study.ensemble import EPS_S
from darkclr_ray.study.results import StudyResults


@dataclass(frozen=True)
class Figure:
    """A plotly figure, a name that is unique on the page ([a-z][a-z0-9_]*), and the rows of its CSV."""

    name: str
    figure: go.Figure
    data: Sequence[Mapping[str, Cell]] = ()

    @property
    def json(self) -> str:
        """Figure as JSON without its template, which all figures share, and with four significant digits."""
        content = self.figure.to_plotly_json()
        layout = {key: value for key, value in content["layout"].items() if key != "template"}
        return json.dumps(_rounded({"data": content["data"], "layout": layout}), separators=(",", ":"))

    @property
    def height(self) -> int:
        """Height of the figure in pixels."""
        return int(self.figure.layout.height or 450)


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        name: name of the template in ``templates/sections``, which holds the heading and the text.
        parts: figures, tables and other values by the names that the template uses.
    """

    name: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Figure | Table]:
        """Figures and tables of the section."""
        return [part for part in self.parts.values() if isinstance(part, Figure | Table)]


@dataclass(frozen=True)
class Page:
    """A page: the first screen (title, result in a few sentences, one figure), and the sections below it."""

    title: str
    head: Section
    sections: Sequence[Section]

    @property
    def blocks(self) -> list[Figure | Table]:
        """All figures and tables in the order of the page."""
        return [block for section in (self.head, *self.sections) for block in section.blocks]


def render(page: Page, templates: Environment) -> str:
    """Return the page as HTML, with the templates of `environment`.

    Raises:
        ValueError: two blocks have the same name, or a name does not match [a-z][a-z0-9_]*.
    """
    names = [block.name for block in page.blocks]
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or names.count(name) > 1:
            raise ValueError(f"block {name!r}: expected a name of a-z, 0-9 and _ that no other figure or table has")
    script = templates.get_template("page.js").render()
    plotly_js, plotly_hash = _plotly_js()
    return templates.get_template("page.html.j2").render(
        title=page.title,
        head=rendered(templates, page.head),
        sections={section.name: rendered(templates, section) for section in page.sections},
        hashes=[plotly_hash, _hash(script)],
        plotly=plotly_js,
        content=pack(json.dumps(_content(page)).encode()),
        script=script,
    )


def _content(page: Page) -> dict[str, Any]:
    """Return what the page's script reads: figures as JSON, templates, and the colours of dark mode."""
    return {
        "figures": {block.name: block.json for block in page.blocks if isinstance(block, Figure)},
        "templates": {name: template.to_plotly_json() for name, template in styles.TEMPLATES.items()},
        "dark_colours": styles.DARK_COLOURS,
    }


def _rounded(value: Any) -> Any:
    """Return a value of a figure with lists for arrays, None for numbers that are not finite, and others rounded.

    Four significant digits are less than a pixel; numbers above 10,000 keep all digits before the decimal point.

    >>> _rounded({"x": [1.23456789, math.nan], "y": (123456.7,)})
    {'x': [1.235, None], 'y': [123457]}
    """
    if isinstance(value, Mapping) and "bdata" in value:  # plotly's form of an array
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        shape = [int(length) for length in str(value.get("shape", len(array))).split(",")]
        return _rounded(array.reshape(shape).tolist())
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.4g}") if abs(value) < 1e4 else round(value)
        return int(short) if short == int(short) else short
    return value


def rendered(templates: Environment, section: Section) -> Any:
    """Return the rendered template of a section: its HTML as text, and its heading as ``title``."""
    return templates.get_template(f"sections/{section.name}.html.j2").make_module(dict(section.parts))


def section_html(study: StudyResults, section: Section) -> str:
    """Return one section of a study's page as HTML."""
    return str(rendered(environment(study), section))


def environment(study: StudyResults) -> Environment:
    """Return the jinja environment of a study's page, with symbols and text functions for all templates."""
    templates = Environment(
        loader=PackageLoader("darkclr_ray.reports"),
        autoescape=select_autoescape(["j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    symbols = {name: getattr(labels, name) for name in ("R_INV", "EPS_S", "EPS_B", "P_DROP", "D_Z", "P_T")}
    templates.globals |= {"study": study, "eps_s": EPS_S, **symbols, **text.functions(study)}
    templates.filters |= {**text.FILTERS, "has_csv": lambda block: bool(_csv(block))}
    return templates


def write(page: Page, templates: Environment, folder: Path) -> Path:
    """Write ``index.html`` and the CSV files into ``folder``, which is created if needed; return the path of the page.

    Each file is written atomically, the page last.
    """
    html = render(page, templates)
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


def _replace(path: Path, text: str) -> Path:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    return path


@cache
def _plotly_js() -> tuple[Packed, str]:
    """Return plotly.js in compressed form, and the hash of it as the page's script runs it."""
    script = str(plotly.offline.get_plotlyjs()).replace("\r\n", "\n")
    return pack(script.encode()), _hash(script)


def _hash(script: str) -> str:
    """Return the hash of a script in the format of a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
