"""Section on the training of an encoder and an autoencoder, and on the diagnostics of their Langevin chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darkclr_ray.reports.figures import training
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.study.results import StudyResults
from darkclr_ray.training.selection import selected_epoch, warnings_in

History = Sequence[Mapping[str, Any]]


def section(study: StudyResults) -> Section | None:
    """Return the section on the first s_NAE network, or a scan's best trial; None if its histories are missing."""
    ensemble = study.methods.get("s_NAE")
    if ensemble is None:
        return None
    stages = ensemble.record.stages or ensemble.runs[0].stages
    encoder, energy = study.history(stages, "representation"), study.history(stages, "energy")
    if not encoder and not energy:
        return None
    last = selected_epoch("energy", energy)
    kept = None if last.get("energy_difference") is None else last
    found = [warnings_in("representation", encoder), warnings_in("energy", energy)]
    parts = {
        "whose": "the best trial" if study.trials else "the first network of DarkCLR",
        "kept": kept,
        "nonfinite": sum(line.get("nonfinite") or 0 for line in energy),
        "warnings": [warning for warning in found if warning is not None],
        "ensembles": [ensemble],
        "encoder": Figure("encoder_training", training.encoder_training(encoder), _plain(encoder)) if encoder else None,
        "energy": Figure(
            "energy_training", training.energy_training(energy, kept["epoch"] if kept else None), _plain(energy)
        )
        if energy
        else None,
    }
    return Section("training", parts)


def _plain(history: History) -> list[dict[str, Any]]:
    """Return the records without lists and dictionaries, for the CSV."""
    return [{key: value for key, value in line.items() if not isinstance(value, list | dict)} for line in history]
