"""What a page says and what stands beside it, for tests to read."""

import csv
from html.parser import HTMLParser
from pathlib import Path


def rows(report: Path, name: str) -> list[dict[str, str]]:
    """Rows of a CSV beside a page."""
    with open(report.parent / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


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
