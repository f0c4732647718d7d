"""Select the epoch of a training whose weights are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MINIMISED = {"representation": "loss", "energy": "energy_difference", "supervised": "validation_loss"}
"""Metric of an epoch's record whose smallest value selects the epoch, by the kind of training."""


def selection_value(kind: str, record: Mapping[str, Any]) -> float | None:
    """Return the value of an epoch's record that is minimised; None if the epoch cannot be selected.

    The energy difference of contrastive divergence is minimised in absolute value; epochs of pre-training have none.

    >>> selection_value("energy", {"energy_difference": -0.5}), selection_value("energy", {"loss": 0.1})
    (0.5, None)
    """
    value = record.get(MINIMISED.get(kind, ""))
    if value is None:
        return None
    return abs(float(value)) if kind == "energy" else float(value)


def selected_epoch(kind: str, history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the record of the epoch whose weights a finished training kept: the last one if none can be selected.

    It is empty for an empty history.
    """
    values = [(value, at) for at, record in enumerate(history) if (value := selection_value(kind, record)) is not None]
    return history[min(values)[1]] if values else history[-1] if history else {}
