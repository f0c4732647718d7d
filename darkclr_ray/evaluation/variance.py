"""Where the spread of a result comes from: the encoder's seed, the autoencoder's seed, or the test sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class VarianceComponents:
    """Components of the variance of one result: one encoder, one autoencoder on it, the whole test sample.

    Attributes:
        encoder, autoencoder: variance from the encoder's seed, and from the autoencoder's seed for a given encoder.
        test_sample: variance from the choice of the whole test sample, common to all networks.
        interaction: variance from the test sample that differs from network to network.
        mean: grand mean.
        degrees_of_freedom: of the four mean squares, in the order above.

    The estimators are unbiased, so a component that is small can come out negative.
    """

    encoder: float
    autoencoder: float
    test_sample: float
    interaction: float
    mean: float
    degrees_of_freedom: tuple[int, int, int, int]

    @property
    def shares(self) -> dict[str, float]:
        """Each component's part of the total, negative ones taken as zero."""
        names = ("encoder", "autoencoder", "test_sample", "interaction")
        parts = {name: max(getattr(self, name), 0.0) for name in names}
        total = sum(parts.values())
        return {name: part / total if total > 0.0 else 0.0 for name, part in parts.items()}

    def to_json(self) -> dict[str, Any]:
        """Dictionary for json.dumps, shares included."""
        return {**asdict(self), "shares": self.shares}


def variance_components(results: ArrayLike) -> VarianceComponents:
    """Components from results (I, J, K): I encoders, J autoencoders on each, K disjoint parts of the test sample.

    Model y_ijk = mu + a_i + b_ij + t_k + e_ijk with independent random effects: autoencoders nested in encoders, parts
    of the test sample crossed with both. Components are solved from the expected mean squares of the balanced analysis
    of variance (Searle, Casella and McCulloch, Variance Components (1992), Ch. 4). What a part of the test sample
    contributes is divided by K: a result on the whole sample is a mean over its parts, as holds to first order for the
    logarithm of a rejection, which is the result to use.

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
