"""Warnings of the trainings behind a detector's scores, and the health of their encoders and Langevin chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darkclr_ray.store.stages import Store


def training_health(store: Store, stages: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the health of encoders and chains, and the warnings, of the epochs whose weights were kept.

    Args:
        store: of the study.
        stages: by detector, the hashes of its trainings by kind.

    Returns:
        "encoders": measures of collapse by detector, of those with a trained encoder; "chains": the same of those with
        contrastive divergence; "warnings": sentences.
    """
    from darkclr_ray.training.checkpoint import read_history  # it needs torch, and pages need `kept_epoch` only

    kept = {
        name: {kind: kept_epoch(read_history(store.find(kind, stage).folder)) for kind, stage in used.items()}
        for name, used in stages.items()
    }
    chains = {name: chain_health(records["energy"]) for name, records in kept.items() if "energy" in records}
    told = [record.get("warning") for records in kept.values() for record in records.values()]
    encoders = {name: encoder_health(records.get("representation", {})) for name, records in kept.items()}
    return {
        "encoders": {name: health for name, health in encoders.items() if health},
        "chains": {name: health for name, health in chains.items() if health},
        "warnings": list(dict.fromkeys(warning for warning in told if warning)),
    }


def kept_epoch(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the record of the epoch whose weights a finished training kept: that with the smallest "selection".

    Without any such value it is the last record, and empty if there is no record.

    >>> kept_epoch([{"epoch": 0, "selection": 0.2}, {"epoch": 1, "selection": 0.1}, {"epoch": 2, "selection": None}])
    {'epoch': 1, 'selection': 0.1}
    """
    selectable = [record for record in history if record.get("selection") is not None]
    return min(selectable, key=lambda record: record["selection"]) if selectable else history[-1] if history else {}


def encoder_health(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measures of collapse in the record of an encoder's epoch; empty if it has none.

    >>> encoder_health({"loss": -8.0, "share_at_median": 0.0, "median_distance": 0.4, "effective_rank": 1.3})
    {'share_at_median': 0.0, 'median_distance': 0.4, 'effective_rank': 1.3}
    """
    names = ("share_at_median", "median_distance", "effective_rank")
    return {name: record[name] for name in names if name in record}


def chain_health(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of an epoch of contrastive divergence says of its chains; nothing for another epoch.

    >>> chain_health({"phase": "reconstruction"})
    {}
    """
    names = ("energy_data", "energy_chain", "displacement", "standing_still", "above_data", "below_data")
    return {name: record[name] for name in names} if "energy_chain" in record else {}
