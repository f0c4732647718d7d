"""A study on several nodes, some of which are lost; each ends with the scores of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import EPOCHS
from .nodes import FEEDS, TRAINS, Nodes
from .study_run import StudyRun, same

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes(2)
    yield nodes
    nodes.shutdown()


@pytest.fixture(scope="module")
def undisturbed(undisturbed_longer: StudyRun) -> StudyRun:
    return undisturbed_longer


@pytest.fixture
def run(run: StudyRun, nodes: Nodes) -> StudyRun:
    nodes.fill(2)
    run.options |= EPOCHS | {"--compute.cpus_per_worker": "1", "--address": nodes.address}
    return run


def located(run: StudyRun, nodes: Nodes, name: bytes) -> tuple[Any, int]:
    """Waits for a process of this name; its node, and its number."""
    found: list[tuple[Any, int]] = []

    def look() -> bool:
        place = nodes.find(name)
        found.extend([place] if place else [])
        return bool(found)

    run.until(look)
    return found[-1]


def kill_process(name: bytes) -> Callable[[StudyRun, Nodes], None]:
    def fault(run: StudyRun, nodes: Nodes) -> None:
        os.kill(located(run, nodes, name)[1], signal.SIGKILL)

    return fault


def lose_node(name: bytes) -> Callable[[StudyRun, Nodes], None]:
    """A node joins, and the one that has a process of this name goes.

    To train an encoder takes two CPUs, and two nodes of one are left: the study's end shows that the one that joined
    was used.
    """

    def fault(run: StudyRun, nodes: Nodes) -> None:
        located(run, nodes, name)
        nodes.add()
        node, _ = located(run, nodes, name)
        nodes.lose(node)

    return fault


FAULTS = {
    "a training worker killed": kill_process(TRAINS),
    "a data task's worker killed": kill_process(FEEDS),
    "the node that trains lost, another joins and is used": lose_node(TRAINS),
    "the node that feeds lost, another joins and is used": lose_node(FEEDS),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_lost_is_made_good(
    fault: str, run: StudyRun, nodes: Nodes, undisturbed: StudyRun, witness: Any, chance: random.Random
) -> None:
    run.start()
    if "feeds" not in fault and "data" not in fault:
        run.until_checkpoint()
        time.sleep(chance.uniform(0.0, 0.5))
    with witness(fault, run):
        FAULTS[fault](run, nodes)
    run.finish()
    same(run, undisturbed)
