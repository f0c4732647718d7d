"""Cambridge/Aachen clustering (JHEP 08 (1997) 001; hep-ph/9907280) of the constituents of packed jets, in numpy.

The two clusters closest to each other in the plane of eta and phi merge first, until one is left. A merged cluster has
the summed pT of its constituents and their pT-weighted mean of eta and phi (FastJet's ``pt_scheme``). In this scheme a
tree is invariant under rotations and translations in the plane, and so are the views made from it; for the angular
sizes of interest it differs little from the E scheme. phi is relative to the jet's axis and is not wrapped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Number of jets that are clustered at a time; the arrays of more jets do not fit into the processor's cache."""


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """The Cambridge/Aachen trees of B jets with M constituents: M - B merges, each stored with one constituent.

    A cluster is identified by its first constituent, the hardest one in packed jets. Of two clusters that merge, the
    one whose first constituent comes later is stored as merging into the other: every constituent but the first of a
    jet does so exactly once. A jet's tree may therefore be cut to its first constituents like the jet itself.

    Attributes:
        parents: int32 (M,): position in the jet of the first constituent of the cluster that this constituent's
            cluster merges into; always an earlier one. The first constituent of a jet has itself, 0.
        steps: int32 (M,): number of the merge in its jet, from 0 for the first; -1 for the first constituent of a jet.
        distances: float32 (M,): Delta R of the two clusters when they merge; infinity for the first constituent.
        sizes: float32 (M,): largest distance up to and including this merge: at smaller sizes it has not happened yet
            (distances need not rise from merge to merge). Infinity for the first constituent.
    """

    parents: NDArray[np.int32]
    steps: NDArray[np.int32]
    distances: NDArray[np.float32]
    sizes: NDArray[np.float32]

    def clusters(self, offsets: NDArray[np.int64], size: NDArray[np.floating] | float) -> NDArray[np.int64]:
        """Return for each constituent the row of the first constituent of its cluster, int64 (M,).

        Clusters are those of inclusive C/A with radius ``size``, or of exclusive C/A with that cut.

        Args:
            offsets: int64 (B + 1,), of the jets that the tree belongs to.
            size: Delta R beyond which clusters no longer merge: one for all jets, or one per jet, (B,).

        >>> jets = np.array([[3.0, 0.0, 0.0], [2.0, 0.3, 0.0], [1.0, 0.1, 0.0]], dtype=np.float32)
        >>> cluster_tree(jets, np.array([0, 3])).clusters(np.array([0, 3]), 0.2).tolist()
        [0, 1, 0]
        """
        multiplicity = np.diff(offsets)
        limit = np.repeat(np.broadcast_to(np.float32(size), len(multiplicity)), multiplicity)
        rows = np.arange(len(self.parents))
        merged = self.sizes <= limit
        firsts = np.where(merged, self.parents + np.repeat(offsets[:-1], multiplicity), rows)
        while not np.array_equal(further := firsts[firsts], firsts):
            firsts = further
        return firsts

    def take(self, rows: NDArray[np.int64]) -> ClusterTree:
        """Return the trees of jets made of these rows: whole jets, or the first constituents of each."""
        return ClusterTree(
            np.take(self.parents, rows),
            np.take(self.steps, rows),
            np.take(self.distances, rows),
            np.take(self.sizes, rows),
        )

    def merges(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the constituents that merge, jet by jet in the order of the merges, int64 (M - B,).

        Merges of jet i are at ``offsets[i] - i, ..., offsets[i + 1] - i - 2``.
        """
        rows = np.flatnonzero(self.steps >= 0)
        before = np.repeat(offsets[:-1] - np.arange(len(offsets) - 1), np.diff(offsets) - 1)
        merges = np.empty_like(rows)
        merges[before + self.steps[rows]] = rows
        return merges


@dataclass(frozen=True, eq=False)
class Declusterings:
    """Splittings of B jets when their trees are undone from the last merge, along the harder branch.

    They are the primary Lund plane (JHEP 12 (2018) 064): z = softer / (softer + harder), kt = softer * distance.

    Attributes:
        offsets: int64 (B + 1,): jet i owns ``offsets[i], ..., offsets[i + 1] - 1``, its last merge first.
        softer: float64 (K,): pT of the softer branch in GeV.
        harder: float64 (K,): pT of the harder branch in GeV.
        distances: float64 (K,): Delta R of the two branches.
    """

    offsets: NDArray[np.int64]
    softer: NDArray[np.float64]
    harder: NDArray[np.float64]
    distances: NDArray[np.float64]


def cluster_tree(constituents: NDArray[np.float32], offsets: NDArray[np.int64]) -> ClusterTree:
    """Return the Cambridge/Aachen trees of jets; that of a jet depends only on its own constituents, bit for bit.

    Args:
        constituents: float32 (M, 3): pT in GeV, eta, phi.
        offsets: int64 (B + 1,), from 0 to M, at least one constituent a jet.
    """
    multiplicity = np.diff(offsets)
    size = len(constituents)
    tree = ClusterTree(
        np.zeros(size, dtype=np.int32),
        np.full(size, -1, dtype=np.int32),
        np.full(size, np.inf, dtype=np.float32),
        np.full(size, np.inf, dtype=np.float32),
    )
    largest_first = np.argsort(-multiplicity, kind="stable")
    for start in range(0, len(multiplicity), BLOCK):
        jets = largest_first[start : start + BLOCK]
        _cluster(constituents, offsets[:-1][jets], multiplicity[jets], tree)
    return tree


def primary_declusterings(
    tree: ClusterTree, constituents: NDArray[np.float32], offsets: NDArray[np.int64]
) -> Declusterings:
    """Return the splittings along the harder branch of each jet, from the last merge to a single constituent.

    Args:
        tree: trees of these jets.
        constituents: float32 (M, 3): pT in GeV, eta, phi.
        offsets: int64 (B + 1,), from 0 to M, at least one constituent a jet.
    """
    jets, count = np.arange(len(offsets) - 1), np.diff(offsets) - 1
    merges = tree.merges(offsets)
    first = offsets[:-1] - jets
    into = tree.parents[merges] + np.repeat(offsets[:-1], count)
    cluster_pt = constituents[:, 0].astype(np.float64)
    taking, taken = np.empty(len(merges)), np.empty(len(merges))
    most = int(count.max(initial=0))
    for step in range(most):
        now = first[count > step] + step
        taking[now], taken[now] = cluster_pt[into[now]], cluster_pt[merges[now]]
        cluster_pt[into[now]] += taken[now]
    branch = offsets[:-1].copy()
    primary = np.zeros(len(merges), dtype=bool)
    for step in reversed(range(most)):
        here = jets[count > step]
        now = first[here] + step
        own = into[now] == branch[here]
        here, now = here[own], now[own]
        primary[now] = True
        branch[here] = np.where(taken[now] > taking[now], merges[now], branch[here])
    backwards = np.repeat(2 * first + count - 1, count) - np.arange(len(merges))
    chosen = backwards[primary[backwards]]
    ends = np.concatenate([[0], np.cumsum(primary)])[np.concatenate([first, [len(merges)]])]
    return Declusterings(
        ends,
        np.minimum(taking, taken)[chosen],
        np.maximum(taking, taken)[chosen],
        tree.distances[merges][chosen].astype(np.float64),
    )


def _cluster(
    constituents: NDArray[np.float32], starts: NDArray[np.int64], multiplicity: NDArray[np.int64], tree: ClusterTree
) -> None:
    """Cluster jets of descending multiplicity and write their merges into ``tree``.

    A step merges one pair in every jet that has ``width`` clusters; a jet takes part once its multiplicity is reached.
    Each cluster's nearest neighbour is kept, so that the time of a step is linear in the number of clusters. The last
    cluster is moved to the position that a merge leaves empty.
    """
    most = int(multiplicity[0])
    rows = starts[:, None] + np.arange(most)
    rows[np.arange(most) >= multiplicity[:, None]] = 0
    pt, eta, phi = np.moveaxis(constituents.astype(np.float64)[rows], 2, 0).copy()
    labels = np.tile(np.arange(most), (len(starts), 1))
    nearest = np.zeros(rows.shape, dtype=np.int64)
    distance = np.zeros(rows.shape)
    largest = np.zeros(len(starts))
    joined = 0
    for width in range(most, 1, -1):
        count = int(np.searchsorted(-multiplicity, -width, side="right"))
        new = slice(joined, count)
        for cluster in range(width if count > joined else 0):
            to_cluster = _squared_distances(eta[new, :width], phi[new, :width], np.full(count - joined, cluster))
            nearest[new, cluster], distance[new, cluster] = to_cluster.argmin(1), to_cluster.min(1)
        joined = count
        jet = np.arange(count)
        closest = distance[:count, :width].argmin(1)
        other = nearest[jet, closest]
        squared = distance[jet, closest]
        low, high = np.minimum(closest, other), np.maximum(closest, other)

        label_low, label_high = labels[jet, low], labels[jet, high]
        parent, child = np.minimum(label_low, label_high), starts[:count] + np.maximum(label_low, label_high)
        largest[:count] = np.maximum(largest[:count], squared)
        tree.parents[child] = parent
        tree.steps[child] = multiplicity[:count] - width
        tree.distances[child] = np.sqrt(squared)
        tree.sizes[child] = np.sqrt(largest[:count])

        pt_low, pt_high = pt[jet, low], pt[jet, high]
        total = pt_low + pt_high
        for position in (eta, phi):
            position[jet, low] = (pt_low * position[jet, low] + pt_high * position[jet, high]) / total
        pt[jet, low] = total
        labels[jet, low] = parent

        last = width - 1
        neighbours = nearest[:count, :width]
        stale = (neighbours == low[:, None]) | (neighbours == high[:, None])
        for values in (pt, eta, phi, labels, nearest, distance, stale):
            values[jet, high] = values[:count, last]
        neighbours, distances = nearest[:count, :last], distance[:count, :last]
        np.copyto(neighbours, high[:, None], where=neighbours == last)

        to_merged = _squared_distances(eta[:count, :last], phi[:count, :last], low)
        closer = to_merged < distances
        np.copyto(neighbours, low[:, None], where=closer)
        np.copyto(distances, to_merged, where=closer)
        neighbours[jet, low] = to_merged.argmin(1)
        distances[jet, low] = to_merged.min(1)
        stale[jet, low] = False
        some, outdated = np.nonzero(stale[:, :last])
        to_stale = _squared_distances(eta[some, :last], phi[some, :last], outdated)
        neighbours[some, outdated] = to_stale.argmin(1)
        distances[some, outdated] = to_stale.min(1)


def _squared_distances(
    eta: NDArray[np.float64], phi: NDArray[np.float64], cluster: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the squared Delta R (K, N) of one cluster in each of K jets, (K,), to all clusters of the jet.

    The clusters are at ``eta``, ``phi`` (K, N). The distance of a cluster to itself is infinite.
    """
    jet = np.arange(len(cluster))
    to_eta, to_phi = eta - eta[jet, cluster][:, None], phi - phi[jet, cluster][:, None]
    squared: NDArray[np.float64] = to_eta * to_eta + to_phi * to_phi
    squared[jet, cluster] = np.inf
    return squared
