"""Limits of the hardware (matrix products, memory traffic), and a description of the machine."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import numpy as np
import torch

from darkclr_ray.benchmarks.timing import alternate
from darkclr_ray.kernels.registry import implementations_of
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.networks.precision import products_dtype
from darkclr_ray.settings import EncoderSettings, NAESettings
from darkclr_ray.training.base import place

SIDE = {"cpu": 1536, "cuda": 8192}
"""Dimension of the square matrices that are multiplied; one product takes a few tens of milliseconds."""


@cache
def product_rate(dtype: torch.dtype, device: str = "cpu") -> float:
    """Return the floating-point operations per second of a large matrix product in the fastest library of torch."""
    side = SIDE[device]
    a, b = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))

    def product() -> float:
        torch.mm(a, b)
        return 2.0 * side**3

    ways = {"mm": product}
    if device == "cpu" and dtype == torch.float32:
        # torch uses MKL for float32, which is slow on processors not made by Intel; oneDNN is measured as well

        def pointwise() -> float:
            torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
            return 2.0 * side**3

        ways["onednn"] = pointwise
    rates = alternate(ways, 15, least=0.1)
    return max(max(measured) for measured in rates.measured.values())


@cache
def copy_rate() -> float:
    """Return the bytes per second, read plus written, of a copy on one core that exceeds the caches."""
    source = np.ones(2**24, dtype=np.float64)
    target = np.empty_like(source)

    def copy() -> float:
        np.copyto(target, source)
        return 2.0 * source.nbytes

    return max(alternate({"copy": copy}, 5, least=0.1).measured["copy"])


def automatic(device: str = "cpu") -> torch.dtype:
    """Return the type of matrix products that the precision "auto" selects on this hardware."""
    return products_dtype("auto", device)


def describe() -> dict[str, str]:
    """Return a description of the machine: processor, cores, threads of torch, load, memory, GPU, versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "units": ", ".join(units()) or "none for bfloat16",
        "kernels": kernels("cpu"),
        "threads of torch": str(torch.get_num_threads()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "GPU": gpu if gpu == "none" else f"{gpu}, kernels: {kernels('cuda')}",
        "versions": f"torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}",
        "products": str(automatic("cuda" if torch.cuda.is_available() else "cpu")).removeprefix("torch."),
    }


def kernels(device: str) -> str:
    """Return which implementations the networks of the paper have on a device."""
    networks = torch.nn.ModuleList([Encoder(EncoderSettings()), Autoencoder(EncoderSettings().d_z, NAESettings())])
    place(networks, torch.device(device), str(automatic(device)).removeprefix("torch."))
    return ", ".join(f"{network}: {name}" for network, name in implementations_of(networks).items())


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def units() -> list[str]:
    """Return the names of the processor's units for bfloat16."""
    found = {
        "AVX512-BF16": torch.cpu._is_avx512_bf16_supported(),
        "AMX": torch.cpu._is_amx_tile_supported(),
    }
    return [name for name, there in found.items() if there]
