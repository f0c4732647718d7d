"""Measure what a step of a method brings, paired over trainings: the factor in rejection and its interval."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from darkclr_ray.evaluation.rejection import Evaluation


@dataclass(frozen=True)
class Gain:
    """Factor by which the rejection of one score exceeds that of another of the same trainings.

    Attributes:
        ratio: geometric mean of the ratios, first over the trainings of each group, then over groups.
        low, high: its interval at `level` by Student's t over the groups; None for a single group.
        level: level of the interval.
        groups, trainings: number of independent groups (encoders), and of trainings in all of them.
    """

    ratio: float
    low: float | None
    high: float | None
    level: float
    groups: int
    trainings: int


def log_ratio(
    one: Mapping[str, Evaluation], other: Mapping[str, Evaluation], signal: str | None = None, *, eps_s: float = 0.2
) -> float:
    """Return ln of the ratio of two scores' pT-matched rejections on a signal, or its mean over the signals of both.

    Raises ValueError if there is no such signal.
    """
    signals = [name for name in one if name in other and signal in (None, name)]
    if not signals:
        raise ValueError(f"no evaluation of both scores on {signal or 'any signal'}")
    values = [one[n].log_rejection("matched", eps_s) - other[n].log_rejection("matched", eps_s) for n in signals]
    return float(np.mean(values))


def mean_gain(log_ratios: Mapping[Hashable, Sequence[float]], level: float = 0.95) -> Gain:
    """Return the gain of log ratios, given by independent group.

    Trainings of one group, such as autoencoders on one encoder, are not independent, so that their mean counts once.
    The interval covers other groups, evaluated on the same test jets. Raises ValueError without any group.

    >>> gain = mean_gain({"encoder 1": [math.log(2.0), math.log(8.0)], "encoder 2": [0.0]})
    >>> round(gain.ratio, 6), gain.groups, gain.trainings
    (2.0, 2, 3)
    """
    means = [float(np.mean(values)) for values in log_ratios.values()]
    if not means:
        raise ValueError("no trainings to compare")
    trainings = sum(len(values) for values in log_ratios.values())
    centre, groups = float(np.mean(means)), len(means)
    if groups == 1:
        return Gain(math.exp(centre), None, None, level, groups, trainings)
    half = float(student.ppf((1 + level) / 2, groups - 1) * np.std(means, ddof=1) / math.sqrt(groups))
    return Gain(math.exp(centre), math.exp(centre - half), math.exp(centre + half), level, groups, trainings)
