"""Configure glibc's memory allocator for arrays that are freed and allocated again in every step."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
LARGEST_BLOCK = 2**25
"""Size in bytes of the largest block that glibc allocates from its heap (32 MB)."""
KEPT = 2**28
"""Largest amount of freed memory in bytes that a process keeps."""


@cache
def keep_freed_memory() -> None:
    """Configure glibc to keep up to 256 MB of freed memory per process; do nothing with other C libraries.

    By default each large array consists of new pages from the kernel, which are zeroed, and returned when the array is
    freed. This takes a tenth of a training step and a quarter of an augmentation, which allocate the same sizes again.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
