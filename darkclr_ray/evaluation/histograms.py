"""Histograms of scores, and profiles of the mean score over an observable of the jets, with statistical errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.roc import Floats, finite


@dataclass(frozen=True, eq=False)
class Histogram:
    """Share of the jets of one sample in each of K bins.

    Attributes:
        edges: edges of the bins, (K + 1,).
        share: share of all jets of the sample, (K,); the sum is 1 - ``outside``.
        error: binomial standard deviation of each share, (K,).
        outside: share of the jets below the first edge or above the last one.
    """

    edges: Floats
    share: Floats
    error: Floats
    outside: float


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean of y in bins of x, for the bins that contain enough jets.

    Attributes:
        centres: centres of the bins, (P,).
        mean: mean of y, (P,).
        error: standard deviation of the mean, (P,).
    """

    centres: Floats
    mean: Floats
    error: Floats


def common_edges(samples: Iterable[ArrayLike], bins: int, tail: float = 0.0) -> Floats:
    """Return the edges of at most ``bins`` bins of equal width that all samples share.

    The range ends at the smallest ``tail`` quantile and at the largest 1 - ``tail`` quantile of the samples, so that no
    sample has more than a share ``tail`` beyond either end. If all values are integers, the widths are integers and the
    edges half-integers.

    >>> common_edges([[0.0, 1.0], [4.0]], bins=2).tolist(), common_edges([[0.0, 1.5]], bins=3).tolist()
    ([-0.5, 2.5, 5.5], [0.0, 0.5, 1.0, 1.5])

    Raises:
        ValueError: no samples, a sample without values, or a value that is not finite.
    """
    parts = [finite("values", sample) for sample in samples]
    if not parts:
        raise ValueError("no samples to choose bins for")
    low = min(float(np.quantile(part, tail)) for part in parts)
    high = max(float(np.quantile(part, 1.0 - tail)) for part in parts)
    if all(np.array_equal(part, np.rint(part)) for part in parts):
        low, high = np.floor(low), np.ceil(high)
        width = max(1, int(np.ceil((high - low + 1) / bins)))
        return np.arange(low - 0.5, high + 0.5 + width, width)[: int(np.ceil((high - low + 1) / width)) + 1]
    margin = 0.5 if high == low else 0.0
    return np.linspace(low - margin, high + margin, bins + 1)


def histogram(values: ArrayLike, edges: Floats) -> Histogram:
    """Return the share of values (N,) in each bin; raise ValueError without values, or if one is not finite.

    >>> found = histogram([0.5, 0.5, 1.5, 9.0], np.array([0.0, 1.0, 2.0]))
    >>> found.share.tolist(), found.outside
    ([0.5, 0.25], 0.25)
    """
    sample = finite("values", values)
    share = np.histogram(sample, edges)[0] / len(sample)
    error = np.sqrt(share * (1.0 - share) / len(sample))
    return Histogram(edges, share, error, float(1.0 - share.sum()))


def profile(x: ArrayLike, y: ArrayLike, edges: Floats, fewest: int = 10) -> Profile:
    """Return the mean of y (N,) in the bins of x (N,) that contain at least ``fewest`` >= 2 values.

    >>> found = profile([0.5, 0.5, 1.5], [1.0, 3.0, 8.0], np.array([0.0, 1.0, 2.0]), fewest=2)
    >>> found.centres.tolist(), found.mean.tolist(), found.error.tolist()
    ([0.5], [2.0], [1.0])

    Raises:
        ValueError: no values, values that are not finite, or different lengths.
    """
    position, value = finite("x", x), finite("y", y)
    if len(position) != len(value):
        raise ValueError(f"{len(position)} values of x and {len(value)} of y: expected one of each a jet")
    bins = np.searchsorted(edges, position, "right") - 1
    inside = (bins >= 0) & (bins < len(edges) - 1)
    count, total = (np.bincount(bins[inside], weights, len(edges) - 1) for weights in (None, value[inside]))
    mean = np.divide(total, count, out=np.zeros(len(count)), where=count > 0)
    squares = np.bincount(bins[inside], (value[inside] - mean[bins[inside]]) ** 2, len(count))
    kept = count >= fewest
    error = np.sqrt(squares[kept] / (count[kept] - 1) / count[kept])
    return Profile(((edges[:-1] + edges[1:]) / 2)[kept], mean[kept], error)
