"""Select a detector without any signal, by its separation of background from anomalous views of the same jets.

All functions take the evaluations of the networks of one detector on background against anomalous views.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from darkclr_ray.evaluation.rejection import Evaluation


@dataclass(frozen=True)
class MeanRejection:
    """Geometric mean of a rejection over networks, and of the ends of its interval; ``high`` None is unbounded.

    ``lower_bound`` states whether the rejection of one of the networks is a lower bound.
    """

    value: float
    low: float
    high: float | None
    lower_bound: bool


def blind_efficiency(evaluations: Iterable[Evaluation]) -> float:
    """Return the efficiency on anomalous views at which detectors are compared.

    It is the largest one, up to one half, that all evaluations have, and 0.2 if there is none. More background jets
    survive at a larger efficiency, which reduces the uncertainty of the selection; at 0.2 only a few survive.
    """
    known = [{round(cut.eps_s, 9) for cut in one.matched.rejections} for one in evaluations]
    return max((eps_s for eps_s in set.intersection(*known) if eps_s <= 0.5), default=0.2) if known else 0.2


def blind_objective(networks: Sequence[Evaluation], eps_s: float) -> float:
    """Return the mean log rejection of the networks, which the selection maximises; minus infinity without networks."""
    return fmean([one.log_rejection("matched", eps_s) for one in networks]) if networks else -math.inf


def blind_rejection(networks: Sequence[Evaluation], eps_s: float) -> MeanRejection | None:
    """Return the geometric mean of the networks' rejections with its bootstrap interval; None without networks."""
    if not networks:
        return None
    cuts = [one.matched.at(eps_s) for one in networks]
    ends = [cut.bootstrap_high for cut in cuts if cut.bootstrap_high is not None]
    return MeanRejection(
        value=geometric_mean([cut.value for cut in cuts]),
        low=geometric_mean([cut.bootstrap_low for cut in cuts]),
        high=geometric_mean(ends) if len(ends) == len(cuts) else None,
        lower_bound=any(cut.lower_bound for cut in cuts),
    )


def excludes(selected: MeanRejection, other: MeanRejection) -> bool:
    """Return whether the interval of another detector ends below the rejection of the selected one."""
    return other.high is not None and other.high < selected.value


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; nan if there are none.

    >>> geometric_mean([2.0, 8.0])
    4.0
    """
    return math.exp(fmean(map(math.log, values))) if values else math.nan
