"""Select the epoch of a training whose weights are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VALIDATED = {
    "representation": "validation_loss",
    "supervised": "validation_loss",
    "views_network": "held_out_error",
    "wasserstein": "distance",
}
"""Metric of an epoch's record whose smallest value selects the epoch, by the kind of training."""


def selection_value(kind: str, record: Mapping[str, Any]) -> float | None:
    """Return the value of an epoch's record that is minimised; None if the epoch cannot be selected.

    It is that of `VALIDATED` for encoders that have not collapsed and for classifiers. In contrastive divergence
    it is the energy difference in absolute value (Sec. 4) or, if the record has it, minus the area of the background's
    views; the area does not depend on the chains, so that epochs with a warning of theirs are then excluded. Epochs of
    pre-training have none.

    >>> selection_value("energy", {"energy_difference": -0.5}), selection_value("energy", {"loss": 0.1})
    (0.5, None)
    >>> selection_value("representation", {"validation_loss": -8.0, "collapsed": True}) is None
    True
    """
    if record.get("collapsed") and kind == "representation":
        return None
    if kind in VALIDATED:
        return _number(record.get(VALIDATED[kind]))
    if kind not in ("energy", "image_energy"):
        return None
    if "views_area" in record:
        return None if record.get("warning") else -float(record["views_area"])
    difference = _number(record.get("energy_difference"))
    return None if difference is None else abs(difference)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def selected_epoch(kind: str, history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the record of the epoch whose weights a finished training kept: the last one if none can be selected.

    It is empty for an empty history.
    """
    values = [(value, at) for at, record in enumerate(history) if (value := selection_value(kind, record)) is not None]
    return history[min(values)[1]] if values else history[-1] if history else {}


def warnings_in(kind: str, history: Sequence[Mapping[str, Any]]) -> str | None:
    """Return how many epochs of a training gave a warning, and the last warning; None if there was none.

    >>> warnings_in("energy", [{"energy_difference": 0.2}, {"energy_difference": 0.1, "warning": "chains stand still"}])
    '1 epoch with a warning, the selected one; the last one: chains stand still'
    """
    found = [str(record["warning"]).rstrip(".") for record in history if record.get("warning")]
    if not found:
        return None
    count = "1 epoch" if len(found) == 1 else f"{len(found)} epochs"
    selected = ""
    if selected_epoch(kind, history).get("warning"):
        selected = ", the selected one" if len(found) == 1 else ", the selected one among them"
    return f"{count} with a warning{selected}; the last one: {found[-1]}"
