"""Whether kernels of our own can be had: Triton builds them on the machine that has the GPU."""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec

import torch


@cache
def has_kernels() -> bool:
    """Whether there is a GPU, Triton (it comes with torch for CUDA) and the C compiler that it starts kernels with."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    return torch.cuda.is_available() and find_spec("triton") is not None and compiler is not None
