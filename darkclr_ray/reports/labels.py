"""Labels of signals, axes and scores as HTML that plotly accepts too; names given by the user are escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

R_INV = Markup("r<sub>inv</sub>")
EPS_S = Markup("ε<sub>S</sub>")
EPS_B = Markup("ε<sub>B</sub>")
P_DROP = Markup("p<sub>drop</sub>")
D_Z = Markup("d<sub>z</sub>")
P_T = Markup("p<sub>T</sub>")

WEIGHTING_LABELS = {"raw": Markup("raw (as in the paper)"), "matched": Markup("{}-matched").format(P_T)}
"""Labels of the weightings: background unweighted, or weighted to the signal's spectrum of jet pT."""

_SCORES = {
    "views_observables": Markup("observables, views"),
    "views_ranks": Markup("observables and network, views"),
    "views_trees": Markup("trees on observables, views"),
    "views_classifier": Markup("views’ classifier"),
    "s_NAE": Markup("DarkCLR, s<sub>NAE</sub>"),
    "s_CLR": Markup("DarkCLR, s<sub>CLR</sub>"),
    "s_AE": Markup("DarkCLR, s<sub>AE</sub>"),
    "mahalanobis": Markup("DarkCLR, Mahalanobis distance"),
    "neighbours": Markup("DarkCLR, distance to neighbours"),
    "JetCLR s_NAE": Markup("JetCLR, s<sub>NAE</sub>"),
    "JetCLR s_CLR": Markup("JetCLR, s<sub>CLR</sub>"),
    "wnae": Markup("DarkCLR, WNAE"),
    "wnae_observables": Markup("WNAE on observables"),
    "ae_observables": Markup("autoencoder on observables"),
    "image_nae": Markup("NAE on jet images"),
    "image_ae": Markup("autoencoder on jet images"),
    "kmeans_images": Markup("k-means on jet images"),
    "raw_nae": Markup("NAE on constituents"),
    "isolation_forest": Markup("isolation forest"),
    "untrained views_classifier": Markup("untrained, views’ classifier"),
    "untrained s_NAE": Markup("untrained, s<sub>NAE</sub>"),
    "untrained s_CLR": Markup("untrained, s<sub>CLR</sub>"),
    "untrained s_AE": Markup("untrained, s<sub>AE</sub>"),
    "multiplicity": Markup("few constituents"),
    "jet_mass": Markup("jet mass"),
    "jet_pt": Markup("jet {}").format(P_T),
    "supervised": Markup("supervised"),
    "boosted_trees": Markup("boosted trees (supervised)"),
    "supervised_observables": Markup("observables (supervised)"),
    "paper": Markup("paper (its own jets)"),
    "paper supervised": Markup("paper, supervised"),
    "linear head": Markup("head representation"),
    "linear pooled": Markup("representation before the head"),
    "linear constituents": Markup("raw constituents"),
}


def detector_label(name: str, title: str = "") -> Markup:
    """Return the label of a detector in a legend; a user's own detector has its ``title``, or else its name.

    >>> str(detector_label("s_NAE")), str(detector_label("<mine>"))
    ('DarkCLR, s<sub>NAE</sub>', '&lt;mine&gt;')
    """
    return _SCORES.get(name) or escape(title or name)


def signal_label(name: str, parameters: Mapping[str, Any] | None = None) -> Markup:
    """Return the label of a signal: the parameters in which it differs from the Aachen benchmark, else its name.

    >>> str(signal_label("aachen")), str(signal_label("rinv_0.2", {"r_inv": 0.2, "pion_mass": 4.0}))
    ('Aachen', 'r<sub>inv</sub> = 0.2')
    >>> str(signal_label("mass_10", {"r_inv": 0.75, "pion_mass": 10.0}))
    'm = 10 GeV'
    """
    if name == "aachen":
        return Markup("Aachen")
    r_inv, mass = _point(parameters or {})
    if r_inv is None or mass is None:
        return escape(name)
    parts = [Markup("{} = {:g}").format(R_INV, r_inv)] if r_inv != BENCHMARK[0] else []
    parts += [Markup("m = {:g} GeV").format(mass)] if mass != BENCHMARK[1] else []
    return Markup(", ").join(parts) or escape(name)


BENCHMARK = (0.75, 4.0)
"""r_inv and dark pion mass in GeV of the Aachen benchmark; the paper's other signals differ in one of them."""


def _point(parameters: Mapping[str, Any]) -> tuple[float | None, float | None]:
    r_inv, mass = parameters.get("r_inv"), parameters.get("pion_mass")
    return (None if r_inv is None else float(r_inv)), (None if mass is None else float(mass))


@dataclass(frozen=True)
class Axis:
    """An axis on which signals have positions, with its title, its scale and its tick labels."""

    title: Markup
    positions: dict[str, float]
    log: bool = False
    names: dict[str, Markup] = field(default_factory=dict)
    """Tick labels of signals that have only a name; empty if positions are physical."""


def signal_axes(samples: Mapping[str, Mapping[str, Any]]) -> list[Axis]:
    """Return the axes for signals by their parameters.

    The axes are r_inv at the benchmark's meson mass, the meson mass at the benchmark's r_inv, and one with names for
    the signals that lie on neither.

    >>> axes = signal_axes({"aachen": {"r_inv": 0.75, "pion_mass": 4}, "b": {"r_inv": 0.2, "pion_mass": 4}, "mine": {}})
    >>> [(str(axis.title), axis.positions) for axis in axes]
    [('r<sub>inv</sub>', {'aachen': 0.75, 'b': 0.2}), ('signal', {'mine': 0.0})]
    """
    points = {name: _point(parameters) for name, parameters in samples.items()}
    by_r_inv = {name: r for name, (r, mass) in points.items() if r is not None and mass == BENCHMARK[1]}
    by_mass = {name: mass for name, (r, mass) in points.items() if mass is not None and r == BENCHMARK[0]}
    axes = []
    if len(by_r_inv) > 1:
        axes.append(Axis(R_INV, by_r_inv))
    if len(by_mass) > 1:
        axes.append(Axis(Markup("dark pion mass [GeV]"), by_mass, log=True))
    placed = {name for axis in axes for name in axis.positions}
    left = [name for name in samples if name not in placed]
    if left:
        names = {name: signal_label(name, samples[name]) for name in left}
        axes.append(Axis(Markup("signal"), {name: float(at) for at, name in enumerate(left)}, names=names))
    return axes


def decay_rules(samples: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Return a caption's warning that a line along r_inv joins signals with different decay rules.

    At the benchmark only the neutral rho decays, elsewhere every meson may. The warning is empty if all signals of the
    line have one rule, or if the rules were not recorded.

    >>> decay_rules({"rinv_0.2": {"r_inv": 0.2, "pion_mass": 4, "decays": "all_mesons"}})
    Markup('')
    """
    axes = [axis for axis in signal_axes(samples) if axis.title == R_INV]
    rules = {samples[name].get("decays") for axis in axes for name in axis.positions}
    if not {"neutral_rho", "all_mesons"} <= rules:
        return Markup("")
    return Markup(
        " Along {0} lines join two rules of decay: at Aachen only the neutral rho decays, and always; at the other "
        "points every meson does, with probability 1 − {0}."
    ).format(R_INV)
