"""Whether kernels of our own can be had: they are built on the machine that they run on, by its C compiler."""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec

import torch


@cache
def has_kernels() -> bool:
    """Whether there is a GPU from Ampere on, Triton (it comes with torch for CUDA) and the C compiler that it needs."""
    if not torch.cuda.is_available() or find_spec("triton") is None or compiler() is None:
        return False
    return torch.cuda.get_device_capability() >= (8, 0)


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
