"""Two processes with gathered negatives give the loss and the gradients of one."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed
import torch.multiprocessing

from darkclr_ray.losses.nt_xent import nt_xent


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.nn.Linear]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 8, 5, generator=generator)
    network = torch.nn.Linear(5, 3)
    with torch.no_grad():
        network.weight.copy_(torch.randn(3, 5, generator=generator))
    return first, second, network


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    first, second, network = batch()
    own = slice(4 * rank, 4 * rank + 4)
    loss = nt_xent(network(first[own]), network(second[own]), 0.2, gather=True)
    loss.backward()
    torch.save((loss.detach(), network.weight.grad), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_gathered_is_one_process(tmp_path: Path) -> None:
    torch.multiprocessing.start_processes(worker, (str(tmp_path),), nprocs=2, start_method="fork")
    first, second, network = batch()
    loss = nt_xent(network(first), network(second), 0.2)
    loss.backward()
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    torch.testing.assert_close((parts[0][0] + parts[1][0]) / 2, loss.detach())
    torch.testing.assert_close((parts[0][1] + parts[1][1]) / 2, network.weight.grad)
