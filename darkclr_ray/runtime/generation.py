"""Generate jets on all cores of this machine, or on a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from darkclr_ray.jets.generation.generate import ShardTask, make_shard
from darkclr_ray.runtime.cluster import RAY_ENV, join, start
from darkclr_ray.runtime.nodes import check_shared
from darkclr_ray.runtime.private_folder import own_token, private_folder


def on_ray(
    tasks: Sequence[ShardTask], out: Path, *, workers: int | None = None, address: str | None = None
) -> Iterator[ShardTask]:
    """Make the shards of tasks as Ray tasks of one CPU each, and yield each task that is done.

    Args:
        tasks: from `darkclr_ray.jets.generation.generate.plan`.
        out: folder of the jets; all nodes must share it.
        workers: processes at a time on this machine; None takes every core.
        address: of a Ray cluster; None starts Ray on this machine, unless this process has started it already.

    Raises:
        OSError: a shard cannot be written.
        ValueError: Ray does not start or cannot be joined, a node cannot access ``out``, events give no jets, or a
            worker is lost again and again.
    """
    if not tasks:
        return
    import ray

    with _ray(workers, address):
        out = out.resolve()
        out.mkdir(parents=True, exist_ok=True)
        check_shared(out)
        make = ray.remote(num_cpus=1, max_retries=3)(make_shard)
        running = {make.remote(task, out): task for task in tasks}
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            task = running.pop(ready)
            try:
                ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error  # as it would be in this process
            except ray.exceptions.RayError as error:
                raise ValueError(
                    f"{task.path(out)}: its worker was lost again and again ({type(error).__name__}); are the nodes "
                    f"up, and does their memory suffice? The same command goes on, with fewer --workers, too"
                ) from error
            yield task


@contextmanager
def _ray(workers: int | None, address: str | None) -> Iterator[None]:
    """Start or join Ray, unless this process has, and shut down what was started."""
    import ray

    if ray.is_initialized():
        yield
        return
    for name, value in RAY_ENV.items():
        os.environ.setdefault(name, value)
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with ExitStack() as stack:
        if address:
            join(address, **options)
        else:
            folder = stack.enter_context(private_folder())
            own_token(folder)
            start(folder / "ray", num_cpus=workers, include_dashboard=False, **options)
        stack.callback(ray.shutdown)
        yield
