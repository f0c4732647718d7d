"""Nodes of one Ray cluster on this machine, each with processes of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
from contextlib import suppress
from typing import Any

from ray.cluster_utils import Cluster

from .study_run import family, named

STORE = 200 * 2**20


class Nodes:
    """A head without CPUs, and nodes of one CPU each that come and go."""

    def __init__(self, count: int, object_store: int = STORE) -> None:
        self.object_store = object_store
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": True, "dashboard_port": free_port()}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list[Any] = []
        self.fill(count)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def metrics(self) -> list[str]:
        """Where the nodes tell of themselves."""
        return [
            f"http://127.0.0.1:{node.metrics_export_port}/metrics" for node in (self.cluster.head_node, *self.nodes)
        ]

    def fill(self, count: int) -> None:
        """Add nodes until there are as many."""
        while len(self.nodes) < count:
            self.add()

    def add(self) -> Any:
        node = self.cluster.add_node(num_cpus=1, object_store_memory=self.object_store)
        self.nodes.append(node)
        return node

    def lose(self, node: Any) -> None:
        """End a node at once, as a power cut does."""
        processes = self.processes(node)
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def processes(self, node: Any) -> set[int]:
        """All of a node's processes."""
        started = [info.process.pid for infos in node.all_processes.values() for info in infos]
        return set().union(*(family(pid) for pid in started))

    def find(self, name: bytes) -> tuple[Any, int] | None:
        """A node that has a process of this name, and the process."""
        for node in self.nodes:
            for pid in named(self.processes(node), name):
                return node, pid
        return None

    def shutdown(self) -> None:
        self.cluster.shutdown()


TRAINS = b"RayTrainWorker"
FEEDS = b"ray::MapBatches"


def free_port() -> int:
    """A port that nobody listens on, below those that the system hands out to whoever connects meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
