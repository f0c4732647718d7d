"""Transformation that drops branches of a jet's Cambridge/Aachen tree, as stable dark hadrons do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.cambridge_aachen import ClusterTree, cluster_tree
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("branch_dropping")
@dataclass(frozen=True)
class BranchDropping(Dropping):
    """Drop each branch of a jet with probability ``p_drop``, and scale the remaining pT to the jet's original pT.

    A branch is a cluster of the jet's Cambridge/Aachen tree at an angular size that is drawn for each jet, uniformly in
    the logarithm. A hadron of mass m and transverse momentum pT decays into a cone of about 2 m / pT. The random number
    of a branch is that of its hardest constituent; the branch is dropped if the number is below ``p_drop``. If all
    branches would be dropped, the one with the largest number is kept.

    Attributes:
        sizes: smallest and largest Delta R of a branch.
    """

    takes_tree: ClassVar[bool] = True
    sizes: tuple[float, float] = (0.03, 0.2)

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(views.p_drop, views.conserved_pt, views.pt_threshold, views.pt_ramp, views.branch_sizes)

    def __call__(
        self,
        constituents: NDArray[np.float32],
        offsets: NDArray[np.int64],
        draws: KeyedRNG,
        tree: ClusterTree | None = None,
    ) -> Packed:
        if tree is None:
            tree = cluster_tree(constituents, offsets)
        branches = tree.clusters(offsets, drawn_sizes(self.sizes, draws))
        return self.dropped(constituents, offsets, draws.uniform(offsets)[branches], self.probability(draws, offsets))


def drawn_sizes(sizes: tuple[float, float], draws: KeyedRNG) -> NDArray[np.float64]:
    """Return the angular size Delta R of each jet's branches, (B,), uniform in the logarithm."""
    smallest, largest = sizes
    return smallest * (largest / smallest) ** draws.uniform(number=1).astype(np.float64)
