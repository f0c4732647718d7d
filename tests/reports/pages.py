"""What a page says and what stands beside it, for tests to read."""

import csv
import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from darkclr_ray.reports.page import Section, section_html
from darkclr_ray.study.results import StudyResults


def rows(report: Path, name: str) -> list[dict[str, str]]:
    """Rows of a CSV beside a page."""
    with open(report.parent / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def unpack(text: str, size: int) -> bytes:
    """Bytes that a page has as pairs of characters with 13 bits each."""
    digits = [ord(one) - 35 - (ord(one) > 60) for one in text]
    number = 0
    for high, low in zip(digits[::2], digits[1::2], strict=True):
        number = number << 13 | 91 * high + low
    spare = len(digits) // 2 * 13 - 8 * size
    return (number >> spare).to_bytes(size, "big")


def unpacked(html: str, name: str) -> str:
    """Text that a page has in compressed form."""
    found = re.search(rf'<script [^>]*id="{name}" data-size="(\d+)">([^<]*)</script>', html)
    assert found is not None
    return gzip.decompress(unpack(found[2], int(found[1]))).decode()


class Text(HTMLParser):
    """Words of a page outside of scripts and styles, and the identifiers of its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.names: list[str] = []
        self.silent = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.silent = tag in ("script", "style")
        self.names += [value or "" for name, value in attributes if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        self.silent = False

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.words.append(data)

    def __str__(self) -> str:
        return " ".join("".join(self.words).split())


def said(study: StudyResults, section: Callable[[StudyResults], Section | None]) -> str:
    """Text of one section of a study's page; empty if the study has no such section."""
    found = section(study)
    return "" if found is None else str(Text(section_html(study, found)))


def changed(study: StudyResults, **settings: Any) -> StudyResults:
    """The study with other settings."""
    return replace(study, settings=study.settings.updated(settings))


def bounded(study: StudyResults, detector: str, signal: str) -> StudyResults:
    """The study where no background survives this detector's cuts on this signal."""
    runs = []
    for run in study.runs:
        test = {name: dict(signals) for name, signals in run.test.items()}
        if signal in test.get(detector, {}):
            one = test[detector][signal]
            sides = {
                side: replace(
                    half, rejections=tuple(replace(cut, value=9e5, lower_bound=True) for cut in half.rejections)
                )
                for side, half in (("raw", one.raw), ("matched", one.matched))
            }
            test[detector][signal] = replace(one, **sides)
        runs.append(run.model_copy(update={"test": test}))
    return replace(study, runs=tuple(runs))
