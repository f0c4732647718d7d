"""Report pages: sections of text, figures and tables, written as one HTML file that works offline.

Every table, and every figure with data, also gets a CSV file beside the page. Templates escape all text that is not
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
from typing import Any

import plotly.graph_objects as go
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from darkclr_ray.integrity import replacing
from darkclr_ray.reports import labels, text
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
        """Figure as JSON that cannot close the script element around it."""
        text = str(self.figure.to_json())
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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
    scripts = {"plotly_js": _plotly_js(), "draw": templates.get_template("draw.js").render()}
    return templates.get_template("page.html.j2").render(
        title=page.title,
        head=rendered(templates, page.head),
        sections={section.name: rendered(templates, section) for section in page.sections},
        hashes=[_hash(script) for script in scripts.values()],
        **scripts,
    )


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
    templates.filters |= {**text.FILTERS, "data_link": _data_link}
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
