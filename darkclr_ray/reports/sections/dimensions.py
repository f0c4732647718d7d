"""Sections on the embedding dimension: detectors (Fig. 5), and linear classifiers on representations (Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from markupsafe import Markup

from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.reports import ensembles
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.comparison import WEIGHTINGS, Weighting
from darkclr_ray.reports.comparison_text import ending, folds
from darkclr_ray.reports.figures.curves import AUC, Curve, against, rejection
from darkclr_ray.reports.labels import D_Z, EPS_S, WEIGHTING_LABELS, Axis
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.tables import Cell, Column, Table

AXIS_TITLE = Markup("embedding dimension {}").format(D_Z)
DIMENSIONS, LINEAR = "dimensions", "linear"
"""Names of the sections and of their figures."""
_DASHES = {"untrained": "dot", "JetCLR": "dashdot"}


def sections(study: Comparison, eps_s: float, but: str) -> list[Section]:
    """Return the sections for the scans of a study, without the figure ``but``, which the page shows already."""
    found = []
    for name, title, figure in (
        (DIMENSIONS, "Against the embedding dimension", dimensions),
        (LINEAR, "What a linear classifier finds", linear),
    ):
        members = _ordered(study, name)
        if members:
            table = _table(study, name, members, eps_s)
            blocks: list[str | Figure | Table] = [table] if but == name else [figure(study, eps_s), table]
            found.append(Section(name, title, blocks))
    return found


def _ordered(study: Comparison, name: str) -> list[Ensemble]:
    """Return the ensembles of a section, grouped by curve and ordered by dimension."""
    found = study.ensembles(name)
    known = {name: at for at, name in enumerate(dict.fromkeys(one.detector for one in found))}
    return sorted(found, key=lambda one: (known[one.detector], _encoder(one), _place(one)))


def _table(study: Comparison, name: str, found: Sequence[Ensemble], eps_s: float) -> Table:
    """Return the numbers of the figure as a table."""
    rows: list[dict[str, Cell]] = []
    for one in found:
        no_encoder = one.parameters.get("encoder") == "none"
        row: dict[str, Cell] = {"what": _name(one), "d_z": "" if no_encoder else str(one.parameters["d_z"])}
        row["dimension"] = str(one.parameters.get("dimension") or "")
        for (_, weighting), entry in ensembles.entries(one, eps_s, [study.lead]).items():
            row[f"rejection_{weighting}"] = ensembles.noted(ensembles.rejection(entry), entry.deviation)
            row[f"auc_{weighting}"] = ensembles.noted(Measurement(entry.auc), entry.auc_deviation)
        rows.append(row)
    columns = [
        Column("what", ""),
        Column("d_z", D_Z),
        *([Column("dimension", "features")] if name == LINEAR else []),
        *(
            Column(f"{key}_{weighting}", heading, label)
            for weighting, label in WEIGHTING_LABELS.items()
            for key, heading in (("rejection", "rejection"), ("auc", "AUC"))
        ),
    ]
    caption = Markup("{} against background, rejection at {} = {:g}; errors as in the figure. {}").format(
        study.label(study.lead), EPS_S, eps_s, folds(study) if name == LINEAR else ending(study, found)
    )
    return Table(f"{name}_numbers", caption, columns, rows)


def dimensions(study: Comparison, eps_s: float) -> Figure:
    """Return the figure of detectors' rejection and AUC on the leading signal against the embedding dimension."""
    found = _ordered(study, DIMENSIONS)
    caption = Markup(
        "Detectors on {} against {} (the paper’s Fig. 5). Light bands: bootstrap of the test sample; darker ones: "
        "standard deviation over networks; dotted: chance. Rejection at {} = {:g}. {}"
    ).format(study.label(study.lead), D_Z, EPS_S, eps_s, ending(study, found))
    return _figure(DIMENSIONS, study, found, eps_s, caption)


def linear(study: Comparison, eps_s: float) -> Figure:
    """Return the figure of linear classifiers' rejection and AUC on the leading signal against the dimension."""
    found = _ordered(study, LINEAR)
    caption = Markup(
        "Linear classifiers of {} against background (the paper’s Fig. 6) on the head’s representation, on the "
        "representation before the head (each against the {} of its encoder), and on the constituents themselves "
        "(against three times their number). Encoders: DarkCLR unless stated. Dark bands: standard deviation over "
        "encoder seeds; light ones: test sample; dotted: chance. {}"
    ).format(study.label(study.lead), D_Z, folds(study))
    return _figure(LINEAR, study, found, eps_s, caption)


def _figure(name: str, study: Comparison, found: Sequence[Ensemble], eps_s: float, caption: Markup) -> Figure:
    places = sorted({_place(one) for one in found})
    axis = Axis(AXIS_TITLE, {str(at): float(at) for at in places}, log=True)
    panels = {str(WEIGHTING_LABELS[weighting]): weighting for weighting in WEIGHTINGS}
    rows = [
        (
            quantity,
            {title: _curves(study, found, weighting, eps_s, area=area) for title, weighting in panels.items()},
        )
        for quantity, area in ((rejection(eps_s), False), (AUC, True))
    ]
    return Figure(
        name, against([axis], rows, bands=True, height=620), caption, ensembles.as_rows(study, found, (eps_s,))
    )


def _curves(
    study: Comparison,
    found: Sequence[Ensemble],
    weighting: Weighting,
    eps_s: float,
    *,
    area: bool,
) -> list[Curve]:
    """Return a curve for each detector and encoder."""
    result = []
    for (detector, encoder), members in groupby(found, key=lambda one: (one.detector, _encoder(one))):
        entries: dict[str, Entry] = {}
        label = Markup("")
        for one in members:
            here = ensembles.entries(one, eps_s, [study.lead]).get((study.lead, weighting))
            if here is not None:
                entries[str(_place(one))] = here
                label = _name(one)
        if entries:
            result.append(_curve(entries, detector, encoder, label, study.styles[detector], area=area))
    return result


def _name(ensemble: Ensemble) -> Markup:
    """Return the label of a detector or of a linear classifier's features, with the encoder if it is not DarkCLR's."""
    encoder = _encoder(ensemble)
    return Markup("{}, {}").format(ensemble.label, encoder) if encoder else ensemble.label


def _place(ensemble: Ensemble) -> int:
    """Return the position of an ensemble on the axis: the dimension of its encoder, or its number of features."""
    return int(ensemble.parameters["dimension" if ensemble.parameters.get("encoder") == "none" else "d_z"])


def _encoder(ensemble: Ensemble) -> str:
    """Return the encoder of a linear classifier; empty if it is DarkCLR's or there is none."""
    encoder = str(ensemble.parameters.get("encoder") or "")
    return "" if encoder in ("DarkCLR", "none") else encoder


def _curve(
    entries: Mapping[str, Entry], detector: str, encoder: str, label: Markup, style: theme.Style, *, area: bool
) -> Curve:
    if encoder:
        style = replace(style, dash=_DASHES.get(encoder, "longdashdot"), symbol=f"{style.symbol}-open")
    make = ensembles.area_curve if area else ensembles.rejection_curve
    return make(entries, detector, label=label, style=style)
