"""Measure how far scores move when jets are slightly perturbed, and the effect on rejections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from darkclr_ray.evaluation.paired import PairedRatio, paired_ratio
from darkclr_ray.evaluation.rejection import below_one_jet, rejection_or_bound
from darkclr_ray.evaluation.roc import Floats, finite, roc_curve


class ScorePair:
    """Scores of the same N jets before and after a perturbation (see `darkclr_ray.augmentations.perturbations`).

    Args:
        nominal, perturbed: scores, higher = more anomalous, (N,).
        pt: transverse momenta of the jets before the perturbation in GeV, (N,).
        events: event of each jet, (N,).

    Raises:
        ValueError: no jets, a score that is not finite, or different lengths.
    """

    def __init__(self, nominal: ArrayLike, perturbed: ArrayLike, pt: ArrayLike, events: ArrayLike) -> None:
        self.nominal, self.perturbed = finite("nominal scores", nominal), finite("perturbed scores", perturbed)
        self.pt, self.events = finite("pT", pt), np.asarray(events)
        if len({len(self.nominal), len(self.perturbed), len(self.pt), len(self.events)}) != 1:
            raise ValueError(
                f"{len(self.nominal)} nominal and {len(self.perturbed)} perturbed scores, {len(self.pt)} pT and "
                f"{len(self.events)} events: expected one of each a jet"
            )


@dataclass(frozen=True)
class Shift:
    """Shift of the scores of jets, in units of the standard deviation of the nominal background scores.

    Attributes:
        mean: mean of the shifts, positive for larger scores.
        rms: root of their mean square.
        median_abs: median of their absolute values.
        correlation: Spearman's correlation of the scores before and after; None if all jets have the same score.
    """

    mean: float
    rms: float
    median_abs: float
    correlation: float | None


@dataclass(frozen=True)
class SignalStability:
    """Effect of a perturbation on one signal, if it is applied to background and signal.

    Attributes:
        shift: shift of the signal's scores.
        nominal, perturbed: raw rejections, the cut derived anew from the perturbed signal; lower bounds if less than
            one background jet survives.
        ratio: perturbed over nominal rejection, on the same jets.
        fixed_eps_s: signal efficiency after the perturbation of the cut that had ``eps_s`` before, as in an analysis
            whose cut was fixed on unperturbed jets.
        fixed_eps_b_ratio: background efficiency of that cut after over before; None if less than one jet passed.
    """

    shift: Shift
    nominal: float
    perturbed: float
    ratio: PairedRatio
    fixed_eps_s: float
    fixed_eps_b_ratio: float | None


@dataclass(frozen=True)
class Stability:
    """Effect of one perturbation on one score.

    Attributes:
        spread: standard deviation of the nominal background scores, the unit of all shifts.
        background: shift of the background's scores.
        signals: effect on each signal, by name.
    """

    spread: float
    background: Shift
    signals: Mapping[str, SignalStability]

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps."""
        return asdict(self)


def stability(
    background: ScorePair, signals: Mapping[str, ScorePair], *, eps_s: float = 0.2, seed: int, replicas: int = 400
) -> Stability:
    """Compare scores before and after a perturbation.

    Args:
        background, signals: scores of test jets.
        eps_s: signal efficiency of the rejections.
        seed, replicas: seed and number of replicas of the bootstrap of the ratio.

    >>> normal = np.random.default_rng(1).normal
    >>> def pair(scores): return ScorePair(scores, scores + 0.1, np.full(2000, 200.0), np.arange(2000))
    >>> moved = stability(pair(normal(size=2000)), {"a": pair(normal(1.0, size=2000))}, seed=1)
    >>> round(moved.background.rms, 1), moved.background.correlation, moved.signals["a"].ratio.raw.ratio
    (0.1, 1.0, 1.0)

    Raises:
        ValueError: all background jets have the same score, so that shifts have no unit.
    """
    spread = float(np.std(background.nominal))
    if spread == 0.0:
        raise ValueError("all background jets have the same score: a shift cannot be measured in units of its spread")
    return Stability(
        spread=spread,
        background=_shift(background, spread),
        signals={name: _signal(background, pair, spread, eps_s, seed, replicas) for name, pair in signals.items()},
    )


def _shift(pair: ScorePair, spread: float) -> Shift:
    shift = (pair.perturbed - pair.nominal) / spread
    varied = np.ptp(pair.nominal) > 0.0 and np.ptp(pair.perturbed) > 0.0
    return Shift(
        mean=float(shift.mean()),
        rms=float(np.sqrt(np.mean(shift**2))),
        median_abs=float(np.median(np.abs(shift))),
        correlation=float(spearmanr(pair.nominal, pair.perturbed).statistic) if varied else None,
    )


def _signal(
    background: ScorePair, signal: ScorePair, spread: float, eps_s: float, seed: int, replicas: int
) -> SignalStability:
    jets = len(background.nominal)

    def efficiency(scores: Floats, at: Floats) -> float:
        """Return the fraction of ``scores`` above the cut that keeps eps_s of the scores ``at``, ties in proportion."""
        return float(roc_curve(scores, at).background_efficiency(eps_s))

    before = efficiency(background.nominal, signal.nominal)
    few = below_one_jet(before, jets)
    anew = efficiency(background.perturbed, signal.perturbed)
    return SignalStability(
        shift=_shift(signal, spread),
        nominal=rejection_or_bound(before, np.ones(jets))[0],
        perturbed=rejection_or_bound(anew, np.ones(jets))[0],
        ratio=paired_ratio(
            background.perturbed,
            signal.perturbed,
            background.nominal,
            signal.nominal,
            background.pt,
            signal.pt,
            background.events,
            signal.events,
            eps_s=eps_s,
            seed=seed,
            replicas=replicas,
        ),
        fixed_eps_s=efficiency(signal.perturbed, signal.nominal),
        fixed_eps_b_ratio=None if few else efficiency(background.perturbed, signal.nominal) / before,
    )
