"""Contain all uses of private parts of Ray; a test searches the rest of the package for such uses.

| Private name | Version | Reason | Public alternatives that were tried |
|---|---|---|---|
| `ray._private.worker.global_worker.core_worker.kill_actor` | 2.60 | Ray Train keeps the handle of its controller to \
itself, and `TorchTrainer.fit`, which waits for the controller, cannot be interrupted from another thread | `ray.kill` \
needs the handle, and the controller has no name; SIGKILL to its process makes Ray print twelve lines about a worker \
that died; its process ignores SIGTERM |

It is not needed if `TorchTrainer.fit` runs in a separate actor: `ray.kill` of that actor also ends the controller.
"""

from __future__ import annotations


def kill_actor(actor_id: str) -> None:
    """Kill an actor of this cluster, which is not restarted.

    Args:
        actor_id: hexadecimal id, as `ray.util.state.list_actors` returns it.
    """
    import ray
    from ray._private.worker import global_worker

    core_worker = global_worker.core_worker  # type: ignore[attr-defined]
    core_worker.kill_actor(ray.ActorID.from_hex(actor_id), True)
