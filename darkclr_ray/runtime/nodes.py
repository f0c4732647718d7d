"""Checks that are performed on every node of a cluster."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKEN = ".shared-"
"""Prefix of the files with which nodes check that they share a folder."""


def check_shared(folder: Path) -> None:
    """Raise ValueError unless every node of the cluster can access the same folder."""
    folder = folder.resolve()
    token = folder / f"{TOKEN}{uuid.uuid4().hex}"
    try:
        token.write_text("seen")
        for node in failing_nodes(can_access, str(token)):
            raise ValueError(
                f"{folder}: node {node} cannot access this folder; point --out at storage that all nodes share (NFS, "
                f"for example)"
            )
    finally:
        token.unlink(missing_ok=True)


def failing_nodes(question: Callable[..., bool], *arguments: Any) -> list[str]:
    """Call a function on every node, if there are several; return the addresses of those where it returns False.

    Raises ValueError if a node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if len(nodes) < 2:
        return []
    there = ray.remote(num_cpus=0)(question)
    places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    answers = [there.options(scheduling_strategy=place).remote(*arguments) for place in places]
    failing = []
    for node, answer in zip(nodes, answers, strict=True):
        try:
            if not ray.get(answer, timeout=60):
                failing.append(node["NodeManagerAddress"])
        except ray.exceptions.RayError as error:
            raise ValueError(
                f"node {node['NodeManagerAddress']} does not answer ({type(error).__name__}); take it out of the "
                f"cluster, or wait until it is back"
            ) from error
    return failing


def can_access(path: str) -> bool:
    """Whether this node can read and write beside a file."""
    file = Path(path)
    beside = file.with_name(f"{file.name}-{os.getpid()}")
    try:
        try:
            beside.write_text("written")
        finally:
            beside.unlink(missing_ok=True)
        return file.read_text() == "seen"
    except OSError:
        return False
