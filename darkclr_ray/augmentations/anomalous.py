"""Pseudo-anomalies: background jets under the transformations that only the anomalous view applies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkclr_ray.augmentations import registry
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


def anomalous_jets(
    jets: Jets, views: ViewSettings, inputs: InputSettings, *, seed: int, purpose: str = "anomalous jets"
) -> Jets:
    """Return each jet under those transformations of its anomalous view that its anchor lacks (dropping, in the paper).

    Jets are cut to their hardest constituents first. Draws are keyed on the seed, the jet and the purpose, so that a
    classifier can be trained and evaluated on different draws.

    Raises ValueError if there is no such transformation.
    """
    names = [name for name in views.anomalous if name not in views.anchor]
    if not names:
        raise ValueError(
            f"views.anomalous = {views.anomalous} has no transformation that views.anchor = {views.anchor} lacks, so a "
            f"classifier of anomalous views has nothing to tell apart; add one, such as dropping"
        )
    hardest = jets.hardest(inputs.constituents)
    packed = np.asfortranarray(hardest.constituents), hardest.offsets
    for place, name in enumerate(names):
        draws = KeyedRNG.keyed(jets.ids, seed=seed, epoch=0, transformation=f"{purpose} {name}", draw=place)
        augmentation = registry.find(name).from_settings(views, inputs)
        first = place == 0 and registry.takes_tree(augmentation)
        tree = jets.hardest_trees(inputs.constituents) if first else None
        packed = registry.apply(augmentation, packed, draws, tree)
    constituents, offsets = packed
    return Jets(np.ascontiguousarray(constituents), offsets, jets.ids, jets.events, jets.kinematics)


def blind_jets(jets: Jets, inputs: InputSettings, p_drop: Sequence[float], seed: int) -> Jets:
    """Return jets with constituents dropped at the probabilities in ``p_drop`` in turn, for signal-blind selection.

    The probabilities are the same for all trials of a study; otherwise a trial with anomalies that are easy to find
    would be selected.
    """
    parts = []
    for first, probability in enumerate(p_drop):
        views = ViewSettings(anchor=(), anomalous=("dropping",), p_drop=probability)
        some = jets.take(np.arange(first, len(jets), len(p_drop)))
        if len(some):
            parts.append(anomalous_jets(some, views, inputs, seed=seed, purpose="signal-blind"))
    return Jets.concatenate(parts)
