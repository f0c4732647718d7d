"""Areas and background efficiencies in all replicas of a Poisson bootstrap, in one pass over the ranked jets.

The jets are read once, in the order of their scores and in blocks. A replica's curve needs only sums of its counts: of
the signal above each jet, and of the background in each bin of pT, in all and above the cut. The time is therefore
linear in the number of jets, and counts exist for one block at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from darkclr_ray.evaluation.bootstrap import WORD, Draws, words_of
from darkclr_ray.evaluation.matching import PtBins, bin_weights
from darkclr_ray.evaluation.roc import ROUNDING, Floats, Ranking, SortedScores
from darkclr_ray.evaluation.scored import Scored

BLOCK = 1 << 18
"""Number of counts, jets times replicas, in a block; a block of float32 fits into a core's cache."""

RUN = 32
"""Number of jets whose cumulative counts one product of matrices gives."""

CUMULATIVE = 1 << 25
"""Number of cumulative signal counts, jets times replicas, that are held at a time; more replicas take more passes."""

Counts = NDArray[np.float32]
"""How often jets occur in replicas, (jets, r)."""


@dataclass(frozen=True, eq=False)
class RankedJets:
    """Background and one signal in the order of one score and in common bins of pT.

    Attributes:
        ranking, bins: order and bins of the jets.
        background, signal: the jets.
    """

    ranking: Ranking
    bins: PtBins
    background: Scored
    signal: Scored

    @staticmethod
    def of(background: Scored, signals: Mapping[str, Scored]) -> dict[str, RankedJets]:
        """Return background with each signal, by name; the background is sorted once."""
        order = SortedScores(background.scores)
        return {
            name: RankedJets(Ranking(order, signal.scores), PtBins.of(background.pt, signal.pt), background, signal)
            for name, signal in signals.items()
        }

    def background_efficiencies(self, efficiencies: Floats) -> Floats:
        """Return the background efficiencies at signal efficiencies (E,), raw and pT-matched, (2, E)."""
        curves = self.ranking.roc(), self.ranking.roc(self.bins.weights())
        return np.array([curve.background_efficiency(efficiencies) for curve in curves])

    @cached_property
    def background_bins(self) -> NDArray[np.int32]:
        """Return the bin of pT of each background jet in ascending order of scores."""
        return self.bins.background[self.ranking.background_order].astype(np.int32)

    @cached_property
    def signal_bins(self) -> NDArray[np.int32]:
        """Return the bin of pT of each signal jet in descending order of scores."""
        return self.bins.signal[self.ranking.signal_order].astype(np.int32)

    @cached_property
    def above(self) -> NDArray[np.int32]:
        """Return the number of signal jets with a higher score than each background jet in ascending order."""
        return self._passing(self.ranking.below)

    @cached_property
    def at_least(self) -> NDArray[np.int32]:
        """Return the number of signal jets with at least the score of each background jet in ascending order."""
        return self._passing(self.ranking.upto)

    def _passing(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        # a signal jet passes the cuts at the background jets before its place
        ends = np.bincount(places, minlength=len(self.background) + 1)
        return (len(places) - np.cumsum(ends[:-1])).astype(np.int32)


def replicated(
    ranked: Mapping[str, RankedJets], efficiencies: Floats, *, seed: int, replicas: int, shared: bool = False
) -> dict[str, Floats]:
    """Return for each signal (R, 2, 1 + E): the area and the background efficiencies, raw and pT-matched, by replica.

    Background and signals are drawn independently of each other, unless they come from the same events. A replica in
    which no background or no signal jet occurs, as is possible in samples of few events, is nan.

    Args:
        ranked: the same background with each signal, by name.
        efficiencies: signal efficiencies, in (0, 1], (E,).
        seed, replicas: seed and number R of replicas.
        shared: whether background and signals come from the same events, as jets and views of them do.

    Raises:
        ValueError: less than one replica, or events that are not integers.
    """
    words = words_of(replicas)
    kind = "background" if shared else "signal"
    first = next(iter(ranked.values()))
    background = Draws(first.background.events[first.ranking.background_order], seed=seed, sample="background")
    signals = {
        name: Draws(jets.signal.events[jets.ranking.signal_order], seed=seed, sample=kind)
        for name, jets in ranked.items()
    }
    step = max(CUMULATIVE // (WORD * max(len(jets.signal) for jets in ranked.values())), 1)
    parts = []
    for start in range(0, words, step):
        some = range(start, min(start + step, words))
        sums = {name: _Sums(jets, signals[name], efficiencies, some) for name, jets in ranked.items()}
        parts.append(_read_background(first, background, sums, some))
    return {name: np.concatenate([part[name] for part in parts])[:replicas] for name in ranked}


def weighted_means(jets: Scored, *, seed: int, replicas: int) -> Floats:
    """Return the mean score of background jets in each replica, (R,); nan if none occurs in it."""
    words = words_of(replicas)
    draws = Draws(jets.events, seed=seed, sample="background")
    sums, totals = np.zeros((2, WORD * words))
    for block in _blocks(len(jets), range(words)):
        counts = draws.counts(block, range(words)).astype(np.float64)
        totals += counts.sum(axis=0)
        sums += np.einsum("n,nr->r", jets.scores[block], counts)
    means: Floats = np.divide(sums, totals, out=np.full(len(totals), np.nan), where=totals > 0.0)[:replicas]
    return means


def _read_background(jets: RankedJets, draws: Draws, sums: Mapping[str, _Sums], words: range) -> dict[str, Floats]:
    """Add all background jets to the sums and return their results by signal, (r, 2, 1 + E)."""
    totals = np.zeros((jets.bins.number, WORD * len(words)))
    for block in _blocks(len(jets.background), words):
        counts = draws.counts(block, words)
        by_bin = _selector(jets.background_bins[block], jets.bins.number)
        in_bins = by_bin @ counts
        totals += in_bins
        for each in sums.values():
            each.add(block, counts, by_bin, in_bins)
    return {name: each.results(totals) for name, each in sums.items()}


class _Sums:
    """Sums over background jets that determine one signal's curves in r replicas."""

    def __init__(self, jets: RankedJets, draws: Draws, efficiencies: Floats, words: range) -> None:
        self.jets, number = jets, WORD * len(words)
        self.cumulative, self.signals = _cumulated(jets, draws, words)
        self.area = np.zeros((jets.bins.number, number))
        self.passing = np.zeros((len(efficiencies), jets.bins.number, number))
        # the cut of each replica: the first signal jet at which at least the efficiency has passed
        ranking, replica = jets.ranking, np.arange(number)
        wanted = efficiencies[:, None] * self.cumulative[-1].astype(np.float64)
        at = _first_reaching(self.cumulative, wanted * (1.0 - ROUNDING)) - 1
        before, after = (
            self.cumulative[ends[at], replica].astype(np.float64) for ends in (ranking.first, ranking.last)
        )
        tied = np.divide(wanted - before, after - before, out=np.zeros_like(wanted), where=after > before)
        self.tied: Counts = np.clip(tied, 0.0, 1.0).astype(np.float32)
        self.first, self.certain = ranking.below[at], ranking.upto[at]

    def add(self, block: slice, counts: Counts, by_bin: csc_array, in_bins: Floats) -> None:
        """Add a block of background jets in ascending order of scores."""
        above, at_least = self.jets.above[block], self.jets.at_least[block]
        signal = self.cumulative[above]
        if not np.array_equal(above, at_least):
            signal = 0.5 * (signal + self.cumulative[at_least])
        self.area += by_bin @ np.multiply(signal, counts, out=signal)
        place = np.arange(block.start, block.stop)[:, None]
        for at, passing in enumerate(self.passing):
            first, certain = self.first[at], self.certain[at]
            if block.start >= certain.max():
                passing += in_bins
            elif block.stop > first.min():
                kept = np.where(
                    place >= certain, np.float32(1.0), np.where(place >= first, self.tied[at], np.float32(0.0))
                )
                passing += by_bin @ (counts * kept)

    def results(self, totals: Floats) -> Floats:
        """Return areas and background efficiencies, (r, 2, 1 + E), from the background's counts by bin, (K, r)."""
        signal, results = self.signals.sum(axis=0), []
        empty = (signal == 0.0) | (totals.sum(axis=0) == 0.0)
        for weights in (np.ones_like(totals), bin_weights(totals, self.signals)):
            all_of_it = np.where(empty, np.nan, (weights * totals).sum(axis=0))
            area = (weights * self.area).sum(axis=0) / np.where(empty, np.nan, signal)
            results.append(np.vstack([area, (weights * self.passing).sum(axis=1)]) / all_of_it)
        return np.moveaxis(np.array(results), 2, 0)


def _cumulated(jets: RankedJets, draws: Draws, words: range) -> tuple[NDArray[np.floating], Floats]:
    """Return the signal's cumulative counts in descending order, (S + 1, r), and its counts by bin of pT, (K, r)."""
    size, number = len(jets.signal), WORD * len(words)
    # float32 counts exactly up to 2^24
    cumulative = np.zeros((size + 1, number), np.float32 if size < 1 << 22 else np.float64)
    in_bins = np.zeros((jets.bins.number, number))
    for block in _blocks(size, words):
        counts = draws.counts(block, words)
        in_bins += _selector(jets.signal_bins[block], jets.bins.number) @ counts
        np.add(_accumulated(counts), cumulative[block.start], out=cumulative[block.start + 1 : block.stop + 1])
    return cumulative, in_bins


def _accumulated(counts: Counts) -> Counts:
    """Return cumulative sums of counts (N, r) over N, which a product with a triangle of ones sums fastest."""
    whole = len(counts) // RUN * RUN
    runs = np.matmul(np.tri(RUN, dtype=np.float32), counts[:whole].reshape(-1, RUN, counts.shape[1]))
    runs[1:] += np.cumsum(runs[:, -1], axis=0)[:-1, None]
    rest = np.cumsum(counts[whole:], axis=0)
    return np.concatenate([runs.reshape(whole, counts.shape[1]), rest + runs[-1, -1] if whole else rest])


def _first_reaching(cumulative: NDArray[np.floating], wanted: Floats) -> NDArray[np.int64]:
    """Return the first row from 1 on in which each column of (S + 1, r) reaches ``wanted`` (E, r), by bisection."""
    low, high = np.zeros(wanted.shape, np.int64), np.full(wanted.shape, len(cumulative) - 1)
    columns = np.arange(wanted.shape[1])
    while np.any(high - low > 1):
        middle = (low + high) // 2
        reached = cumulative[middle, columns] >= wanted
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


def _selector(bins: NDArray[np.int32], number: int) -> csc_array:
    """Return the matrix (K, n) of 0 and 1 that sums rows of jets by bin."""
    size = len(bins)
    return csc_array((np.ones(size, np.float32), bins, np.arange(size + 1, dtype=np.int32)), shape=(number, size))


def _blocks(size: int, words: range) -> Iterator[slice]:
    step = max(BLOCK // (WORD * len(words)), 1)
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
