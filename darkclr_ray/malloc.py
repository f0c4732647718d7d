"""Memory that is freed and asked for again, step after step."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
LARGEST_BLOCK = 2**25
"""The largest block that glibc lets come from its heap, 32 MB."""
KEPT = 2**28
"""Freed memory that a process keeps for itself, at most, in bytes."""


@cache
def keep_freed_memory() -> None:
    """Has glibc keep freed memory, up to 256 MB a process; elsewhere nothing is done.

    By default each large array is new pages from the kernel, zeroed one by one, and goes back when it is freed: a tenth
    of a training step and a quarter of an augmentation. Both want the same sizes again at once.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
