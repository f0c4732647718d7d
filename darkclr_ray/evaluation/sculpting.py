"""Measure how a cut on a score sculpts the background's spectrum of jet mass or pT, which can mimic a resonance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import jensenshannon

from darkclr_ray.evaluation.roc import Floats, finite
from darkclr_ray.randomness import keyed_generator


@dataclass(frozen=True)
class Sculpting:
    """Spectrum of one observable of background jets before and after one cut.

    Attributes:
        eps_b: fraction of the background that passes.
        passed: number of jets that pass.
        edges: edges of K bins in the observable's unit, with equal numbers of jets before the cut, (K + 1,).
        before, after: number of jets in each bin, (K,).
        divergence: Jensen-Shannon divergence of the two spectra in bits, in [0, 1] (Lin, IEEE Trans. IT 37 (1991) 145).
        floor, floor_95: mean and 95th percentile of the divergence after random cuts that pass as many jets, which is
            the effect of the finite sample.
        p_value: probability of a divergence at least as large after a random cut.
    """

    eps_b: float
    passed: int
    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    divergence: float
    floor: float
    floor_95: float
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps."""
        return asdict(self)


def sculpting(
    scores: ArrayLike,
    observable: ArrayLike,
    *,
    eps_b: Sequence[float] = (0.1, 0.01),
    bins: int = 20,
    random_cuts: int = 1000,
    seed: int,
) -> tuple[Sculpting, ...]:
    """Compare the background's spectrum with that of its most anomalous fractions ``eps_b``.

    Of jets with equal scores at the cut a random subset passes. A random cut draws without replacement, so that its
    histogram is multivariate hypergeometric, and the floor is close to (K - 1)/(8 ln 2) (1/n_passed - 1/n) bits.

    Args:
        scores: scores of background jets, higher = more anomalous, (B,).
        observable: observable of the same jets, such as mass or pT in GeV, (B,).
        eps_b: fractions that pass, in (0, 1).
        bins: number of bins K with equal numbers of jets; there are fewer if values of the observable coincide.
        random_cuts: number of random cuts for the floor.
        seed: seed of ties and random cuts.

    >>> mass = np.arange(1000.0)
    >>> [bent] = sculpting(mass, mass, eps_b=[0.5], seed=1)  # a cut on the mass itself
    >>> round(bent.divergence, 3), bent.floor_95 < 0.01, bent.p_value < 0.01
    (0.311, True, True)

    Raises:
        ValueError: no jets, numbers that are not finite, different lengths, or a fraction that keeps none or all.
    """
    score, value = finite("scores", scores), finite("observable", observable)
    if len(score) != len(value):
        raise ValueError(f"{len(score)} scores and {len(value)} values of the observable: expected one of each a jet")
    generator = keyed_generator("sculpting", seed)
    order = np.lexsort((generator.random(len(score)), -score))
    edges = np.unique(np.quantile(value, np.linspace(0.0, 1.0, bins + 1)))
    place = np.searchsorted(edges[1:-1], value, "right")
    before = np.bincount(place)
    edges = np.append(edges, edges[-1:]) if len(edges) == 1 else edges
    results = []
    for fraction in eps_b:
        passed = round(fraction * len(score))
        if not 0 < passed < len(score):
            raise ValueError(f"eps_B = {fraction}: of {len(score)} jets {passed} pass; expected some, and not all")
        after = np.bincount(place[order[:passed]], minlength=len(before))
        chance = generator.multivariate_hypergeometric(before, passed, size=random_cuts)
        floor: Floats = jensenshannon(before, chance, base=2, axis=-1) ** 2  # scipy returns its square root
        divergence = float(jensenshannon(before, after, base=2)) ** 2
        results.append(
            Sculpting(
                eps_b=float(fraction),
                passed=passed,
                edges=tuple(edges.tolist()),
                before=tuple(before.tolist()),
                after=tuple(after.tolist()),
                divergence=divergence,
                floor=float(floor.mean()),
                floor_95=float(np.quantile(floor, 0.95)),
                p_value=float((1 + np.count_nonzero(floor >= divergence)) / (1 + random_cuts)),
            )
        )
    return tuple(results)
