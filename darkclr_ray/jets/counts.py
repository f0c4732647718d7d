"""Counters of a generation, and the fractions derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTED = ("events", "jets", "mesons", "invisible_mesons", "selected_mesons", "selected_invisible_mesons")
"""Names of the counters: collisions, selected jets, and primary dark mesons in all events and around selected jets."""


def are_counts(value: Any) -> bool:
    """Return whether a value from a file has a count for every name in `COUNTED`.

    >>> are_counts(dict.fromkeys(COUNTED, 3)), are_counts({"events": 3}), are_counts("many")
    (True, False, False)
    """
    return isinstance(value, Mapping) and all(type(value.get(name)) is int for name in COUNTED)


def fractions(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the jets per event, and the invisible fraction of primary dark mesons.

    The fraction is given for all events and around selected jets.
    """

    def ratio(part: str, whole: str) -> float | None:
        return counts[part] / counts[whole] if counts[whole] else None

    return {
        "jets_per_event": ratio("jets", "events"),
        "invisible_fraction": {
            "before_selection": ratio("invisible_mesons", "mesons"),
            "after_selection": ratio("selected_invisible_mesons", "selected_mesons"),
        },
    }
