"""Display of everything that a page compares, and its order in tables and legends."""

from __future__ import annotations

from collections.abc import Iterable

from darkclr_ray.detectors.display import BLACK, GREY, INDIGO, ORANGE, USERS, VERMILLION, Display, Style

OTHERS: dict[str, Display] = {
    "paper": Display("paper (its own jets)", Style(BLACK, "longdash", "diamond-open"), order=80),
    "paper supervised": Display("paper, supervised", Style(BLACK, "dot", "star-triangle-up-open"), order=81),
    "untrained s_AE": Display("untrained, s<sub>AE</sub>", Style(ORANGE, "dashdot", "x-open"), order=53),
    "linear head": Display("head representation", Style(INDIGO), order=90),
    "linear pooled": Display("representation before the head", Style(VERMILLION, "dash", "square"), order=91),
    "linear constituents": Display("raw constituents", Style(GREY, "dot", "triangle-up"), order=92),
}
"""Display of what is compared with detectors but is none: published numbers, linear classifiers, and the plain
autoencoder of a scan's untrained reference."""


def display_of(name: str) -> Display | None:
    """Return the display of a detector of this package or of `OTHERS`; None for a user's detector."""
    from darkclr_ray.detectors import registry  # it imports torch, which an error message does not wait for

    return OTHERS.get(name) or registry.display_of(name)


def is_prominent(name: str) -> bool:
    """Return whether a figure shows a detector if it cannot show all; users' own detectors are among them."""
    display = display_of(name)
    return display is None or display.prominent


def position(name: str) -> int:
    """Return the position of a detector in tables and legends."""
    display = display_of(name)
    return USERS if display is None else display.order


def in_order(names: Iterable[str]) -> list[str]:
    """Return detectors in the order of tables and legends, with the user's own after those of DarkCLR.

    >>> in_order(["supervised", "mine", "s_NAE"])
    ['s_NAE', 'mine', 'supervised']
    """
    return sorted(names, key=position)
