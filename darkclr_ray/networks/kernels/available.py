"""Whether kernels of our own can be had: Triton builds them on the machine that has the GPU."""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec

import torch


@cache
def has_kernels() -> bool:
    """Whether there is a GPU from Ampere on, Triton (it comes with torch for CUDA) and the C compiler that it needs."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if not torch.cuda.is_available() or find_spec("triton") is None or compiler is None:
        return False
    return torch.cuda.get_device_capability() >= (8, 0)
