"""Labels of signals, axes and scores as HTML that plotly accepts too; names given by the user are escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from darkclr_ray.study.display import display_of
from darkclr_ray.study.records import SampleRecord

R_INV = Markup("r<sub>inv</sub>")
EPS_S = Markup("ε<sub>S</sub>")
EPS_B = Markup("ε<sub>B</sub>")
P_DROP = Markup("p<sub>drop</sub>")
D_Z = Markup("d<sub>z</sub>")
P_T = Markup("p<sub>T</sub>")

WEIGHTING_LABELS = {"raw": Markup("raw (as in the paper)"), "matched": Markup("{}-matched").format(P_T)}
"""Labels of the weightings: background unweighted, or weighted to the signal's spectrum of jet pT."""


def detector_label(name: str, title: str = "") -> Markup:
    """Return the label of a detector in a legend; a user's own detector has its ``title``, or else its name.

    >>> str(detector_label("s_NAE")), str(detector_label("<mine>"))
    ('DarkCLR, s<sub>NAE</sub>', '&lt;mine&gt;')
    """
    display = display_of(name)
    return escape(title or name) if display is None else Markup(display.label)


def detector_phrase(name: str) -> Markup:
    """Return the name of a detector for use within a sentence."""
    display = display_of(name)
    return detector_label(name) if display is None or not display.phrase else Markup(display.phrase)


def signal_label(name: str, sample: SampleRecord | None = None) -> Markup:
    """Return the label of a signal: the parameters in which it differs from the Aachen benchmark, else its name.

    >>> str(signal_label("aachen")), str(signal_label("rinv_0.2", SampleRecord(r_inv=0.2, pion_mass=4.0)))
    ('Aachen', 'r<sub>inv</sub> = 0.2')
    >>> str(signal_label("mass_10", SampleRecord(r_inv=0.75, pion_mass=10.0)))
    'm = 10 GeV'
    """
    if name == "aachen":
        return Markup("Aachen")
    if sample is None or sample.r_inv is None or sample.pion_mass is None:
        return escape(name)
    r_inv, mass = sample.r_inv, sample.pion_mass
    parts = [Markup("{} = {:g}").format(R_INV, r_inv)] if r_inv != BENCHMARK[0] else []
    parts += [Markup("m = {:g} GeV").format(mass)] if mass != BENCHMARK[1] else []
    return Markup(", ").join(parts) or escape(name)


BENCHMARK = (0.75, 4.0)
"""r_inv and dark pion mass in GeV of the Aachen benchmark; the paper's other signals differ in one of them."""


@dataclass(frozen=True)
class Axis:
    """An axis on which signals have positions, with its title, its scale and its tick labels."""

    title: Markup
    positions: dict[str, float]
    log: bool = False
    names: dict[str, Markup] = field(default_factory=dict)
    """Tick labels of signals that have only a name; empty if positions are physical."""


def signal_axes(samples: Mapping[str, SampleRecord]) -> list[Axis]:
    """Return the axes for signals by their parameters.

    The axes are r_inv at the benchmark's meson mass, the meson mass at the benchmark's r_inv, and one with names for
    the signals that lie on neither.

    >>> points = {"aachen": SampleRecord(r_inv=0.75, pion_mass=4), "b": SampleRecord(r_inv=0.2, pion_mass=4)}
    >>> axes = signal_axes({**points, "mine": SampleRecord()})
    >>> [(str(axis.title), axis.positions) for axis in axes]
    [('r<sub>inv</sub>', {'aachen': 0.75, 'b': 0.2}), ('signal', {'mine': 0.0})]
    """
    points = {name: (sample.r_inv, sample.pion_mass) for name, sample in samples.items()}
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


def decay_rules(samples: Mapping[str, SampleRecord]) -> bool:
    """Return whether a line along r_inv joins signals with different decay rules.

    At the benchmark only the neutral rho decays, elsewhere every meson may.

    >>> decay_rules({"rinv_0.2": SampleRecord(r_inv=0.2, pion_mass=4, decays="all_mesons")})
    False
    """
    axes = [axis for axis in signal_axes(samples) if axis.title == R_INV]
    return {"neutral_rho", "all_mesons"} <= {samples[name].decays for axis in axes for name in axis.positions}
