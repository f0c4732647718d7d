"""A study on hosts that nothing joins but a network and a folder; one of them fails, one does not see the folder."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .hosts import ENVIRONMENT, SHARED, Host, Hosts, in_tmp, privileged
from .nodes import FEEDS, TRAINS
from .study_run import StudyRun, named, same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not privileged(), reason="only root, with Linux's namespaces, can make hosts"),
    pytest.mark.skipif(in_tmp(), reason="hosts have a /tmp of their own: this code or this Python is in it"),
]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, jet_folder: Path) -> Iterator[Hosts]:
    shared = tmp_path_factory.mktemp("shared")
    shutil.copytree(jet_folder, shared / "jets")
    hosts = Hosts(shared)
    try:
        hosts.start()
        for name in ("a", "b"):
            hosts.join(name)
        yield hosts
    finally:
        hosts.shutdown()


@pytest.fixture
def run(hosts: Hosts, tmp_path: Path, tiny_options: list[str]) -> Iterator[StudyRun]:
    hosts.until(lambda: hosts.alive() == {host.address for host in hosts.hosts})  # Ray knows who is left
    out = hosts.shared / tmp_path.name
    out.mkdir()
    run = StudyRun(out, SHARED / "jets", tiny_options, prefix=hosts.head.command(), there=SHARED / tmp_path.name)
    run.options |= {"--compute.cpus_per_worker": "1", "--address": hosts.address}
    run.environment |= ENVIRONMENT
    yield run
    run.end()


def test_a_host_that_does_not_see_the_folder_is_found_before_the_first_trial(hosts: Hosts, run: StudyRun) -> None:
    blind = hosts.add("blind")
    subprocess.run(blind.command("mount", "-t", "tmpfs", "results", str(SHARED)), check=True)
    hosts.joins(blind)
    run.start()
    run.finish(2)
    assert f"node {blind.address} cannot access this folder" in run.screen()
    assert "Traceback" not in run.screen()
    assert not run.folder.exists()
    hosts.lose(blind)


def power(hosts: Hosts, host: Host) -> None:
    hosts.hosts.remove(host)
    host.power_cut()


def network(hosts: Hosts, host: Host) -> None:
    """What runs on it goes on for a while, and sees the folder."""
    host.net("link", "set", "eth0", "down")


@pytest.mark.parametrize("lost", [power, network])
def test_a_host_that_is_lost_is_replaced_by_one_that_joins(
    lost: Callable[[Hosts, Host], None],
    hosts: Hosts,
    run: StudyRun,
    undisturbed: StudyRun,
    witness: Any,
    chance: random.Random,
) -> None:
    run.start()
    run.until(lambda: any(named(host.processes(), TRAINS) for host in hosts.hosts))
    time.sleep(chance.uniform(0.0, 3.0))
    (training,) = (host for host in hosts.hosts if named(host.processes(), TRAINS))
    with witness(f"a host without {lost.__name__}, another joins and is used", run):
        lost(hosts, training)
        joined = hosts.join(lost.__name__)
    run.until(lambda: named(joined.processes(), TRAINS, FEEDS))
    run.finish()
    same(run, undisturbed)
