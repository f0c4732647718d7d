"""Views: what a batch holds, that a jet's views are its own, and the stream from memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkclr_ray.augmentations.views import MemoryViews, ViewBatch, make_views
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.settings import InputSettings, ViewSettings

EVERYTHING = ViewSettings(
    anchor=("rotation", "smearing", "splitting"),
    positive=("translation", "rotation", "translation"),
    anomalous=("dropping", "rotation", "translation"),
    p_drop=(0.2, 0.9),
)
"""All transformations, one of them twice in a view."""


def view_of(batch: ViewBatch, view: int, jet: int) -> np.ndarray:
    number = view * len(batch) + jet
    return batch.constituents[batch.offsets[number] : batch.offsets[number + 1]]


def equal(one: ViewBatch, other: ViewBatch) -> bool:
    arrays = all(np.array_equal(getattr(one, x), getattr(other, x)) for x in ("constituents", "offsets", "ids"))
    return arrays and (one.views, one.epoch, one.step) == (other.views, other.epoch, other.step)


@given(data=st.data(), count=st.integers(1, 40), scale=st.sampled_from(["gev", "fraction"]))
@settings(max_examples=60)
def test_views_of_a_jet_do_not_depend_on_its_batch(toy_jets: Callable[..., Jets], data, count, scale):
    jets = toy_jets(40, seed=5)
    inputs = InputSettings(pt=scale)
    everyone = make_views(jets, EVERYTHING, inputs, seed=1, epoch=3)
    chosen = np.array(data.draw(st.permutations(range(40))))[:count]
    some = make_views(jets.take(chosen), EVERYTHING, inputs, seed=1, epoch=3)
    np.testing.assert_array_equal(some.ids, jets.ids[chosen])
    for view in range(3):
        for place, jet in enumerate(chosen):
            np.testing.assert_array_equal(view_of(some, view, place), view_of(everyone, view, jet))


def test_large_batches_and_single_jets_agree(toy_jets: Callable[..., Jets]):
    jets = toy_jets(3000)
    together = make_views(jets, EVERYTHING, InputSettings(), seed=1, epoch=0)
    for jet in range(0, 3000, 150):
        alone = make_views(jets.take(np.array([jet])), EVERYTHING, InputSettings(), seed=1, epoch=0)
        for view in range(3):
            np.testing.assert_array_equal(view_of(alone, view, 0), view_of(together, view, jet))


def test_views_follow_seed_and_epoch(toy_jets: Callable[..., Jets]):
    jets = toy_jets(20)
    one, same, epoch, seed = (
        make_views(jets, ViewSettings(), InputSettings(), seed=seed, epoch=epoch)
        for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    )
    assert equal(one, same)
    for other in (epoch, seed):
        anchors = one.constituents[: one.offsets[20]], other.constituents[: other.offsets[20]]
        alone = np.repeat(jets.multiplicity == 1, np.minimum(jets.multiplicity, 50))  # these stay at the origin
        np.testing.assert_array_equal(anchors[0][:, 1] == anchors[1][:, 1], alone)


def test_every_transformation_draws_alone():
    """Two translations in a row shift by two draws; the three views by their own, but for the anchor's angle."""
    jets = Jets.from_lists([[[3.0, 0.4, 0.0], [3.0, -0.4, 0.1]]] * 4)
    twice = ViewSettings(anchor=("translation",), positive=("translation",), anomalous=("translation", "translation"))
    batch = make_views(jets, twice, InputSettings(), seed=1, epoch=0)
    plain, _ = network_inputs(jets, InputSettings())
    shifts = [batch.constituents[batch.offsets[4 * view] :][:8:2, 1] - plain[::2, 1] for view in range(3)]
    assert len(np.unique(np.concatenate([*shifts, shifts[0] - shifts[2], 2 * shifts[2]]))) == 20

    turned = make_views(
        jets,
        ViewSettings(anchor=("rotation",), positive=("rotation",), anomalous=("rotation",)),
        InputSettings(),
        seed=1,
        epoch=0,
    )
    anchor, positive, anomalous = np.split(turned.constituents, 3)
    np.testing.assert_array_equal(anchor, anomalous)
    assert not np.any(anchor[:, 1:] == positive[:, 1:])


