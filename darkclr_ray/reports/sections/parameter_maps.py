"""Section with maps of detectors' rejections, and of their ratios, over invisible fraction and meson mass."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from darkclr_ray.jets.generation.samples import NAMED, DarkShower
from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import WEIGHTINGS, Weighting
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.figures.maps import Point, Scale, maps
from darkclr_ray.reports.labels import EPS_B, EPS_S, R_INV, WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.runs import Comparison, Ensemble, is_grid
from darkclr_ray.reports.tables import Cell

FEWEST = 4
"""Smallest number of signals for which a grid is shown as a map."""


def section(study: Comparison, eps_s: float) -> list[Section]:
    """Return the section with the maps; empty if the study has no grid.

    The maps show the rejections of all detectors, the ratios of the selected detector and of the paper's score to a
    supervised detector, and r_inv around selected jets.
    """
    points = grid(study)
    if len(points) < FEWEST or study.selected is None:
        return []
    marks = {
        str(signal_label(name, sample.model_dump())): (sample.r_inv, sample.pion_mass)
        for name, sample in NAMED.items()
        if isinstance(sample, DarkShower)
    }
    found = {name: _numbers(study, one, points, eps_s) for name, one in study.methods.items()}
    shown = [_rejections(study, found, marks, eps_s), _ratios(study, found, marks), _selected(study, points, marks)]
    words = Markup(
        "All points of the grid follow one rule: every dark meson is invisible with probability {}, and meson masses "
        "and the confinement scale move together. The paper’s Aachen point and its mass points have another rule (only "
        "the neutral rho decays), so they lie in the same plane but are not points of this grid."
    ).format(R_INV)
    return [Section("plane", "Over the plane of dark sectors", [words, *(one for one in shown if one is not None)])]


def grid(study: Comparison) -> dict[str, Point]:
    """Return the points of the grid's signals: those named as grid points, and others that match the grid.

    Another signal matches if it has the decay rule of the grid and one of its values of both parameters.
    """
    points: dict[str, Point] = {}
    for name in study.evaluated():
        parameters = study.samples.get(name, {})
        r_inv, mass = parameters.get("r_inv"), parameters.get("pion_mass")
        if r_inv is not None and mass is not None and parameters.get("decays", "all_mesons") == "all_mesons":
            points[name] = float(r_inv), float(mass)
    named = [point for name, point in points.items() if is_grid(name)]
    places = {r for r, _ in named}, {mass for _, mass in named}
    return {name: point for name, point in points.items() if point[0] in places[0] and point[1] in places[1]}


Numbers = Mapping[Weighting, Mapping[Point, float]]


def _numbers(study: Comparison, ensemble: Ensemble, points: Mapping[str, Point], eps_s: float) -> Numbers:
    found = ensembles.entries(ensemble, eps_s, list(points))
    return {
        weighting: {points[signal]: entry.rejection for (signal, side), entry in found.items() if side == weighting}
        for weighting in WEIGHTINGS
    }


def _rejections(study: Comparison, found: Mapping[str, Numbers], marks: Mapping[str, Point], eps_s: float) -> Figure:
    panels = {str(study.methods[name].label): numbers["matched"] for name, numbers in found.items()}
    scale = Scale(f"1/{EPS_B} at {EPS_S} = {eps_s:g}", "Cividis")
    caption = Markup(
        "Background rejection at {} = {:g} over the plane, background weighted to the signal’s jet p<sub>T</sub>, mean "
        "over networks; lower bounds are drawn as such numbers. Rings: the paper’s five points. The CSV has the raw "
        "twins and all errors. {}"
    ).format(EPS_S, eps_s, ending(study, study.methods.values()))
    data = ensembles.as_rows(study, study.methods.values(), (eps_s,))
    return Figure("plane_rejection", maps(panels, scale, marks), caption, data)


def _ratios(study: Comparison, found: Mapping[str, Numbers], marks: Mapping[str, Point]) -> Figure | None:
    told = next((name for name, one in study.methods.items() if one.labels), None)
    champion = study.selected
    if told is None or champion is None:
        return None
    panels, data = {}, []
    for name in dict.fromkeys([champion.detector, "s_NAE"]):
        if name not in found:
            continue
        for weighting in WEIGHTINGS[::-1]:
            over = found[told][weighting]
            cells = {at: number / over[at] for at, number in found[name][weighting].items() if over.get(at)}
            panels[f"{study.methods[name].label},<br>{WEIGHTING_LABELS[weighting]}"] = cells
            data += [_row(name, told, weighting, at, ratio) for at, ratio in cells.items()]
    caption = Markup(
        "Rejection of detectors without labels over that of {} ({}). Above 1 the former has the larger number on "
        "these jets; points of the grid were not compared in pairs, their errors stand in the CSV of the maps. {}"
    ).format(
        study.methods[told].label,
        study.methods[told].trained_on.get("words", "its training jets were not recorded"),
        ending(study, [champion, study.methods[told]]),
    )
    return Figure("plane_ratio", maps(panels, Scale("ratio", "PuOr", middle=1.0), marks), caption, data)


def _row(name: str, told: str, weighting: str, at: Point, ratio: float) -> dict[str, Cell]:
    return {
        "numerator": name,
        "denominator": told,
        "weighting": weighting,
        "r_inv": at[0],
        "pion_mass_gev": at[1],
        "ratio": ratio,
    }


def _selected(study: Comparison, points: Mapping[str, Point], marks: Mapping[str, Point]) -> Figure | None:
    known = {
        point: float(study.samples[name]["invisible_fraction_selected"])
        for name, point in points.items()
        if study.samples[name].get("invisible_fraction_selected") is not None
    }
    if not any(math.isfinite(number) for number in known.values()):
        return None
    caption = Markup(
        "Share of dark mesons that stay invisible around jets that passed the selection. It differs from the nominal "
        "{}, because the window in jet p<sub>T</sub> acts after the invisible part is lost. From the generator: "
        "nothing was trained or selected for it."
    ).format(R_INV)
    data: list[dict[str, Cell]] = [
        {"r_inv": r, "pion_mass_gev": mass, "r_inv_selected": number} for (r, mass), number in known.items()
    ]
    panels = {
        f"{R_INV} after selection": known,
        "over the nominal one": {(r, mass): number / r for (r, mass), number in known.items() if r > 0},
    }
    figure = maps(panels, Scale("share", "Cividis", log=False), marks)
    return Figure("plane_selected", figure, caption, data)
