"""Batch plans: against a slow version with lists, and that no jet is lost, repeated or favoured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkclr_ray.jets.batching import RUNS, BatchPlan, batch_slice
from darkclr_ray.randomness import keyed_generator


@st.composite
def plans(draw: st.DrawFn) -> BatchPlan:
    jets = draw(st.integers(1, 400))
    return BatchPlan(jets, draw(st.integers(1, jets)), draw(st.integers(0, 99)), pool=draw(st.integers(1, 500)))


def pools_by_hand(plan: BatchPlan, epoch: int) -> list[list[int]]:
    run = -(-plan.pool // RUNS)
    runs = [list(range(first, min(first + run, plan.jets))) for first in range(0, plan.jets, run)]
    order = keyed_generator("runs", plan.seed, epoch).permutation(len(runs))
    line = [jet for number in order for jet in runs[number]]
    size = plan.batch_size * max(1, plan.pool // plan.batch_size)
    pools = [line[first : first + size] for first in range(0, plan.jets, size)]
    if len(pools[-1]) < plan.batch_size:
        rest = pools.pop()
        pools[-1] += rest
    return [sorted(pool) for pool in pools]


@given(plan=plans(), epoch=st.integers(0, 5))
@settings(max_examples=200)
def test_as_by_hand(plan: BatchPlan, epoch: int):
    pools = plan.pools(epoch)
    assert [pool.rows().tolist() for pool in pools] == pools_by_hand(plan, epoch)
    assert [pool.first_step for pool in pools] == np.cumsum([0, *(pool.steps for pool in pools)])[:-1].tolist()
    seen = np.concatenate([pool.batches() for pool in pools])
    assert seen.shape == (plan.steps_per_epoch, plan.batch_size)
    assert len(np.unique(seen)) == seen.size == plan.jets - plan.left_out
    assert all(np.isin(pool.batches(), pool.rows()).all() for pool in pools)


def test_epochs_and_seeds_differ_and_repeat():
    orders = {
        (seed, epoch): np.concatenate(
            [pool.batches().ravel() for pool in BatchPlan(500, 10, seed, pool=100).pools(epoch)]
        )
        for seed in range(2)
        for epoch in range(3)
    }
    assert len({tuple(order) for order in orders.values()}) == 6
    again = np.concatenate([pool.batches().ravel() for pool in BatchPlan(500, 10, 1, pool=100).pools(2)])
    np.testing.assert_array_equal(orders[1, 2], again)


@pytest.mark.parametrize("pool", [30, 23, 7])
def test_every_jet_is_left_out_equally_often(pool: int):
    plan, epochs = BatchPlan(23, 4, 1, pool=pool), 4000
    left_out = np.zeros(23)
    for epoch in range(epochs):
        taken = np.concatenate([pool.batches().ravel() for pool in plan.pools(epoch)])
        left_out[np.setdiff1d(np.arange(23), taken)] += 1
    mean = epochs * plan.left_out / 23
    assert abs(left_out - mean).max() < 5 * np.sqrt(mean)


def test_a_pool_of_a_large_set_reads_few_runs():
    plan = BatchPlan(1_000_000, 256, 1)
    pools = plan.pools(0)
    assert len(pools) == 8
    assert max(len(pool.pieces) for pool in pools) <= RUNS + 1


def test_too_few_jets():
    with pytest.raises(ValueError, match=r"10 jets do not fill one batch of 11; .* lower the batch size to 10"):
        BatchPlan(10, 11, 1)


@given(batch=st.integers(1, 50), world=st.integers(1, 50))
def test_ranks_cut_a_batch_without_gaps(batch: int, world: int):
    if world <= batch:
        places = np.arange(batch)
        parts = [places[batch_slice(batch, rank, world)] for rank in range(world)]
        np.testing.assert_array_equal(np.concatenate(parts), places)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
