"""Processes with gathered negatives, not all with as many jets, give the loss and the gradients of one.

``python test_nt_xent_gathered.py RANK FOLDER`` is one of them: forked, it would lack threads that OpenMP expects.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed

from darkclr_ray.jets.batching import batch_slice
from darkclr_ray.losses.nt_xent import nt_xent

JETS, RANKS = 8, 3


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.nn.Linear]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, JETS, 5, generator=generator)
    network = torch.nn.Linear(5, 3, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.randn(3, 5, generator=generator))
    return first, second, network


def worker(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS)
    first, second, network = batch()
    own = batch_slice(JETS, rank, RANKS)
    loss = nt_xent(network(first[own]), network(second[own]), 0.2, share=(own.start, JETS))
    loss.backward()
    torch.save((loss.detach(), network.weight.grad), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_gathered_is_one_process(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    workers = [start(__file__, rank, tmp_path) for rank in range(RANKS)]
    assert [process.wait(300.0) for process in workers] == [0] * RANKS
    first, second, network = batch()
    loss = nt_xent(network(first), network(second), 0.2)
    loss.backward()
    loss_of_ranks, gradient_of_ranks = torch.zeros(()), torch.zeros_like(network.weight)
    for rank in range(RANKS):
        own = batch_slice(JETS, rank, RANKS)
        weight = (own.stop - own.start) / JETS
        part_of_loss, part_of_gradient = torch.load(tmp_path / f"{rank}.pt")
        loss_of_ranks += weight * part_of_loss
        gradient_of_ranks += weight * part_of_gradient
    torch.testing.assert_close(loss_of_ranks, loss.detach())
    torch.testing.assert_close(gradient_of_ranks, network.weight.grad)


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2])
