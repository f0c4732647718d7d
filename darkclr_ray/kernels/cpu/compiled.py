"""Compile C sources at first use for the machine they run on, and cache the libraries."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from darkclr_ray.fs_checks import cache_folder
from darkclr_ray.integrity import Damaged, check_sealed, replacing, seal
from darkclr_ray.kernels.available import compiler

logger = logging.getLogger(__name__)

FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fopenmp", "-shared", "-fPIC")


def compiled_for(source: Path, matmul_dtype: torch.dtype) -> ctypes.CDLL | None:
    """Return kernels for products of a dtype, or None if they are not available.

    They use the processor's matrix unit if it has one and the operating system permits it.
    """
    if matmul_dtype == torch.float32:
        return compiled(source)
    if matmul_dtype != torch.bfloat16 or not torch.cpu._is_avx512_bf16_supported():
        return None
    unit = compiled(source, "BFLOAT16", "TILES") if torch.cpu._is_amx_tile_supported() else None
    return unit if unit is not None and unit.may_multiply() else compiled(source, "BFLOAT16")


@cache
def compiled(source: Path, *macros: str) -> ctypes.CDLL | None:
    """Return the library compiled from a C source with the given macros, or None if no compiler succeeds.

    The library is cached in ``$XDG_CACHE_HOME/darkclr_ray`` (default ``~/.cache``) under the hash of all that it
    depends on, so that different machines can share the folder. If the folder is not writable, if others could change
    it, or if libraries in it cannot be loaded, every process compiles its own. A damaged library is compiled again,
    since loading it can crash the process.
    """
    headers = sorted(source.parent.glob("*.h"))
    program = shlex.split(compiler() or "") or [""]  # $CC may have several words, such as "ccache gcc"
    flags = [*FLAGS, *(f"-D{macro}" for macro in macros)]
    command = [*program, *flags, str(source)]
    try:
        version = subprocess.run([*program, "--version"], capture_output=True, check=True, timeout=60).stdout
        key = hashlib.blake2b(digest_size=16)
        for part in (
            *(file.read_bytes() for file in [source, *headers]),
            version,
            repr(flags).encode(),
            processor_flags(),
        ):
            key.update(part + b"\0")
        with tempfile.TemporaryDirectory(prefix="darkclr_ray-") as scratch:
            kept = cache_folder(Path(scratch)) / f"{source.stem}-{key.hexdigest()}.so"
            try:
                return loaded(kept, command)
            except (OSError, subprocess.CalledProcessError):
                with contextlib.suppress(OSError):
                    kept.unlink(missing_ok=True)
                return loaded(Path(scratch) / "own.so", command)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace")
        logger.info("%s is not compiled, so that networks are slower: %s\n%s", source.name, error, said)
        return None


def loaded(library: Path, command: Sequence[str]) -> ctypes.CDLL:
    """Load a library; compile it first if it does not exist, its checksum is wrong or another user has written it.

    Raises OSError, subprocess.SubprocessError.
    """
    try:
        check_sealed(library)
        if library.lstat().st_uid not in (0, os.getuid()):
            raise Damaged(f"{library}: it belongs to another user")
    except (FileNotFoundError, Damaged):
        with replacing(library, owner=str(os.getpid())) as partial:
            subprocess.run([*command, "-o", str(partial)], capture_output=True, check=True, timeout=300)
            seal(partial)
    return ctypes.CDLL(str(library))


def processor_flags() -> bytes:
    """Return the processor's features, on which the code of ``-march=native`` depends."""
    info = Path("/proc/cpuinfo")
    lines = set(info.read_bytes().splitlines()) if info.exists() else set()
    names = (b"model name", b"flags", b"Features", b"CPU part")
    return b"\n".join(sorted(line for line in lines if line.startswith(names))) + platform.machine().encode()
