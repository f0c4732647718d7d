"""Charge and visibility of particles by PDG number, for events that Pythia makes and for records of other programs.

Numbers follow the Review of Particle Physics, "Monte Carlo particle numbering scheme"; properties are those of
Pythia's particle table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NUCLEI = 1_000_000_000
BEYOND_STANDARD_MODEL = 1_000_000


class ParticleTable:
    """Look up particles by PDG number.

    A particle is visible to a detector if it has electric or colour charge, is a photon, or is made of such particles:
    this is the rule of Pythia's ``isVisible``. That flag is true by default for particles that a file defines itself,
    and false for those that Pythia does not know; beyond the Standard Model the charges decide.
    """

    def __init__(self, table: Any, invisible: Collection[int] = ()) -> None:
        """Read properties from ``table``, Pythia's ``particleData``; numbers in ``invisible`` are always invisible."""
        self._table, self._invisible = table, {abs(number) for number in invisible}
        self._found: dict[int, tuple[float, bool]] = {}
        self._unknown: Counter[int] = Counter()

    def __call__(self, number: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the charge [e] of each particle and whether it is visible, (K,) each, from PDG numbers (K,)."""
        kinds = pa.array(number).dictionary_encode()
        place = kinds.indices.to_numpy()
        for kind, count in zip(kinds.dictionary.to_pylist(), np.bincount(place).tolist(), strict=True):
            if kind not in self._found:
                self._found[kind] = self._table.charge(kind), self._is_visible(abs(kind))
            if self._is_unknown(abs(kind)):
                self._unknown[abs(kind)] += count
        found = [self._found[kind] for kind in kinds.dictionary.to_pylist()]
        charge = np.array([charge for charge, _ in found], dtype=np.float64)
        return charge[place], np.array([visible for _, visible in found], dtype=np.bool_)[place]

    def take_unknown(self) -> Counter[int]:
        """Return how many particles of each number without known properties were looked up since the last call.

        These numbers are not in Pythia's table, are not those of hadrons or nuclei, and are not named as invisible.
        Such particles count as invisible.
        """
        unknown, self._unknown = self._unknown, Counter()
        return unknown

    def _is_unknown(self, kind: int) -> bool:
        return not (kind in self._invisible or self._table.isParticle(kind) or is_composite(kind))

    def _is_visible(self, kind: int) -> bool:
        if kind in self._invisible:
            return False
        if not self._table.isParticle(kind):
            return is_composite(kind)
        neutral = self._table.charge(kind) == 0 and self._table.colType(kind) == 0 and not is_composite(kind)
        return bool(self._table.isVisible(kind)) and not (neutral and kind >= BEYOND_STANDARD_MODEL)


def is_composite(number: int) -> bool:
    """Return whether an absolute PDG number is that of a hadron or of a nucleus.

    Digits are n, n_r, n_L, n_q1, n_q2, n_q3, n_J: hadrons contain the quarks n_q2 and n_q3. The first digit is 0 for
    ordinary hadrons, 9 for those outside the quark model (but not 99, which is reserved for single programs), and 1 for
    R-hadrons. Nuclei are 10LZZZAAAI.

    >>> [is_composite(number) for number in (211, 130, 9010221, 1000612, 1000010020)]
    [True, True, True, True, True]
    >>> [is_composite(number) for number in (22, 12, 52, 1000022, 5000521, 4900111, 9900012)]
    [False, False, False, False, False, False, False]
    """
    if number >= NUCLEI:
        return number < 2 * NUCLEI
    quarks = number // 10 % 10 > 0 and number // 100 % 10 > 0
    return quarks and number // 100_000 < 99 and number // 1_000_000 in (0, 1, 9)
