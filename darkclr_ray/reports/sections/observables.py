"""Section with the weights of detectors that are linear in observables of a jet."""

from __future__ import annotations

from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section with the table of weights, one row per observable; None if no detector has any."""
    found = {name: weights for name, ensemble in study.methods.items() if (weights := study.weights(ensemble))}
    if not found:
        return None
    rows: list[dict[str, Cell]] = [
        {
            "observable": name,
            **{
                detector: Measurement(mean, mean - deviation, mean + deviation)
                for detector, weights in found.items()
                for mean, deviation in [weights.get(name, (float("nan"),) * 2)]
            },
        }
        for name in dict.fromkeys(name for weights in found.values() for name in weights)
    ]
    labels = [Column(name, ensemble_label(study.methods[name])) for name in found]
    table = Table("weights", [Column("observable", "observable"), *labels], rows)
    return Section("observables", {"weights": table, "ensembles": [study.methods[name] for name in found]})
