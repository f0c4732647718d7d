"""Principal component analysis, for pictures of representations in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """The k directions of largest variance of a sample of representations, the largest one first.

    Attributes:
        mean: mean representation, (d,).
        directions: unit vectors, (k, d). The component with the largest absolute value is positive.
        shares: share of the total variance along each direction, (k,); 0 if nothing varies.
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    shares: NDArray[np.float64]

    def project(self, z: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the coordinates of representations z (B, d) along the directions, (B, k)."""
        coordinates: NDArray[np.float64] = (z.astype(np.float64) - self.mean) @ self.directions.T
        return coordinates


def principal_components(z: NDArray[np.floating], count: int = 2) -> PrincipalComponents:
    """Return the first ``count`` principal components of representations z (B, d).

    >>> found = principal_components(np.array([[0.0, 3.0], [0.0, -3.0], [1.0, 0.0], [-1.0, 0.0]]))
    >>> found.directions.tolist(), found.shares.round(6).tolist()
    ([[0.0, 1.0], [1.0, 0.0]], [0.9, 0.1])

    Raises:
        ValueError: no representations, or fewer than ``count`` dimensions.
    """
    if not len(z) or z.shape[1] < count:
        raise ValueError(f"representations of shape {z.shape}: expected at least one with at least {count} dimensions")
    mean = z.mean(0, dtype=np.float64)
    centred = z.astype(np.float64) - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred)  # in ascending order
    directions = vectors.T[::-1][:count]
    largest = directions[np.arange(count), abs(directions).argmax(1)]
    total = variances.clip(min=0.0).sum()
    shares = variances[::-1][:count].clip(min=0.0) / (total or 1.0)
    return PrincipalComponents(mean, directions * np.sign(largest)[:, None] + 0.0, shares)
