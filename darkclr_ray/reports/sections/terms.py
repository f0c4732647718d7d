"""Section on representations of more dimensions: effective rank of z and rejections, over d_z and terms in the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from darkclr_ray.reports.labels import D_Z, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.ensemble import EPS_S, Ensemble
from darkclr_ray.study.records import RunRecord
from darkclr_ray.study.results import StudyResults

SCORES = ("s_NAE", "s_AE", "s_CLR")
"""Scores of an encoder that the table shows."""


def section(study: StudyResults) -> Section | None:
    """Return the section; None if the study has no runs with an effective rank for it."""
    groups: dict[tuple[float, str, str], dict[str, Ensemble]] = {}
    for one in study.ensembles("terms"):
        prefix, _, score = one.detector.rpartition(" ")
        if score in SCORES and effective_ranks(one.runs):
            loss = "NT-Xent (JetCLR)" if prefix else "Eq. 3"
            key = float(one.parameters["d_z"]), loss, str(one.parameters.get("term") or "")
            groups.setdefault(key, {})[score] = one
    if not groups:
        return None
    rows: list[dict[str, Cell]] = []
    for (d_z, loss, term), scores in sorted(groups.items()):
        ranks = effective_ranks(next(iter(scores.values())).runs)
        row: dict[str, Cell] = {"d_z": f"{d_z:g}", "loss": f"{loss} and {term} term" if term else loss}
        row["effective_rank"] = f"{fmean(ranks):.2f}"
        row.update({score: _mean_rejection(study, one) for score, one in scores.items()})
        rows.append(row)
    columns = [
        Column("d_z", D_Z),
        Column("loss", "loss"),
        Column("effective_rank", "effective rank of z"),
        *(Column(score, detector_label(score)) for score in SCORES),
    ]
    found = [one for scores in groups.values() for one in scores.values()]
    return Section("terms", {"terms": Table("terms", columns, rows), "ensembles": found})


def effective_ranks(runs: Sequence[RunRecord]) -> list[float]:
    """Return the effective rank of z of each run that has one."""
    return [next(iter(run.encoders.values())).effective_rank for run in runs if run.encoders]


def _mean_rejection(study: StudyResults, ensemble: Ensemble) -> Measurement:
    """Return the geometric mean of the matched rejections over signals and networks, with the factor over networks."""
    signals = [name for name in study.main_signals if name in ensemble.evaluations]
    networks = zip(*(ensemble.evaluations[name] for name in signals), strict=True)
    logs = [fmean(one.log_rejection("matched", EPS_S) for one in network) for network in networks]
    note = f"×/÷ {math.exp(stdev(logs)):.2f}" if len(logs) > 1 else ""
    return Measurement(math.exp(fmean(logs)), note=note)
