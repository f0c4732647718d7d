"""Random numbers that are a function of their key only, not of the state of a generator.

A transformation of a jet draws from a SplitMix64 sequence (Steele, Lea and Flood, OOPSLA 2014) that depends only on
(seed, epoch, jet id, transformation, draw): the numbers of a jet are the same, bit for bit, in any batch, order,
process or retry. SplitMix64 is a counter hashed by a bijection of 64 bits, so that any number of a sequence can be
computed without the ones before it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_GOLDEN = 0x9E3779B97F4A7C15  # SplitMix64's step: 2**64 over the golden ratio, odd
_STREAMS = np.uint64(_GOLDEN)


@lru_cache(maxsize=1024)
def digest(*key: int | str) -> int:
    """Return a 64-bit hash of a tuple of integers and strings (blake2b).

    >>> digest("views", 1, 0) == digest("views", 1, 0), digest("views", 1, 0) == digest("views", 0, 1)
    (True, False)
    """
    return int.from_bytes(hashlib.blake2b(json.dumps(key).encode(), digest_size=8).digest(), "little")


def stable_id(*parts: str | int) -> int:
    """Return a 63-bit hash of the parts, unique in practice (two of a million are equal with probability 5e-8).

    >>> stable_id("a", 1) == stable_id("a", 1) != stable_id("a", 2)
    True
    """
    digest = hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return a numpy generator (Philox) that is seeded by a tuple of integers and strings.

    >>> bool(keyed_generator("order", 1, 5).random() == keyed_generator("order", 1, 5).random())
    True
    """
    return np.random.Generator(np.random.Philox(key=[digest("low", *key), digest("high", *key)]))


def reseed(generator: torch.Generator, *key: int | str) -> None:
    """Seed torch's generator by a key, independently of earlier draws; it is used for dropout and chains."""
    generator.manual_seed(digest(*key) >> 1)


@dataclass(frozen=True, eq=False)
class KeyedRNG:
    """Random numbers of one transformation in one view, for B jets with M constituents.

    ``number`` distinguishes the draws of one transformation. Numbers of jets and of constituents are independent.

    Attributes:
        states: uint64 (B,): start of each jet's sequence.
    """

    states: NDArray[np.uint64]

    @staticmethod
    def keyed(ids: NDArray[np.int64], *, seed: int, epoch: int, transformation: str, draw: int) -> KeyedRNG:
        """Return the draws of the jets with these ids, (B,); equal keys give equal numbers."""
        return KeyedRNG.keyed_by(ids, "views", seed, epoch, transformation, draw)

    @staticmethod
    def keyed_by(ids: NDArray[np.integer], *key: int | str) -> KeyedRNG:
        """Return the numbers that belong to these ids, (B,), and a key of integers and strings."""
        return KeyedRNG(_mixed(_mixed(ids.astype(np.uint64)) ^ np.uint64(digest(*key))))

    def of(self, jets: NDArray[np.int64] | slice) -> KeyedRNG:
        """Return the draws of the jets at these positions."""
        return KeyedRNG(self.states[jets])

    def derived(self, purpose: str) -> KeyedRNG:
        """Return further draws of the same jets, independent of these."""
        return KeyedRNG(_mixed(self.states ^ np.uint64(digest("derived", purpose))))

    def uniform(self, offsets: NDArray[np.int64] | None = None, number: int = 0) -> NDArray[np.floating]:
        """Return uniform numbers in [0, 1): float64 (B,), one per jet, or float32 (M,), one per constituent.

        ``offsets`` (B + 1,) select one number per constituent.
        """
        bits = self._bits(offsets, number)
        wide = offsets is None
        bits >>= np.uint64(11 if wide else 40)
        uniform: NDArray[np.floating] = bits.astype(np.float64 if wide else np.float32)
        uniform *= 2.0 ** (-53 if wide else -24)
        return uniform

    def normal(self, offsets: NDArray[np.int64] | None = None, number: int = 0) -> NDArray[np.floating]:
        """Return normal numbers: float64 (B,), one per jet, or with ``offsets`` float32 (M,), one per constituent.

        They have mean 0, variance 1 and absolute values up to 6.7, and are computed by the Box-Muller method from the
        two halves of 64 bits.
        """
        bits = self._bits(offsets, number)
        radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)) + 0.5) * 2.0**-32))
        normal: NDArray[np.floating] = radius * np.cos((2.0 * np.pi * 2.0**-32) * (bits & np.uint64(0xFFFFFFFF)))
        return normal if offsets is None else normal.astype(np.float32)

    def random_bytes(self, words: range) -> NDArray[np.uint8]:
        """Return random bytes, (B, 8 words): eight from each of the ``words`` of 64 bits of a jet's sequence."""
        steps = np.arange(words.start + 1, words.stop + 1, dtype=np.uint64) * _STREAMS
        return _mixed(self.states[:, None] + steps).astype("<u8", copy=False).view(np.uint8)

    def _bits(self, offsets: NDArray[np.int64] | None, number: int) -> NDArray[np.uint64]:
        # counters: jets number + 1, constituents (number + 1) 2^32 + position in the jet
        if offsets is None:
            return _mixed(self.states + np.uint64((number + 1) * _GOLDEN % 2**64))
        first = np.uint64(((number + 1) << 32) * _GOLDEN % 2**64)
        starts = self.states + first - offsets[:-1].astype(np.uint64) * _STREAMS
        bits = np.arange(offsets[-1], dtype=np.uint64)
        bits *= _STREAMS
        bits += np.repeat(starts, np.diff(offsets))
        return _mixed(bits)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the bits hashed by SplitMix64's finaliser (Stafford's variant 13), a bijection, in place."""
    other = bits >> np.uint64(30)
    bits ^= other
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(bits, np.uint64(27), out=other)
    bits ^= other
    bits *= np.uint64(0x94D049BB133111EB)
    np.right_shift(bits, np.uint64(31), out=other)
    bits ^= other
    return bits
