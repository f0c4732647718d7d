"""Section that summarises the study: what was trained and selected on what, and a table of the samples."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports.labels import R_INV, signal_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.labels import background_label
from darkclr_ray.study.records import SampleRecord
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section:
    """Return the section."""
    levels = [one.level for run in study.complete for signals in run.test.values() for one in signals.values()]
    ensembles = list(study.methods.values()) or study.ensembles("dimensions")
    return Section("study", {"samples": samples(study), "level": min(levels), "ensembles": ensembles})


def samples(study: StudyResults) -> Table:
    """Return a table of background and signals with their parameters and numbers of jets."""
    rows: list[dict[str, Cell]] = []
    for name in (study.background, *study.main_signals):
        sample = study.samples.get(name, SampleRecord())
        rows.append(
            {
                "sample": signal_label(name, sample) if name in study.samples else background_label(study.background),
                "r_inv": sample.r_inv,
                "r_inv_selected": sample.invisible_fraction_selected,
                "pion_mass": sample.pion_mass,
                "rho_mass": sample.rho_mass,
                "decays": (sample.decays or "").replace("_", " "),
                **{split: study.count(split, name) for split in ("train", "validation", "test")},
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
    return Table("samples", columns, rows)
