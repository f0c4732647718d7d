"""Section that summarises the study and lists its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports import text as words
from darkclr_ray.reports.comparison import Evaluations
from darkclr_ray.reports.labels import R_INV
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan


def section(study: Scan, found: Evaluations) -> Section:
    """Return the section on the training, the selection, the meaning of the numbers, and the samples."""
    return Section("study", "The study", [*words.summary(study, found), samples(study, list(study.samples))])


def samples(study: Study, signals: Sequence[str]) -> Table:
    """Return a table of background and ``signals`` with their parameters and numbers of jets.

    The pT window acts after the invisible momentum is lost, so the invisible fraction around selected jets differs from
    the nominal one.
    """
    counts = study.about.get("counts") or {}
    rows: list[dict[str, Cell]] = []
    for name in (study.background, *signals):
        parameters: Mapping[str, Any] = study.samples.get(name, {})
        decays = parameters.get("decays")
        rows.append(
            {
                "sample": study.label(name) if name in study.samples else words.background_label(study),
                "r_inv": parameters.get("r_inv"),
                "r_inv_selected": parameters.get("invisible_fraction_selected"),
                "pion_mass": parameters.get("pion_mass"),
                "rho_mass": parameters.get("rho_mass"),
                "decays": str(decays).replace("_", " ") if decays else "",
                **{split: (counts.get(split) or {}).get(name) for split in ("train", "validation", "test")},
            }
        )
    columns = [
        Column("sample", "sample"),
        Column("r_inv", R_INV),
        Column("r_inv_selected", Markup("{}, selected").format(R_INV)),
        Column("pion_mass", "dark pion [GeV]"),
        Column("rho_mass", "dark rho [GeV]"),
        Column("decays", "what decays"),
        *(Column(split, split, "jets") for split in ("train", "validation", "test")),
    ]
    caption = Markup(
        "Samples. {} is the nominal share of dark mesons that stay invisible; “selected” is the share around jets "
        "that passed the selection, which differs because the window in jet p<sub>T</sub> acts after the invisible "
        "part is lost."
    ).format(R_INV)
    return Table("samples", caption, columns, rows)
