"""What tests of several parts of the package share."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator

import hypothesis
import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported: kernels for a GPU run without one

from darkclr_ray.jets.packed import Jets

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A session compiles its kernels itself, which takes seconds: none that somebody left are tested in their place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def toy_jets() -> Callable[..., Jets]:
    """Makes jets at random: ``toy_jets(count, seed=0, most=60)`` with 1 to ``most`` constituents each."""
    return make_toy_jets


def make_toy_jets(count: int, seed: int = 0, most: int = 60) -> Jets:
    random = np.random.default_rng(seed)
    sizes = random.integers(1, most + 1, count)
    jets = []
    for size in sizes:
        pt = np.sort(random.exponential(6.0, size) + 0.5)[::-1]
        jets.append(np.column_stack([pt, random.normal(0.0, 0.25, (size, 2)).clip(-0.8, 0.8)]).tolist())
    toys = Jets.from_lists(jets)
    ids = random.integers(0, 2**62, count)
    kinematics = toys.kinematics.copy()
    kinematics[:, 1] = random.uniform(-2.0, 2.0, count)
    kinematics[:, 2] = random.uniform(-np.pi, np.pi, count)
    kinematics[:, 3] = 0.1 * kinematics[:, 0]
    return Jets(toys.constituents, toys.offsets, ids, ids // 2, kinematics)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts Python with these arguments, on one thread, in a process that does not outlive its test."""
    processes = []

    def begin(*arguments: object) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen([sys.executable, *map(str, arguments)], env=environment))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Ray on this machine with two CPUs, whatever the machine has; the same for all tests that ask for it."""
    import ray
    import ray.data

    ray.init(address="local", num_cpus=2, object_store_memory=10**9, log_to_driver=False, logging_level="ERROR")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        ray.data.DataContext.get_current()  # warns of its own defaults, once
    yield
    ray.shutdown()
