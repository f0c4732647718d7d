"""What workers exchange, between two real processes of torch.distributed."""

from __future__ import annotations

import textwrap

from darkclr_ray.jets.batching import rank_slice

CODE = textwrap.dedent("""
    import sys, torch
    from torch import distributed
    from darkclr_ray.jets.batching import rank_slice
    from darkclr_ray.training.parallel import agreed, gather_rows, weighted_sum

    rank, path = int(sys.argv[1]), sys.argv[2]
    distributed.init_process_group("gloo", init_method=f"file://{path}/rendezvous", rank=rank, world_size=2)
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    own = rank_slice(5, rank, 2)

    # a mean over unequal slices, weighted, is the mean over everything; several shapes travel make_batches
    mean, scalar = z[own].mean(0), z[own].square().mean()
    weighted_sum([mean, scalar], len(z[own]) / 5)
    torch.testing.assert_close(mean, z.mean(0))
    torch.testing.assert_close(scalar, z.square().mean())

    rows = z[own].clone().requires_grad_()
    everything = gather_rows(rows, own.start, 5)
    assert torch.equal(everything, z)
    everything.square().sum().backward()
    assert torch.equal(rows.grad, 2 * z[own])

    assert agreed(7, z.device) and not agreed(rank, z.device)
    distributed.destroy_process_group()
""")


def test_two_processes(start, tmp_path):
    workers = [start("-c", CODE, rank, tmp_path) for rank in range(2)]
    assert [worker.wait(300.0) for worker in workers] == [0, 0]


def test_slices_cover_everything_once():
    for total in (0, 1, 7, 64):
        for world in (1, 2, 3, 8):
            rows = [row for rank in range(world) for row in range(total)[rank_slice(total, rank, world)]]
            assert rows == list(range(total))
