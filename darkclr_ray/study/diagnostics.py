"""Training warnings and Langevin-chain diagnostics of detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkclr_ray.store.stages import Store
from darkclr_ray.study.records import ChainRecord, EncoderRecord
from darkclr_ray.training.checkpoint import read_history
from darkclr_ray.training.selection import selected_epoch, warnings_in


def training_diagnostics(store: Store, stages: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the diagnostics of the chains at the selected epochs, and the warnings of all epochs.

    Args:
        store: store of the study.
        stages: by detector, the hashes of its trainings by kind.

    Returns:
        "encoders": `EncoderRecord` of each detector with a trained encoder; "chains": `ChainRecord` of each detector
        that was trained with contrastive divergence; "warnings": see `darkclr_ray.training.selection.warnings_in`.
    """
    histories = {
        name: {kind: read_history(store.find(kind, hash).folder) for kind, hash in used.items()}
        for name, used in stages.items()
    }
    selected = {
        name: {kind: selected_epoch(kind, history) for kind, history in records.items()}
        for name, records in histories.items()
    }
    energies = {name: records["energy"] for name, records in selected.items() if "energy" in records}
    encoders = {name: records["representation"] for name, records in selected.items() if "representation" in records}
    found = [warnings_in(kind, history) for records in histories.values() for kind, history in records.items()]
    return {
        "encoders": {name: encoder_record(record) for name, record in encoders.items() if "effective_rank" in record},
        "chains": {name: chain_record(record) for name, record in energies.items() if "energy_chain" in record},
        "warnings": list(dict.fromkeys(warning for warning in found if warning is not None)),
    }


def encoder_record(record: Mapping[str, Any]) -> EncoderRecord:
    """Return the measures of collapse in the record of an encoder's epoch."""
    return EncoderRecord(**{name: record[name] for name in EncoderRecord.model_fields})


def chain_record(record: Mapping[str, Any]) -> ChainRecord:
    """Return the diagnostics of the chains in the record of an epoch of contrastive divergence."""
    return ChainRecord(**{name: record[name] for name in ChainRecord.model_fields})
