"""Training warnings and Langevin-chain diagnostics of a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darkclr_ray.store.stages import Store


def training_health(store: Store, stages: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the chain diagnostics of the epochs whose weights were kept, and the warnings of all epochs.

    Args:
        store: of the study.
        stages: by detector, the hashes of its trainings by kind.

    Returns:
        "chains": of each detector with contrastive divergence in it; "warnings": see `warnings_in`.
    """
    from darkclr_ray.training.checkpoint import read_history  # it needs torch, and pages need `kept_epoch` only

    histories = {
        name: {kind: read_history(store.find(kind, stage).folder) for kind, stage in used.items()}
        for name, used in stages.items()
    }
    kept = {name: kept_epoch("energy", records.get("energy", [])) for name, records in histories.items()}
    chains = {name: chain_health(record) for name, record in kept.items()}
    told = [warnings_in(kind, history) for records in histories.values() for kind, history in records.items()]
    return {
        "chains": {name: health for name, health in chains.items() if health},
        "warnings": list(dict.fromkeys(warning for warning in told if warning is not None)),
    }


def warnings_in(kind: str, history: Sequence[Mapping[str, Any]]) -> str | None:
    """Return how many epochs of a training gave a warning, and the last warning; None if there was none.

    >>> warnings_in("energy", [{"energy_difference": 0.2}, {"energy_difference": 0.1, "warning": "chains stand still"}])
    '1 epoch with a warning, the kept one; the last one: chains stand still'
    """
    told = [str(record["warning"]).rstrip(".") for record in history if record.get("warning")]
    if not told:
        return None
    count = "1 epoch" if len(told) == 1 else f"{len(told)} epochs"
    kept = ""
    if kept_epoch(kind, history).get("warning"):
        kept = ", the kept one" if len(told) == 1 else ", the kept one among them"
    return f"{count} with a warning{kept}; the last one: {told[-1]}"


SELECTED_BY = {"representation": "loss", "energy": "energy_difference", "supervised": "validation_loss"}
"""Whose smallest value chooses the epoch that a training keeps, in size."""


def kept_epoch(kind: str, history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of the epoch whose weights a finished training left; where none tells, the last one."""
    name = SELECTED_BY.get(kind, "")
    told = [record for record in history if record.get(name) is not None]
    size = abs if kind == "energy" else float
    return min(told, key=lambda record: size(record[name])) if told else history[-1] if history else {}


def chain_health(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of an epoch of contrastive divergence says of its chains; nothing for another epoch.

    >>> chain_health({"phase": "reconstruction"})
    {}
    """
    names = ("energy_data", "energy_chain", "displacement", "standing_still", "above_data")
    return {name: record[name] for name in names} if "energy_chain" in record else {}
