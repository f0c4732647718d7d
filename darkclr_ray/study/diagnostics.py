"""What the trainings behind a detector's scores had to complain of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darkclr_ray.store.stages import Store


def training_health(store: Store, stages: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Chain health and warnings of the epochs whose weights were kept.

    Args:
        store: of the study.
        stages: by detector, the hashes of its trainings by kind.

    Returns:
        "chains": of each detector with contrastive divergence in it; "warnings": sentences.
    """
    from darkclr_ray.training.checkpoint import read_history  # it needs torch, and pages need `kept_epoch` only

    kept = {
        name: {kind: kept_epoch(kind, read_history(store.find(kind, stage).folder)) for kind, stage in used.items()}
        for name, used in stages.items()
    }
    chains = {name: chain_health(records["energy"]) for name, records in kept.items() if "energy" in records}
    told = [record.get("warning") for records in kept.values() for record in records.values()]
    return {
        "chains": {name: health for name, health in chains.items() if health},
        "warnings": list(dict.fromkeys(warning for warning in told if warning)),
    }


SELECTED_BY = {
    "representation": "loss",
    "energy": "energy_difference",
    "image_energy": "energy_difference",
    "supervised": "validation_loss",
    "wasserstein": "distance",
}
"""Whose smallest value chooses the epoch that a training keeps, in size."""


def kept_epoch(kind: str, history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of the epoch whose weights a finished training left; where none tells, the last one."""
    name = SELECTED_BY.get(kind, "")
    told = [record for record in history if record.get(name) is not None]
    size = abs if name == "energy_difference" else float
    return min(told, key=lambda record: size(record[name])) if told else history[-1] if history else {}


def chain_health(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of an epoch of contrastive divergence says of its chains; nothing for another epoch.

    >>> chain_health({"phase": "reconstruction"})
    {}
    """
    names = ("energy_data", "energy_chain", "displacement", "standing_still", "above_data")
    return {name: record[name] for name in names} if "energy_chain" in record else {}
