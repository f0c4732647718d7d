"""Section that summarises the study: what was trained and selected on what, and a table of the samples."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports.labels import R_INV, signal_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import NOT_RECORDED, ensemble_label, selection_words
from darkclr_ray.study.labels import background_label
from darkclr_ray.study.records import SampleRecord
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section:
    """Return the section."""
    levels = [one.level for run in study.complete for signals in run.test.values() for one in signals.values()]
    ensembles = list(study.methods.values()) or study.ensembles("dimensions")
    parts = {"samples": samples(study), "trainings": trainings(study) if ensembles else None}
    return Section("study", {**parts, "level": min(levels), "ensembles": ensembles})


def trainings(study: StudyResults) -> Table:
    """Return a table of the training jets of all detectors, and of what selected their epochs and settings."""
    sections = dict.fromkeys(name for run in study.complete for name in run.sections)
    groups: dict[tuple[str, ...], dict[Markup, None]] = {}
    for ensemble in (one for name in sections for one in study.ensembles(name)):
        chosen = (selection_words(study, ensemble, kind) for kind in ("epoch", "settings"))
        trained_on = ensemble.trained_on.words if ensemble.runs[0].stages else "nothing: a cut"
        groups.setdefault((trained_on, *chosen), {})[ensemble_label(ensemble)] = None
    keys = ("trained_on", "epochs", "settings")
    rows: list[dict[str, Cell]] = [
        {"detectors": Markup("; ").join(names), **dict(zip(keys, words, strict=True))}
        for words, names in groups.items()
    ]
    headings = {
        "detectors": "detectors",
        "trained_on": "trained on",
        "epochs": "epochs selected by",
        "settings": "settings selected by",
    }
    known = [key for key in headings if any(row[key] != NOT_RECORDED for row in rows)]
    return Table("trainings", [Column(key, headings[key]) for key in known], rows)


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
