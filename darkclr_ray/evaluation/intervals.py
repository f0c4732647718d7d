"""Exact binomial intervals of efficiencies, and the intervals of rejections derived from them."""

from __future__ import annotations

from scipy.stats import beta

ONE_SIGMA = 0.6827
"""Default level of intervals: that of one standard deviation of a normal distribution."""

BOUND_LEVEL = 0.95
"""Confidence level of a lower bound on a rejection when no background survives."""


def clopper_pearson(passed: float, total: float, level: float = ONE_SIGMA) -> tuple[float, float]:
    """Return the central interval of a probability after ``passed`` of ``total`` (Clopper-Pearson).

    The reference is Biometrika 26 (1934) 404. Its beta functions are also used between integers, since a cut through
    tied scores keeps a fraction of them.

    >>> low, high = clopper_pearson(0, 10, level=0.9)
    >>> low, round(high, 4)
    (0.0, 0.2589)

    Raises:
        ValueError: not 0 <= passed <= total with total > 0, or a level outside (0, 1).
    """
    if not (0.0 <= passed <= total and total > 0.0 and 0.0 < level < 1.0):
        raise ValueError(f"{passed} of {total} at level {level}: expected 0 <= passed <= total, 0 < level < 1")
    tail = 0.5 * (1.0 - level)
    low = float(beta.ppf(tail, passed, total - passed + 1.0)) if passed > 0.0 else 0.0
    high = float(beta.isf(tail, passed + 1.0, total - passed)) if passed < total else 1.0
    return low, high


def upper_limit(passed: float, total: float, confidence: float = BOUND_LEVEL) -> float:
    """Return the one-sided upper limit of a probability after ``passed`` of ``total`` (Clopper and Pearson).

    >>> round(upper_limit(0, 1000), 6)  # about 3 over the number of jets
    0.002991
    """
    return clopper_pearson(passed, total, level=2.0 * confidence - 1.0)[1]


Interval = tuple[float, float | None]
"""Interval of a rejection; an upper end of None is unbounded."""


def inverted(low: float, high: float) -> Interval:
    """Return the interval of 1/eps_B for an interval of eps_B; its upper end is None if it is unbounded.

    >>> inverted(0.0, 0.25), inverted(0.125, 0.25)
    ((4.0, None), (4.0, 8.0))
    """
    return 1.0 / float(high), (1.0 / float(low) if low > 0.0 else None)
