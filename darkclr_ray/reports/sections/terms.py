"""Section on representations of more dimensions: effective rank of z and rejections, over d_z and terms in the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from markupsafe import Markup

from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.labels import D_Z, EPS_S, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.runs import Comparison, Ensemble, Run
from darkclr_ray.reports.tables import Cell, Column, Table

SCORES = ("s_NAE", "s_AE", "s_CLR")
"""Scores of an encoder that the table shows."""


def section(study: Comparison, eps_s: float) -> list[Section]:
    """Return the section; empty if the study has no runs with an effective rank for it."""
    groups: dict[tuple[float, str, str], dict[str, Ensemble]] = {}
    for one in study.ensembles("terms"):
        prefix, _, score = one.detector.rpartition(" ")
        if score in SCORES and effective_ranks(one.runs):
            loss = "NT-Xent (JetCLR)" if prefix else "Eq. 3"
            key = float(one.parameters["d_z"]), loss, str(one.parameters.get("term") or "")
            groups.setdefault(key, {})[score] = one
    if not groups:
        return []
    rows: list[dict[str, Cell]] = []
    for (d_z, loss, term), scores in sorted(groups.items()):
        ranks = effective_ranks(next(iter(scores.values())).runs)
        row: dict[str, Cell] = {"d_z": f"{d_z:g}", "loss": f"{loss} and {term} term" if term else loss}
        row["effective_rank"] = f"{fmean(ranks):.2f}"
        row.update({score: _mean_rejection(study, one, eps_s) for score, one in scores.items()})
        rows.append(row)
    found = [one for scores in groups.values() for one in scores.values()]
    caption = Markup(
        "Effective rank of z on validation background (mean over encoders; exponential of the entropy of the "
        "eigenvalues of the covariance), and rejections at {} = {:g}, matched: geometric mean over signals and "
        "networks, with the standard deviation over networks as a factor. {}"
    ).format(EPS_S, eps_s, ending(study, found))
    columns = [
        Column("d_z", D_Z),
        Column("loss", "loss"),
        Column("effective_rank", "effective rank of z"),
        *(Column(score, detector_label(score)) for score in SCORES),
    ]
    text = Markup(
        "Eq. 3 compares no two background jets, so that one direction for all of them minimises it. Terms in the loss "
        "that separate background jets keep more dimensions alive; the table shows what they bring."
    )
    return [Section("terms", "Representations of more dimensions", [text, Table("terms", caption, columns, rows)])]


def effective_ranks(runs: Sequence[Run]) -> list[float]:
    """Return the effective rank of z of each run that has one."""
    measures = [next(iter(run.encoders.values()), None) for run in runs]
    return [float(facts["effective_rank"]) for facts in measures if facts]


def _mean_rejection(study: Comparison, ensemble: Ensemble, eps_s: float) -> Measurement:
    """Return the geometric mean of the matched rejections over signals and networks, with the factor over networks."""
    signals = [name for name in study.main_signals if name in ensemble.evaluations]
    networks = zip(*(ensemble.evaluations[name] for name in signals), strict=True)
    logs = [fmean(one.log_rejection("matched", eps_s) for one in network) for network in networks]
    mean = fmean(logs)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / (len(logs) - 1)) if len(logs) > 1 else None
    note = "" if deviation is None else f"×/÷ {math.exp(deviation):.2f}"
    return Measurement(math.exp(mean), note=note)
