"""Split the variance of a result into contributions of encoder seed, autoencoder seed and test sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.folds import event_folds
from darkclr_ray.evaluation.matching import PtBins
from darkclr_ray.evaluation.rejection import rejection_or_bound
from darkclr_ray.evaluation.roc import roc_curve


@dataclass(frozen=True)
class VarianceComponents:
    """Components of the variance of one result, for one encoder, one autoencoder on it and the whole test sample.

    Attributes:
        encoder, autoencoder: variance from the encoder's seed, and from the autoencoder's seed for a given encoder.
        test_sample: variance from the choice of the whole test sample, common to all networks.
        interaction: variance from the test sample that differs from network to network.
        mean: grand mean.
        degrees_of_freedom: degrees of freedom of the four mean squares, in the order above.

    The estimators are unbiased, so that a small component can be negative.
    """

    encoder: float
    autoencoder: float
    test_sample: float
    interaction: float
    mean: float
    degrees_of_freedom: tuple[int, int, int, int]

    @property
    def shares(self) -> dict[str, float]:
        """Return each component's fraction of the total variance, with negative components set to zero."""
        names = ("encoder", "autoencoder", "test_sample", "interaction")
        parts = {name: max(getattr(self, name), 0.0) for name in names}
        total = sum(parts.values())
        return {name: part / total if total > 0.0 else 0.0 for name, part in parts.items()}

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps, including the shares."""
        return {**asdict(self), "shares": self.shares}


def variance_components(results: ArrayLike) -> VarianceComponents:
    """Return the components from results (I, J, K): I encoders, J autoencoders on each, K parts of the test sample.

    The model is y_ijk = mu + a_i + b_ij + t_k + e_ijk with independent random effects: autoencoders are nested in
    encoders, disjoint parts of the test sample are crossed with both. Components are solved from the expected mean
    squares of the balanced analysis of variance (Searle, Casella and McCulloch, Variance Components (1992), Ch. 4). The
    contribution of a part of the test sample is divided by K, since a result on the whole sample is a mean over its
    parts; this holds to first order for the logarithm of a rejection, which is the result to use.

    >>> results = np.zeros((2, 2, 2)) + np.array([0.0, 2.0])[:, None, None]  # only the encoders differ
    >>> variance_components(results).encoder, variance_components(results).shares["encoder"]
    (2.0, 1.0)

    Raises:
        ValueError: fewer than two encoders, autoencoders or parts, or a result that is not finite.
    """
    y = np.asarray(results, dtype=np.float64)
    if y.ndim != 3 or min(y.shape) < 2 or not np.all(np.isfinite(y)):
        raise ValueError(
            f"results of shape {y.shape}: expected finite numbers (encoders, autoencoders, parts of the test sample), "
            "at least two of each"
        )
    encoders, autoencoders, parts = y.shape
    mean, by_encoder, by_network, by_part = y.mean(), y.mean(axis=(1, 2)), y.mean(axis=2), y.mean(axis=(0, 1))
    networks = encoders * autoencoders
    freedom = (encoders - 1, encoders * (autoencoders - 1), parts - 1, (networks - 1) * (parts - 1))
    rest = y - by_network[:, :, None] - by_part + mean
    squares = (
        autoencoders * parts * np.sum((by_encoder - mean) ** 2) / freedom[0],
        parts * np.sum((by_network - by_encoder[:, None]) ** 2) / freedom[1],
        networks * np.sum((by_part - mean) ** 2) / freedom[2],
        np.sum(rest**2) / freedom[3],
    )
    return VarianceComponents(
        encoder=float((squares[0] - squares[1]) / (autoencoders * parts)),
        autoencoder=float((squares[1] - squares[3]) / parts),
        test_sample=float((squares[2] - squares[3]) / networks / parts),
        interaction=float(squares[3] / parts),
        mean=float(mean),
        degrees_of_freedom=freedom,
    )


def rejection_variance(
    background: ArrayLike,
    signal: ArrayLike,
    background_pt: ArrayLike,
    signal_pt: ArrayLike,
    background_events: ArrayLike,
    signal_events: ArrayLike,
    *,
    eps_s: float = 0.2,
    parts: int = 4,
    seed: int,
) -> dict[str, VarianceComponents]:
    """Return the components of ln(1/eps_B) of an ensemble, without ("raw") and with ("matched") pT matching.

    The test sample is split by event into parts; cut and weights are derived anew in each. If less than one background
    jet survives in a part, the lower bound is used.

    Args:
        background, signal: scores of the networks: I encoders x J autoencoders on each, (I, J, B) and (I, J, S).
        background_pt, signal_pt: transverse momenta of the jets in GeV, (B,) and (S,).
        background_events, signal_events: event of each jet, (B,) and (S,).
        eps_s: signal efficiency.
        parts: number of parts K of the test sample.
        seed: seed of the split into parts.

    Raises:
        ValueError: fewer than two encoders, autoencoders or parts, or fewer events than parts.
    """
    scores = np.asarray(background, dtype=np.float64), np.asarray(signal, dtype=np.float64)
    pt = np.asarray(background_pt), np.asarray(signal_pt)
    part = [event_folds(events, parts, seed=seed) for events in (background_events, signal_events)]
    results = np.empty((2, *scores[0].shape[:2], parts))
    for number in range(parts):
        here = [np.flatnonzero(some == number) for some in part]
        matched = PtBins.of(pt[0][here[0]], pt[1][here[1]]).weights()
        for side, weights in enumerate((np.ones(len(here[0])), matched)):
            for network in np.ndindex(scores[0].shape[:2]):
                curve = roc_curve(scores[0][network][here[0]], scores[1][network][here[1]], weights)
                value, _ = rejection_or_bound(float(curve.background_efficiency(eps_s)), weights)
                results[(side, *network, number)] = np.log(value)
    return {"raw": variance_components(results[0]), "matched": variance_components(results[1])}
