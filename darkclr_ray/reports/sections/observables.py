"""Section with the weights of detectors that are linear in observables of a jet."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.reader import json_file, reading
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.tables import Cell, Column, Table


def section(study: Comparison) -> list[Section]:
    """Return the section with the table of weights, one row per observable; empty if no detector has any."""
    found = {name: weights(study, ensemble) for name, ensemble in study.methods.items()}
    found = {name: of for name, of in found.items() if of}
    if not found:
        return []
    names = dict.fromkeys(name for of in found.values() for name in of)
    rows: list[dict[str, Cell]] = [
        {"observable": name, **{detector: of.get(name) for detector, of in found.items()}} for name in names
    ]
    columns = [Column("observable", "observable"), *(Column(name, study.methods[name].label) for name in found)]
    caption = Markup(
        "Weights of logistic regressions on observables: what one standard deviation more of an observable adds to the "
        "score, in standard deviations of the score in background. Positive: more anomalous. Strongly correlated "
        "observables, such as the angularities and correlators, share theirs. Several networks: mean, with their "
        "standard deviation as the interval. {}"
    ).format(ending(study, [study.methods[name] for name in found]))
    return [Section("observables", "What observables weigh", [Table("weights", caption, columns, rows)])]


def weights(study: Comparison, ensemble: Ensemble) -> Mapping[str, Measurement]:
    """Return the weights of a detector by observable: mean over its networks and standard deviation."""
    networks = []
    for run_spec in ensemble.runs:
        path = (
            study.stage("scores", run_spec.stages["scores"]) / "weights.json" if "scores" in run_spec.stages else None
        )
        if path is not None and path.exists():
            content = json_file(path)
            with reading(path):
                networks.append({name: float(of) for name, of in (content.get(ensemble.detector) or {}).items()})
    found = {}
    for name in networks[0] if networks else ():
        values = np.array([network.get(name, math.nan) for network in networks], dtype=np.float64)
        mean, deviation = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan
        found[name] = Measurement(mean, mean - deviation, mean + deviation)
    return found
