"""Energy-flow polynomials of jets in closed form (Komiske, Metodiev and Thaler, JHEP 04 (2018) 013)."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets, ragged_arange

Floats = NDArray[np.float64]

GRAPHS = (
    ((0, 1),),
    ((0, 1), (0, 1)),
    ((0, 1), (1, 2)),
    ((0, 1), (0, 1), (0, 1)),
    ((0, 1), (0, 1), (1, 2)),
    ((0, 1), (1, 2), (2, 3)),
    ((0, 1), (0, 2), (0, 3)),
    ((0, 1), (1, 2), (2, 0)),
)
"""Edges of the connected multigraphs with one, two and three edges, in the order of the polynomials."""

HARDEST = 200
"""Largest number of constituents of a jet that are used."""
ELEMENTS = 1 << 18
"""Number of pairs of constituents that are in memory at the same time."""

_COMPUTED: WeakKeyDictionary[Jets, dict[float, Floats]] = WeakKeyDictionary()


def energy_flow_polynomials(jets: Jets, beta: float = 2.0) -> Floats:
    """Return the eight polynomials of `GRAPHS`, float64 (B, 8): sums over constituents of z per vertex, theta per edge.

    z is a constituent's share of the summed pT, theta_ij = Delta R_ij^beta. With the matrix theta and its element-wise
    powers, all polynomials are matrix products. They are cached as long as ``jets`` exists.

    >>> energy_flow_polynomials(Jets.from_lists([[[3.0, 0.1, 0.0], [1.0, 0.0, 0.0]]]))[:, 0].round(5).tolist()
    [0.00375]
    """
    kept = _COMPUTED.setdefault(jets, {})
    if beta not in kept:
        kept[beta] = _polynomials(jets, beta)
    return kept[beta]


def _polynomials(jets: Jets, beta: float) -> Floats:
    sizes = np.minimum(jets.multiplicity, HARDEST)
    order = np.argsort(sizes, kind="stable")  # jets of similar length waste little on padding
    values = np.zeros((len(jets), len(GRAPHS)))
    start = 0
    while start < len(order):
        count = 1
        while start + count < len(order) and (count + 1) * sizes[order[start + count]] ** 2 <= ELEMENTS:
            count += 1
        rows = order[start : start + count]
        values[rows] = _padded(jets.take(rows, hardest=HARDEST), beta)
        start += count
    return values


def _padded(jets: Jets, beta: float) -> Floats:
    sizes, most = jets.multiplicity, int(jets.multiplicity.max())
    places, _ = ragged_arange(np.arange(len(jets)) * most, sizes)
    padded = np.zeros((len(jets) * most, 3))
    padded[places] = jets.constituents
    pt, eta, phi = np.moveaxis(padded.reshape(len(jets), most, 3), 2, 0)
    z = pt / pt.sum(1, keepdims=True)
    squares = (eta[:, :, None] - eta[:, None]) ** 2 + (phi[:, :, None] - phi[:, None]) ** 2
    theta = squares if beta == 2.0 else squares ** (beta / 2)
    theta2 = theta * theta

    def product(matrix: Floats, vector: Floats) -> Floats:
        result: Floats = np.matmul(matrix, vector[:, :, None])[:, :, 0]
        return result

    def total(*factors: Floats) -> Floats:
        values = factors[0]
        for factor in factors[1:]:
            values = values * factor
        sums: Floats = values.sum(1)
        return sums

    sums, sums2, sums3 = product(theta, z), product(theta2, z), product(theta2 * theta, z)
    two_edges = np.matmul(theta * z[:, None], theta)
    return np.stack(
        [
            total(z, sums),
            total(z, sums2),
            total(z, sums, sums),
            total(z, sums3),
            total(z, sums2, sums),
            total(z, sums, product(theta, z * sums)),
            total(z, sums, sums, sums),
            total(z, product(theta * two_edges, z)),
        ],
        axis=1,
    )
