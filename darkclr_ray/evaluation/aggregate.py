"""Aggregate evaluations over networks: rejections with the error of the test sample and the spread over networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from darkclr_ray.evaluation.rejection import Evaluation


@dataclass(frozen=True)
class Entry:
    """Aggregated performance of one detector on one signal.

    Attributes:
        detector, signal: names of detector and signal.
        matched: whether the background is weighted to the signal's jet pT.
        eps_s: signal efficiency of the cut.
        rejection: mean of 1/eps_B over the networks.
        low, high: its interval from the test sample, mean over the networks (they share their test jets, so that more
            networks do not make it shorter); high is None if it is unbounded.
        bootstrap_low, bootstrap_high: mean over the networks of the bootstrap's interval (see `Rejection`).
        deviation: standard deviation over networks (divisor N - 1), in parentheses in the paper; None for one network.
        networks: number of networks.
        lower_bound: whether no background survived for at least one network, so that the mean is a lower bound.
        auc, auc_deviation: mean area under the ROC curve, and its standard deviation over networks.
        auc_low, auc_high: interval of the area from the test sample; None for several networks.
    """

    detector: str
    signal: str
    matched: bool
    eps_s: float
    rejection: float
    low: float
    high: float | None
    bootstrap_low: float
    bootstrap_high: float | None
    deviation: float | None
    networks: int
    lower_bound: bool
    auc: float
    auc_deviation: float | None
    auc_low: float | None = None
    auc_high: float | None = None

    @property
    def significance_improvement(self) -> tuple[float, float, float | None]:
        """Significance improvement eps_S/sqrt(eps_B), and the ends of its interval, from those of the rejection."""
        high = self.bootstrap_high
        low = self.eps_s * math.sqrt(self.bootstrap_low)
        return self.eps_s * math.sqrt(self.rejection), low, None if high is None else self.eps_s * math.sqrt(high)


def robustness_table(
    evaluations: Mapping[str, Mapping[str, Evaluation | Sequence[Evaluation]]], *, eps_s: float = 0.2
) -> tuple[Entry, ...]:
    """Return the entries of evaluations {detector: {signal: one evaluation, or one per network}}, raw before matched.

    Raises:
        ValueError: a signal has no evaluation, or none at this signal efficiency.
    """
    entries = []
    for detector, signals in evaluations.items():
        for signal, given in signals.items():
            networks = [given] if isinstance(given, Evaluation) else list(given)
            if not networks:
                raise ValueError(f"no evaluation of {detector!r} on {signal!r}: give one for each network")
            entries += [_entry(detector, signal, networks, matched, eps_s) for matched in (False, True)]
    return tuple(entries)


def _entry(detector: str, signal: str, networks: Sequence[Evaluation], matched: bool, eps_s: float) -> Entry:
    sides = [network.matched if matched else network.raw for network in networks]
    cuts = [side.at(eps_s) for side in sides]
    return Entry(
        detector=detector,
        signal=signal,
        matched=matched,
        eps_s=eps_s,
        rejection=float(np.mean([cut.value for cut in cuts])),
        low=float(np.mean([cut.low for cut in cuts])),
        high=_mean_end([cut.high for cut in cuts]),
        bootstrap_low=float(np.mean([cut.bootstrap_low for cut in cuts])),
        bootstrap_high=_mean_end([cut.bootstrap_high for cut in cuts]),
        deviation=seed_deviation([cut.value for cut in cuts]),
        networks=len(networks),
        lower_bound=any(cut.lower_bound for cut in cuts),
        auc=float(np.mean([side.auc for side in sides])),
        auc_deviation=seed_deviation([side.auc for side in sides]),
        auc_low=sides[0].auc_low if len(sides) == 1 else None,
        auc_high=sides[0].auc_high if len(sides) == 1 else None,
    )


def _mean_end(ends: Sequence[float | None]) -> float | None:
    """Return the mean of the intervals' upper ends, or None (unbounded) if one of them is."""
    known = [end for end in ends if end is not None]
    return float(np.mean(known)) if len(known) == len(ends) else None


def seed_deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation over networks with divisor N - 1, or None for a single network.

    >>> seed_deviation([58.0, 60.0]), seed_deviation([58.0])
    (1.4142135623730951, None)
    """
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
