"""Detect whether the compiled kernels are available, which need a C compiler on the machine they run on."""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec

import torch

LONGEST_PACKED = 256
"""Largest number of constituents per jet that the encoder's kernels on a GPU support."""


@cache
def has_kernels() -> bool:
    """Return whether there is a GPU from Ampere on, Triton (part of torch for CUDA) and the C compiler it needs."""
    if not torch.cuda.is_available() or find_spec("triton") is None or compiler() is None:
        return False
    return torch.cuda.get_device_capability() >= (8, 0)


def compiler() -> str | None:
    """Return the path of the C compiler, or None."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
