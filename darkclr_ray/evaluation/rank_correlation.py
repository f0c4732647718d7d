"""Measure how well a criterion of a search ranks trials, by the rank correlation with their rejections of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from darkclr_ray.evaluation.leave_one_out import Trial
from darkclr_ray.randomness import keyed_generator

FEWEST = 5
"""Smallest number of trials for which a rank correlation is computed."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation over trials between a criterion and the test rejection of a signal.

    Attributes:
        criterion: name of the objective on validation jets.
        signal: name of the signal.
        value: the correlation; nan if all trials have the same criterion or rejection.
        low, high: 95% interval of a bootstrap over trials.
        trials: number of trials.
    """

    criterion: str
    signal: str
    value: float
    low: float
    high: float
    trials: int

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps."""
        return asdict(self)


def rank_correlations(
    trials: Sequence[Trial], *, score: str, eps_s: float = 0.2, replicas: int = 2000, seed: int = 1
) -> tuple[RankCorrelation, ...]:
    """Return the correlations of "signal_blind" and of "leave_out:SIGNAL" with the matched test rejection of SIGNAL.

    Args:
        trials: trials of a search; only complete ones with all numbers are used.
        score: name of the detector.
        eps_s: signal efficiency of the rejections.
        replicas, seed: number of replicas and seed of the bootstrap over trials.

    The result is empty for fewer than `FEWEST` trials.
    """
    complete = [trial for trial in trials if trial.state == "COMPLETE" and trial.test.get(score)]
    found = []
    for signal in complete[0].test[score] if complete else ():
        for criterion in ("signal_blind", f"leave_out:{signal}"):
            pairs = [
                (trial.objectives[criterion], trial.test[score][signal].log_rejection("matched", eps_s))
                for trial in complete
                if trial.objectives.get(criterion) is not None
            ]
            if len(pairs) >= FEWEST:
                found.append(_correlation(criterion, signal, np.array(pairs), replicas, seed))
    return tuple(found)


def _correlation(criterion: str, signal: str, pairs: NDArray[np.float64], replicas: int, seed: int) -> RankCorrelation:
    generator = keyed_generator("rank correlation", criterion, signal, seed)
    rows = np.stack([generator.integers(0, len(pairs), len(pairs)) for _ in range(replicas)])
    drawn = spearman(pairs[rows])
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if not np.isnan(drawn).all() else (np.nan, np.nan)
    return RankCorrelation(criterion, signal, float(spearman(pairs)), float(low), float(high), len(pairs))


def spearman(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's rank correlations of pairs (..., N, 2), shape (...); nan where a column is constant.

    scipy's `spearmanr` takes one set of pairs at a time.

    >>> round(float(spearman(np.array([[1.0, 2.0], [2.0, 9.0], [3.0, 4.0]]))), 6)
    0.5
    """
    ranks = rankdata(pairs, axis=-2)
    centred = ranks - ranks.mean(axis=-2, keepdims=True)
    x, y = centred[..., 0], centred[..., 1]
    with np.errstate(invalid="ignore"):  # 0/0 for a constant column
        result: NDArray[np.float64] = (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return result