def test_inputs_by_hand(toy_jets: Callable[..., Jets]):
    jets = toy_jets(60)
    for inputs in (InputSettings(constituents=20), InputSettings(constituents=20, pt="fraction"), InputSettings()):
        constituents, offsets = network_inputs(jets, inputs)
        for jet in range(len(jets)):
            rows = jets.constituents[jets.offsets[jet] : jets.offsets[jet + 1]][: inputs.constituents].astype(float)
            pt = rows[:, 0]
            rows[:, 1:] -= (pt[:, None] * rows[:, 1:]).sum(0) / pt.sum()
            rows[:, 0] /= 300.0 if inputs.pt == "gev" else jets.pt[jet]
            np.testing.assert_allclose(constituents[offsets[jet] : offsets[jet + 1]], rows, rtol=1e-6, atol=1e-6)


def test_nothing_is_centred_again(toy_jets: Callable[..., Jets]):
    jets = toy_jets(300).hardest(50)
    batch = make_views(jets, ViewSettings(anchor=(), positive=()), InputSettings(), seed=1, epoch=0)
    centroids = np.array(
        [
            [np.average(view_of(batch, view, jet)[:, 1], weights=view_of(batch, view, jet)[:, 0]) for jet in range(300)]
            for view in range(3)
        ]
    )
    assert abs(centroids[:2]).max() < 1e-5
    assert abs(centroids[2]).mean() > 0.1


def test_layout(toy_jets: Callable[..., Jets]):
    jets = toy_jets(7)
    for array in (jets.constituents, jets.offsets, jets.ids):
        array.setflags(write=False)
    batch = make_views(jets, ViewSettings(), InputSettings(), seed=1, epoch=2, step=5)
    assert (batch.views, batch.epoch, batch.step, len(batch)) == (3, 2, 5, 7)
    assert (batch.constituents.dtype, batch.offsets.dtype, batch.ids.dtype) == (np.float32, np.int64, np.int64)
    assert batch.constituents.flags.c_contiguous
    assert len(batch.offsets) == 22
    assert batch.offsets[-1] == len(batch.constituents)
    np.testing.assert_array_equal(np.diff(batch.offsets[:8]), np.minimum(jets.multiplicity, 50))
    pair = make_views(jets, ViewSettings(anomalous=()), InputSettings(), seed=1, epoch=2)
    assert (pair.views, len(pair.offsets)) == (2, 15)
    np.testing.assert_array_equal(pair.constituents, batch.constituents[: batch.offsets[14]])


def test_unknown_transformation(toy_jets: Callable[..., Jets]):
    sample = TrainingSample(toy_jets(5))
    with pytest.raises(ValueError, match="did you mean 'translation'"):
        MemoryViews(sample, ViewSettings(anchor=("translate",)), InputSettings(), batch_size=2, seed=1)
    with pytest.raises(ValueError, match="5 jets do not fill one batch of 6"):
        MemoryViews(sample, ViewSettings(), InputSettings(), batch_size=6, seed=1)


def test_stream_from_memory(toy_jets: Callable[..., Jets]):
    jets = toy_jets(53)
    source = MemoryViews(TrainingSample(jets), ViewSettings(), InputSettings(), batch_size=8, seed=1, pool=20)
    batches = list(source.stream(0, 4))
    assert [(batch.epoch, batch.step) for batch in batches] == [(e, s) for e in range(4) for s in range(6)]
    assert source.steps_per_epoch == 6
    place = {number: place for place, number in enumerate(jets.ids.tolist())}
    for batch in batches:
        taken = jets.take(np.array([place[number] for number in batch.ids.tolist()]))
        again = make_views(taken, ViewSettings(), InputSettings(), seed=1, epoch=batch.epoch, step=batch.step)
        assert equal(again, batch)
    orders = {tuple(np.concatenate([b.ids for b in batches if b.epoch == epoch]).tolist()) for epoch in range(4)}
    assert len(orders) == 4
    assert all(len(set(order)) == 48 for order in orders)
    assert all(map(equal, source.stream(2, 4), batches[12:]))  # taken up again in the middle


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_each_batch(toy_jets: Callable[..., Jets], world: int):
    source = MemoryViews(TrainingSample(toy_jets(40)), ViewSettings(), InputSettings(), batch_size=8, seed=1)
    slices = zip(*(source.stream(0, 2, rank, world) for rank in range(world)), strict=True)
    for whole, parts in zip(source.stream(0, 2), slices, strict=True):
        np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), whole.ids)
        for view in range(3):
            together = np.concatenate(
                [part.constituents[slice(*part.offsets[[view * len(part), (view + 1) * len(part)]])] for part in parts]
            )
            np.testing.assert_array_equal(
                together, whole.constituents[slice(*whole.offsets[[view * 8, (view + 1) * 8]])]
            )
    with pytest.raises(ValueError, match="cannot be shared among 9 workers"):
        next(source.stream(0, 1, 0, 9))
