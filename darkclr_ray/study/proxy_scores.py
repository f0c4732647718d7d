"""Proxies for the score of an encoder in training, before an autoencoder is trained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Norm:
    """Norm of a representation: s_CLR."""

    def __call__(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        length: NDArray[np.float64] = np.linalg.norm(z.astype(np.float64), axis=1)
        return length


class LinearAutoencoder(Norm):
    """Distance from the plane of the leading principal components of scaled background representations."""

    def __init__(self, z: NDArray[np.float32], components: int) -> None:
        # in double precision: rounding of a feature that hardly varies would be its whole spread
        self.mean, self.scale = z.mean(0, dtype=np.float64), np.maximum(z.std(0, dtype=np.float64), 1e-6)
        _, _, axes = np.linalg.svd((z - self.mean) / self.scale, full_matrices=False)
        self.axes = axes[:components]

    def __call__(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        scaled = (z - self.mean) / self.scale
        return super().__call__(scaled - scaled @ self.axes.T @ self.axes)
