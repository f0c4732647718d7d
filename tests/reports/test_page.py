"""A page of our own making: escaping, self-containment, CSV, names."""

import base64
import csv
import gzip
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import plotly.offline
import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment
from markupsafe import Markup

from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.packing import pack
from darkclr_ray.reports.page import Figure, Page, Section, environment, render, write
from darkclr_ray.reports.tables import Column, Table, as_csv
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.records import StudyRecord
from darkclr_ray.study.results import StudyResults

from .pages import unpack, unpacked

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


TEMPLATES = {
    "sections/first.html.j2": """{% from "blocks.html.j2" import figure %}
<p>{{ words }}</p>{% call figure(key) %}{{ words }}{% endcall %}""",
    "sections/section.html.j2": """{% from "blocks.html.j2" import figure, table %}{% set title = words %}
<p>{{ words }}</p>{% call figure(second) %}{{ words }}{% endcall %}{% call table(numbers) %}{{ words }}{% endcall %}""",
}
STUDY = StudyResults(Path(), StudyRecord(name="toy"), StudySettings(), ())


def templates() -> Environment:
    known = environment(STUDY)
    known.loader = ChoiceLoader([DictLoader(TEMPLATES), known.loader])
    return known


def small_page(words: str = "words", name: str = "second") -> Page:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name=words))
    table = Table(
        "numbers",
        [Column("signal", words), Column("rejection", Markup("1/&epsilon;"), group="raw")],
        [
            {"signal": words, "rejection": Measurement(38.25, 35.0, 42.5)},
            {"signal": "b", "rejection": Measurement(120.0, bound=True)},
        ],
    )
    data = [{"x": 1, "name": words}]
    section = Section("section", {"words": words, "second": Figure(name, figure, data), "numbers": table})
    return Page(words, Section("first", {"words": words, "key": Figure("first", figure)}), [section])


def html_of(page: Page) -> str:
    return render(page, templates())


class Elements(HTMLParser):
    """Counts elements and collects what stands in scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        assert not any(name.startswith("on") for name, _ in attributes)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]


def test_words_from_outside_stay_words():
    plain, evil = Elements(html_of(small_page("plain"))), Elements(html_of(small_page(EVIL)))
    assert evil.counts == plain.counts
    assert "img" not in evil.counts


def test_page_asks_for_nothing_outside():
    elements = Elements(html_of(small_page()))
    linked = {"second.csv", "numbers.csv"}  # beside the page; a link loads nothing
    assert all(address in linked or address.startswith(("#", "data:")) for address in elements.addresses)
    assert elements.counts["script"] == 3  # plotly.js and the figures, both compressed, and the page's script


def test_policy_names_the_scripts_that_may_run():
    html = html_of(small_page())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src 'none'" in policy
    assert len(re.findall(r"'sha256-[\w+/=]{44}'", policy.replace("&#39;", "'"))) == 2


def test_figure_comes_back_from_the_page_as_it_was():
    html = html_of(small_page(EVIL))
    figures = json.loads(unpacked(html, "content"))["figures"]
    assert json.loads(figures["second"])["data"][0]["name"] == EVIL


def test_numbers_of_a_figure_are_rounded_to_less_than_a_pixel():
    values = [1234.5678, -0.000123456, 123456.7, 3.0, math.nan]
    image = np.array([[1, 2, 3], [4, 5, 6.54321]])
    figure = Figure("one", go.Figure([go.Scatter(x=np.array(values), y=values), go.Heatmap(z=image)]))
    trace, heatmap = json.loads(figure.json)["data"]
    assert heatmap["z"] == [[1, 2, 3], [4, 5, 6.543]]
    assert trace["x"] == trace["y"] == [1235, -0.0001235, 123457, 3, None]
    assert "template" not in json.loads(figure.json)["layout"]


@pytest.mark.parametrize("size", [0, 1, 12, 13, 5000])
def test_packed_data_are_gzip_in_pairs_of_characters_with_13_bits(size):
    """Decoded with integers of any length instead of numpy; every character can stand in a script element."""
    data = np.random.default_rng(size).bytes(size)
    packed = pack(data)
    assert not set(packed.text) & set("<\n\r\0")
    assert gzip.decompress(unpack(packed.text, packed.size)) == data


def test_page_allows_the_plotly_that_it_contains():
    """The policy has the hash of the script that the page makes of the compressed text; a page of 2 MB contains it."""
    html = html_of(small_page())
    script = str(plotly.offline.get_plotlyjs())
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"sha256-{digest}".replace("+", "&#43;") in html.replace("+", "&#43;")
    text = re.search(r'id="plotly" data-size="(\d+)">', html)
    assert int(text[1]) < len(script) / 3
    assert len(html) < 1.95e6


def test_csv_holds_intervals_and_bounds(tmp_path):
    path = write(small_page(), templates(), tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    assert sorted(file.name for file in path.parent.iterdir()) == ["index.html", "numbers.csv", "second.csv"]
    with open(tmp_path / "report" / "numbers.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert [float(first[f"rejection{ending}"]) for ending in ("", "_low", "_high")] == [38.25, 35.0, 42.5]
    assert (first["rejection_lower_bound"], second["rejection_lower_bound"]) == ("0", "1")
    assert second["rejection_low"] == ""


def test_no_header_of_a_csv_is_a_formula():
    """Tables with signals across have the names of samples in their columns' keys."""
    name = '=HYPERLINK("http://localhost")'
    rows = [{"row": "a", f"{name}_raw": Measurement(2.0, 1.0, 3.0), f"{name}_matched": 1.0}]
    header, _ = csv.reader(as_csv(rows).splitlines())
    assert header[1:] == [
        f"'{name}_{ending}" for ending in ("raw", "raw_low", "raw_high", "raw_lower_bound", "matched")
    ]


@pytest.mark.parametrize("name", ["first", "../x", "Upper", ""])
def test_names_of_blocks_are_checked(name):
    with pytest.raises(ValueError, match="no other figure or table"):
        html_of(small_page(name=name))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Measurement(38.24, 35.0, 42.04), "38.2 +3.8 −3.2"),
        (Measurement(120.0, bound=True), "> 120"),
        (Measurement(0.7512, 0.74, 0.76), "0.751 +0.009 −0.011"),
        (Measurement(5.0), "5.00"),
        (Measurement(2.0, 1.5, math.nan), "2.00 (> 1.50)"),
    ],
)
def test_values_are_written_with_their_errors(value, text):
    assert str(value) == text
