"""Losses that compare jets of the whole batch: several processes give the loss and the gradients of one.

The processes have different numbers of jets. ``python test_gathered.py RANK FOLDER`` is one of them: forked, it would
lack threads that OpenMP expects.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed

from darkclr_ray.jets.batching import batch_slice
from darkclr_ray.losses.gather import Share
from darkclr_ray.losses.nt_xent import nt_xent
from darkclr_ray.settings import ContrastiveSettings
from darkclr_ray.training.contrastive import dimension_terms

JETS, RANKS = 8, 3
TERMS = ContrastiveSettings(
    variance_weight=0.5, covariance_weight=0.7, uniformity_weight=1.1, denominator_weight=1.3, temperature=0.2
)


def loss_of(network: torch.nn.Linear, first: torch.Tensor, second: torch.Tensor, share: Share) -> torch.Tensor:
    z = torch.stack([network(first), network(second)])
    return nt_xent(z[0], z[1], 0.2, share=share) + dimension_terms(z, TERMS, share)


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
    loss = loss_of(network, first[own], second[own], (own.start, JETS))
    loss.backward()
    torch.save((loss.detach(), network.weight.grad), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_gathered_is_one_process(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    workers = [start(__file__, rank, tmp_path) for rank in range(RANKS)]
    assert [process.wait(300.0) for process in workers] == [0] * RANKS
    first, second, network = batch()
    loss = loss_of(network, first, second, None)
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
