"""Compressed data inside a page: gzip, written in 91 printable characters that a script element can contain."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np

FIRST, EXCLUDED = ord("#"), ord("<")
"""The characters are "#" to "~" without "<", so that no text ends the script element or begins a comment in it."""

BASE, BITS = 91, 13
"""Two characters hold 13 bits, since 91² > 2¹³; so 1.23 characters hold a byte, where base64 needs 1.33."""


@dataclass(frozen=True)
class Packed:
    """Compressed data as text; ``size`` is the number of compressed bytes, without the bits that fill the last pair."""

    text: str
    size: int


def pack(data: bytes) -> Packed:
    """Return data as compressed text; ``unpack`` in ``page.js`` is the inverse."""
    compressed = gzip.compress(data, compresslevel=9, mtime=0)
    bits = np.unpackbits(np.frombuffer(compressed, dtype=np.uint8))
    bits = np.append(bits, np.zeros(-len(bits) % BITS, dtype=np.uint8))
    pairs = np.packbits(bits.reshape(-1, BITS), axis=1).view(">u2").ravel() >> (16 - BITS)
    codes = np.stack(np.divmod(pairs, BASE), axis=1).ravel() + FIRST
    codes += codes >= EXCLUDED
    return Packed(codes.astype(np.uint8).tobytes().decode("ascii"), len(compressed))
