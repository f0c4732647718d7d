"""Table that compares the study's detectors with published methods on the Aachen benchmark: the paper's Table 2."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.evaluation import published
from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import WEIGHTINGS, printed
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.runs import Comparison
from darkclr_ray.reports.tables import Cell, Column, Table

BENCHMARK = "aachen"


def table(study: Comparison, eps_s: float) -> list[Table]:
    """Return the table of areas and rejections on the Aachen benchmark, first of the study and then published ones.

    The list is empty if the benchmark is not a main signal of the study.
    """
    if BENCHMARK not in study.main_signals:
        return []
    rows: list[dict[str, Cell]] = []
    champion = study.selected
    for ensemble in study.methods.values():
        row: dict[str, Cell] = {"method": ensemble.label, "best": int(ensemble == champion), "source": "this study"}
        row["labels"] = "yes" if ensemble.labels else "no"
        for (_, weighting), entry in ensembles.entries(ensemble, eps_s, [BENCHMARK]).items():
            row[f"auc_{weighting}"] = ensembles.noted(Measurement(entry.auc), entry.auc_deviation)
            row[f"rejection_{weighting}"] = ensembles.noted(ensembles.rejection(entry), entry.deviation)
        rows.append(row)
    for name, area in published.AACHEN_AUC.items():
        rejection = published.AACHEN_REJECTION[name]
        numbers = {"auc_raw": printed(area), "rejection_raw": printed(rejection)}
        rows.append({"method": name, "source": rejection.reference, "labels": "no", **numbers})
    columns = [
        Column("method", "method"),
        Column("labels", "labels"),
        *(
            Column(f"{key}_{weighting}", heading, WEIGHTING_LABELS[weighting])
            for weighting in WEIGHTINGS
            for key, heading in (("auc", "AUC"), ("rejection", Markup("1/ε<sub>B</sub>")))
        ),
        Column("source", "whose numbers"),
    ]
    caption = Markup(
        "The Aachen benchmark at {} = {:g} beside published methods (the paper’s Table 2), which used their own jets "
        "and are not matched. {}"
    ).format(EPS_S, eps_s, ending(study, study.methods.values()))
    return [Table("published", caption, columns, rows)]
