"""Sections on selection without the signal: the signal-blind selection of detectors, variants of the views'
classifier, and hyperparameters selected with one signal left out, compared with those of an oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from darkclr_ray.evaluation.paired import bound_of
from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import bounded
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.labels import D_Z, EPS_S, P_DROP, P_T
from darkclr_ray.reports.measurement import Measurement, or_nan
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.tables import Cell, Column, Table

_NAMES = {"d_z": D_Z, "p_drop": P_DROP, "step_size": Markup("step size")}


def sections(study: Comparison, eps_s: float) -> list[Section]:
    """Return the sections for those of these analyses that the study contains."""
    found = []
    judged = {name: one for name, one in study.methods.items() if one.blind}
    forms = study.ensembles("forms")
    if judged or forms:
        tables = [_blind(study, list(judged.values()), eps_s)] if judged else []
        tables += [_forms(study, forms, eps_s)] if forms else []
        found.append(Section("blind", "Chosen without any signal", tables))
    if study.result("leave_one_out"):
        found.append(
            Section("leave_one_out", "Hyperparameters: one signal left out against an oracle", [_left_out(study)])
        )
    return found


def _blind(study: Comparison, judged: list[Ensemble], eps_s: float) -> Table:
    caption = Markup(
        "Signal-blind selection: {}-matched rejection of background against its own anomalous views on "
        "validation jets, cut so that {:.0%} of the views pass (geometric mean over networks; interval: {:.0%} of a "
        "bootstrap over events; “&gt;” is a lower bound (95%), ranked as if one jet survived), and beside it the "
        "geometric mean over the {} signals of the {}-matched test rejection at {} = {:g}, which is not used for the "
        "selection. The "
        "marked detector is the selected one among networks trained without labels. Cuts are excluded, since views "
        "that lack constituents do not test them.{}{} {}"
    ).format(
        P_T,
        study.blind_eps_s,
        judged[0].blind[0].level,
        len(study.main_signals),
        P_T,
        EPS_S,
        eps_s,
        _taught(study),
        _not_excluded(study),
        ending(study, judged),
    )
    rows = [_blind_row(study, one, eps_s, one.label, one == study.selected) for one in judged]
    columns = [Column("form", "detector"), Column("blind", "anomalous views"), Column("signals", "signals (test)")]
    return Table("signal_blind", caption, columns, rows)


def _taught(study: Comparison) -> Markup:
    """Return a sentence on the families of the views, and on detectors that were trained with one of them."""
    views, search = study.settings["views"], study.settings["search"]
    text = Markup(" The views are of the families {} ({} = {}).").format(
        ", ".join(name.replace("_", " ") for name in search["blind_families"]),
        P_DROP,
        ", ".join(f"{one:g}" for one in search["blind_p_drop"]),
    )
    if "dropping" not in views["anomalous"] or "dropping" in views["anchor"]:
        return text
    return text + Markup(
        " DarkCLR’s encoder ({}) and the views’ classifier ({}) were trained with constituents dropped independently, "
        "views_observables with branches, and nothing by default with cells."
    ).format(_range(views["p_drop"]), _range(study.settings["views_classifier"]["p_drop"]))


def _range(p_drop: float | Sequence[float]) -> str:
    """Return a drop probability, or the range from which it is drawn for each jet, as text."""
    return " to ".join(f"{end:g}" for end in ([p_drop] if isinstance(p_drop, int | float) else p_drop))


def _not_excluded(study: Comparison) -> Markup:
    """Return a sentence on the other detectors that the selection does not exclude; empty if there are none."""
    labels = [one.label for one in ensembles.rivals(study)]
    if not labels:
        return Markup("")
    return Markup(" Not excluded, as intervals reach the chosen value: {}.").format(Markup("; ").join(labels))


def _blind_row(study: Comparison, ensemble: Ensemble, eps_s: float, label: str, best: bool) -> dict[str, Cell]:
    found = ensembles.entries(ensemble, eps_s, study.main_signals)
    reached = [entry for (_, weighting), entry in found.items() if weighting == "matched"]
    return {
        "form": label,
        "blind": ensembles.blind_rejection(ensemble, study.blind_eps_s),
        "signals": Measurement(
            ensembles.geometric_mean([entry.rejection for entry in reached]),
            bound=any(entry.lower_bound for entry in reached),
        ),
        "best": int(best),
    }


def _forms(study: Comparison, forms: list[Ensemble], eps_s: float) -> Table:
    """Return a table of the variants of one detector, labelled by the parameters in which they differ."""
    differing = [
        key
        for key in dict.fromkeys(key for one in forms for key in one.parameters)
        if len({str(one.parameters.get(key)) for one in forms}) > 1
    ]
    ranked = sorted(forms, key=lambda one: one.blind_merit(study.blind_eps_s), reverse=True)
    rows = [
        {
            **{key: str(one.parameters.get(key, "")) for key in differing},
            **_blind_row(study, one, eps_s, one.label, one == ranked[0]),
        }
        for one in ranked
    ]
    columns = [
        Column("form", "detector"),
        *(Column(key, _NAMES.get(key, escape(key))) for key in differing),
        Column("blind", "anomalous views"),
        Column("signals", "signals (test)"),
    ]
    caption = Markup("Variants, best by their own anomalous views first; columns as above. {}").format(
        ending(study, forms)
    )
    return Table("forms", caption, columns, rows)


def _left_out(study: Comparison) -> Table:
    rows: list[dict[str, Cell]] = []
    for facts in study.result("leave_one_out"):
        row: dict[str, Cell] = {"signal": study.label(facts["signal"]), "loss": _loss(facts)}
        for kind in ("left_out", "signal_blind", "oracle"):
            row |= _choice(kind, facts.get(kind))
        rows.append(row)
    kinds = {"left_out": "chosen on the other signals", "signal_blind": "chosen without signals", "oracle": "oracle"}
    shown = {kind: title for kind, title in kinds.items() if any(f"{kind}_matched" in row for row in rows)}
    columns = [
        Column("signal", "signal"),
        *(
            Column(f"{kind}_{key}", heading, title)
            for kind, title in shown.items()
            for key, heading in (("trial", "trial"), ("matched", "matched"), ("raw", "raw"))
        ),
        Column("loss", Markup("oracle over<br>left out")),
    ]
    words = str((study.sections["leave_one_out"]).get("words") or "")
    caption = Markup(
        "Test rejection at {} = 0.2 of the trial of an embedding scan that was chosen on validation jets of the "
        "<em>other</em> signals, without any signal, and by an oracle that knows the signal. “Matched”: background "
        "weighted to the signal’s jet {}. The last column divides matched rejections; a cut that less than one "
        "background jet survives counts there as if one did. {}"
    ).format(EPS_S, P_T, words)
    return Table("leave_one_out", caption, columns, rows)


def _loss(facts: Mapping[str, Any]) -> Measurement:
    """Return the ratio of the oracle's rejection to that of the selection, marked if it is a bound."""
    few = (bool(facts[kind].get("matched_bound")) for kind in ("oracle", "left_out"))
    return bounded(facts["loss"], bound_of(*few))


def _choice(kind: str, choice: Mapping[str, Any] | None) -> dict[str, Cell]:
    if not choice:
        return {}
    numbers = {
        side: Measurement(
            choice[side],
            or_nan(choice.get(f"{side}_low")),
            or_nan(choice.get(f"{side}_high")),
            bound=bool(choice.get(f"{side}_bound")),
        )
        for side in ("matched", "raw")
    }
    return {f"{kind}_trial": str(choice["trial"]), **{f"{kind}_{side}": value for side, value in numbers.items()}}
