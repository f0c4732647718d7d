"""Packed jets: the concatenated constituents of a batch with offsets, without padding."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.jets.cambridge_aachen import ClusterTree, cluster_tree
from darkclr_ray.jets.clustering import wrap
from darkclr_ray.jets.columns import CONSTITUENTS, KINEMATICS, list_sizes, list_values
from darkclr_ray.randomness import keyed_generator

Packed = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Constituents float32 (M, 3) and offsets int64 (B + 1,) of B jets, as in `Jets`."""


@dataclass(frozen=True, eq=False)
class Jets:
    """Batch of B jets with M constituents in total, without labels or sample names.

    Attributes:
        constituents: float32 (M, 3): pT in GeV; eta and phi relative to the jet axis, phi in [-pi, pi). Ordered by
            descending pT within a jet.
        offsets: int64 (B + 1,): jet i owns ``constituents[offsets[i]:offsets[i + 1]]``, at least one row.
        ids: int64 (B,): ids, unique over all samples and splits, which carry no other information.
        events: int64 (B,): the collision that a jet came from. Two jets of one event are correlated.
        kinematics: float32 (B, 4): pT in GeV, eta, phi in [-pi, pi) and mass in GeV of the jet.
    """

    constituents: NDArray[np.float32]
    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    events: NDArray[np.int64]
    kinematics: NDArray[np.float32]

    def __post_init__(self) -> None:
        jets = len(self.ids)
        assert self.constituents.ndim == 2
        assert self.constituents.shape[1] == 3
        assert self.offsets.shape == (jets + 1,)
        assert self.events.shape == (jets,)
        assert self.kinematics.shape == (jets, 4)
        assert self.offsets[0] == 0
        assert self.offsets[-1] == len(self.constituents)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int]:
        """Return the number of jets as a shape, by which scikit-learn takes jets for an array that it may index."""
        return (len(self),)

    def __getitem__(self, index: int | slice | NDArray[np.bool_] | NDArray[np.integer]) -> Jets:
        """Return one jet, a slice, the jets of a boolean mask (B,), or those at integer positions.

        >>> jets = Jets.from_lists([[[9.0, 0.0, 0.0]], [[5.0, 0.0, 0.0]]])
        >>> jets[jets.pt > 6], jets[-1]
        (<1 jet, 1 constituent>, <1 jet, 1 constituent>)

        Raises:
            IndexError: a position that does not exist, or a mask of another length.
        """
        return self.take(np.atleast_1d(np.arange(len(self))[index]))

    def __repr__(self) -> str:
        jets, constituents = len(self), len(self.constituents)
        return f"<{jets:,} jet{'s' * (jets != 1)}, {constituents:,} constituent{'s' * (constituents != 1)}>"

    def _repr_html_(self) -> str:
        """Return a table of means and pictures of the first jets, which notebooks show."""
        if not len(self):
            return "<p>0 jets</p>"
        means = f"mean pT {self.pt.mean():.0f} GeV, mass {self.mass.mean():.1f} GeV, {self.multiplicity.mean():.1f} "
        pictures = "".join(_picture(self[number].constituents) for number in range(min(4, len(self))))
        return f"<p>{len(self):,} jets: {means}constituents</p><p>{pictures}</p>"

    @property
    def pt(self) -> NDArray[np.float32]:
        """Return the transverse momentum of the jets in GeV, (B,)."""
        return self.kinematics[:, 0]

    @property
    def mass(self) -> NDArray[np.float32]:
        """Return the mass of the jets in GeV, (B,)."""
        return self.kinematics[:, 3]

    @property
    def multiplicity(self) -> NDArray[np.int64]:
        """Return the number of constituents of each jet, (B,)."""
        return np.diff(self.offsets)

    @cached_property
    def tree(self) -> ClusterTree:
        """Return the Cambridge/Aachen trees of the jets, computed at first use, cached, and pickled with the jets."""
        return cluster_tree(self.constituents, self.offsets)

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of every number of the jets, computed at first use, cached, and pickled with the jets.

        Equal jets in equal order have equal fingerprints. Those that `darkclr_ray.jets.folder.JetFolder.load` returned
        have the fingerprint of the folder instead, so that they are hashed once, when they are checked.
        """
        content = hashlib.blake2b(digest_size=16)
        for field in fields(self):
            array = np.ascontiguousarray(getattr(self, field.name))
            content.update(f"{field.name} {array.dtype.str} {array.shape}".encode())
            content.update(array.data)
        return content.hexdigest()

    def with_fingerprint(self, fingerprint: str) -> Jets:
        """Return the same jets with a fingerprint that is known already."""
        jets = replace(self)
        vars(jets)["fingerprint"] = fingerprint
        return jets

    def trees_of(self, indices: NDArray[np.int64], *, hardest: int) -> ClusterTree:
        """Return the trees of the jets at the given positions, cut to their ``hardest`` constituents.

        They are taken from ``tree`` if it was computed, otherwise computed for these jets only.
        """
        if "tree" not in vars(self):
            return self.take(indices).hardest_trees(hardest)
        rows, _ = ragged_arange(self.offsets[:-1][indices], np.minimum(self.multiplicity[indices], hardest))
        return self.tree.take(rows)

    def hardest_trees(self, count: int) -> ClusterTree:
        """Return the trees of all constituents, cut to the ``count`` hardest of each jet."""
        rows, _ = ragged_arange(self.offsets[:-1], np.minimum(self.multiplicity, count))
        return self.tree.take(rows)

    def take(self, indices: NDArray[np.int64] | slice, *, hardest: int | None = None) -> Jets:
        """Return the jets at the given positions, in that order, with at most the ``hardest`` constituents of each.

        Those of a slice share memory with these jets. Raises ValueError for a slice with steps.

        >>> jets = Jets.from_lists([[[9.0, 0.0, 0.0], [1.0, 0.1, 0.0]], [[5.0, 0.0, 0.0]]])
        >>> jets.take(np.array([1])).constituents.tolist()
        [[5.0, 0.0, 0.0]]
        """
        if isinstance(indices, slice):
            first, end, step = indices.indices(len(self))
            if step != 1:
                raise ValueError(
                    f"a slice takes jets one after the other, not in steps of {step}; take them by indices"
                )
            part = self._between(first, max(first, end))
            return part if hardest is None else part.hardest(hardest)
        indices = np.asarray(indices, dtype=np.int64)
        starts = self.offsets[:-1][indices]
        sizes = self.offsets[1:][indices] - starts
        kept = sizes if hardest is None else np.minimum(sizes, hardest)
        rows, offsets = ragged_arange(starts, kept)
        # np.take of rows takes a third of the time of constituents[rows]
        constituents, kinematics = np.take(self.constituents, rows, axis=0), np.take(self.kinematics, indices, axis=0)
        return Jets(constituents, offsets, self.ids[indices], self.events[indices], kinematics)

    def _between(self, first: int, end: int) -> Jets:
        begin, past = self.offsets[[first, end]]
        return Jets(
            self.constituents[begin:past],
            self.offsets[first : end + 1] - begin,
            self.ids[first:end],
            self.events[first:end],
            self.kinematics[first:end],
        )

    def at_most(self, count: int, *, seed: int) -> Jets:
        """Return these jets, or a random subsample of ``count`` of them in the same order if there are more."""
        if len(self) <= count:
            return self
        chosen = keyed_generator("subsample", seed).choice(len(self), count, replace=False, shuffle=False)
        return self.take(np.sort(chosen))

    def hardest(self, count: int) -> Jets:
        """Return the jets with at most the ``count`` hardest constituents of each (N_c of Table 1)."""
        kept = np.minimum(self.multiplicity, count)
        rows, offsets = ragged_arange(self.offsets[:-1], kept)
        return Jets(np.take(self.constituents, rows, axis=0), offsets, self.ids, self.events, self.kinematics)

    @staticmethod
    def concatenate(parts: Sequence[Jets]) -> Jets:
        """Return all jets of ``parts`` in sequence. Raises ValueError if there are no parts."""
        if not parts:
            raise ValueError("no jets to concatenate: the list of parts is empty")
        if len(parts) == 1:
            return parts[0]
        sizes = np.concatenate([part.multiplicity for part in parts])
        return Jets(
            np.concatenate([part.constituents for part in parts]),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.events for part in parts]),
            np.concatenate([part.kinematics for part in parts]),
        )

    @staticmethod
    def from_lists(jets: Sequence[Sequence[Sequence[float]]]) -> Jets:
        """Return jets from nested lists of (pT, eta, phi), for notebooks and tests; ids and events count from 0.

        Raises ValueError for a jet without constituents.
        """
        sizes = np.array([len(jet) for jet in jets], dtype=np.int64)
        if not sizes.all():
            raise ValueError(f"jet {int(np.argmin(sizes))} has no constituents; leave it out")
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        constituents = np.array([row for jet in jets for row in jet], dtype=np.float32).reshape(-1, 3)
        kinematics = np.zeros((len(jets), 4), dtype=np.float32)
        kinematics[:, 0] = vector_pt(constituents, offsets)
        numbers = np.arange(len(jets), dtype=np.int64)
        return Jets(constituents, offsets, numbers, numbers.copy(), kinematics)

    @staticmethod
    def from_numpy(constituents: ArrayLike, *, events: ArrayLike | None = None) -> Jets:
        """Return jets from an array of their massless constituents, padded with zeros or NaN.

        The jets' axes, transverse momenta and masses are those of the sums of their constituents; ids count from 0.

        Args:
            constituents: (B, C, 3): pT in GeV, and eta and phi in the detector, not relative to the jet. A constituent
                whose pT is 0 or NaN is padding.
            events: (B,), the collision of each jet; by default each jet has its own.

        >>> jets = Jets.from_numpy([[[40.0, 1.0, 3.1], [60.0, 1.0, -3.1]], [[50.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
        >>> jets.multiplicity.tolist(), np.rint(jets.pt).tolist(), np.rint(jets.mass).tolist()
        ([2, 1], [100.0, 50.0], [4.0, 0.0])

        Raises:
            ValueError: another shape, a negative pT, a value that is infinite, or a jet without constituents.
        """
        padded = np.asarray(constituents, dtype=np.float64)
        if padded.ndim != 3 or padded.shape[2] != 3:
            raise ValueError(f"constituents have shape {padded.shape}; expected (jets, constituents, 3): pT, eta, phi")
        there = np.nan_to_num(padded[..., 0]) != 0
        return _from_detector(padded[there], there.sum(axis=1), events)

    @staticmethod
    def from_awkward(constituents: Any, *, events: ArrayLike | None = None) -> Jets:
        """Return jets from a jagged awkward array (B, var) with fields pt [GeV], eta and phi; see `from_numpy`."""
        import awkward as ak

        columns = [ak.to_numpy(ak.flatten(constituents[name], axis=1)) for name in ("pt", "eta", "phi")]
        return _from_detector(np.stack(columns, axis=1).astype(np.float64), ak.to_numpy(ak.num(constituents)), events)

    @staticmethod
    def from_parquet(
        path: str | Path, *, pt: str = "pt", eta: str = "eta", phi: str = "phi", event: str | None = None
    ) -> Jets:
        """Return all jets of a Parquet file with one row per jet.

        A shard of this package is read as it is. Of any other file the columns with the constituents are read; they
        are lists whose numbers are those of `from_numpy`, and the jets' ids count from 0.

        Args:
            path: the file.
            pt, eta, phi: names of the list columns with the constituents' pT in GeV, and eta and phi in the detector.
            event: name of the column with the collision of each jet; None if each jet has its own.

        Raises:
            ValueError: the file is no Parquet, a column is missing or holds no lists, or the constituents are not as in
                `from_numpy`.
        """
        try:
            table = pq.read_table(path, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})") from None
        if set(CONSTITUENTS) <= set(table.column_names):
            return Jets.from_table(table)
        for name in (pt, eta, phi, *([event] if event is not None else [])):
            if name not in table.column_names:
                raise ValueError(f"{path}: no column {name!r}; the file has {', '.join(table.column_names)}")
        sizes = []
        for name in (pt, eta, phi):
            if not pa.types.is_list(table.column(name).type) and not pa.types.is_large_list(table.column(name).type):
                raise ValueError(f"{path}: column {name!r} holds {table.column(name).type}; expected lists of numbers")
            sizes.append(list_sizes(table.column(name)))
            if not np.array_equal(sizes[0], sizes[-1]):
                raise ValueError(f"{path}: the lists in {pt!r} and {name!r} differ in length")
        columns = [list_values(table.column(name)).to_numpy(zero_copy_only=False) for name in (pt, eta, phi)]
        events = None if event is None else table.column(event).to_numpy()
        return _from_detector(np.stack(columns, axis=1).astype(np.float64), sizes[0], events)

    @staticmethod
    def from_table(table: pa.Table) -> Jets:
        """Return the jets of a table with the columns of `darkclr_ray.jets.schema.SCHEMA`."""
        offsets = np.concatenate([[0], np.cumsum(list_sizes(table.column(CONSTITUENTS[0])))]).astype(np.int64)
        return Jets(
            np.stack([list_values(table.column(name)).to_numpy() for name in CONSTITUENTS], axis=1),
            offsets,
            table.column("jet_id").to_numpy(),
            table.column("event_id").to_numpy(),
            np.stack([table.column(name).to_numpy() for name in KINEMATICS], axis=1),
        )


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """Background jets for a training, without labels and sample names, so that no label can be used by accident."""

    jets: Jets

    def __len__(self) -> int:
        return len(self.jets)

    @property
    def fingerprint(self) -> str:
        """Return a hash of every number in the sample, see `Jets.fingerprint`."""
        return self.jets.fingerprint


def _picture(constituents: NDArray[np.float32], size: int = 150, extent: float = 0.8) -> str:
    """Return an SVG of one jet: constituents at (eta, phi) relative to the axis, with areas in proportion to pT."""
    scale = size / (2 * extent)
    radii = 14.0 * np.sqrt(constituents[:, 0] / constituents[:, 0].sum())
    circles = "".join(
        f'<circle cx="{size / 2 + scale * eta:.1f}" cy="{size / 2 - scale * phi:.1f}" r="{max(radius, 1.0):.1f}"/>'
        for (_, eta, phi), radius in zip(constituents, radii, strict=True)
    )
    frame = f'<rect width="{size}" height="{size}" fill="none" stroke="currentColor"/>'
    return (
        f'<svg width="{size}" height="{size}" role="img" aria-label="jet of {len(constituents)} constituents">'
        f'{frame}<g fill="#3b6ea8" fill-opacity="0.6">{circles}</g></svg>'
    )


def _from_detector(rows: NDArray[np.float64], sizes: NDArray[np.integer], events: ArrayLike | None) -> Jets:
    """Return jets from the concatenated constituents (M, 3) in the detector, and their number in each jet (B,)."""
    if not sizes.all():
        raise ValueError(f"jet {int(np.argmin(sizes))} has no constituents; leave it out")
    if not (np.isfinite(rows).all() and (rows[:, 0] > 0).all()):
        raise ValueError("a constituent has a pT that is not positive, or a number that is not finite")
    numbers = np.arange(len(sizes), dtype=np.int64)
    jet = np.repeat(numbers, sizes)
    rows = rows[np.lexsort((-rows[:, 0], jet))]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    pt, eta, phi = rows.T
    columns = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)
    px, py, pz, energy = (np.bincount(jet, column, len(numbers)) for column in columns)
    jet_pt = np.hypot(px, py)
    jet_eta, jet_phi = np.arcsinh(pz / jet_pt), wrap(np.arctan2(py, px))
    mass = np.sqrt(np.maximum(energy**2 - jet_pt**2 - pz**2, 0.0))
    return Jets(
        np.stack([pt, eta - jet_eta[jet], wrap(phi - jet_phi[jet])], axis=1).astype(np.float32),
        offsets,
        numbers,
        numbers.copy() if events is None else np.asarray(events, dtype=np.int64),
        np.stack([jet_pt, jet_eta, jet_phi, mass], axis=1).astype(np.float32),
    )


def ragged_arange(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows ``starts[i], ..., starts[i] + sizes[i] - 1`` of all i concatenated, and the offsets of the runs.

    >>> rows, offsets = ragged_arange(np.array([7, 2]), np.array([2, 3]))
    >>> rows.tolist(), offsets.tolist()
    ([7, 8, 2, 3, 4], [0, 2, 5])
    """
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    rows = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], sizes)
    return rows, offsets


def vector_pt(constituents: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the magnitude of the summed transverse momentum of each jet in GeV, (B,), for any common origin of phi."""
    if len(offsets) == 1:
        return np.zeros(0, dtype=np.float32)
    pt, phi = constituents[:, 0], constituents[:, 2]
    px = np.add.reduceat(pt * np.cos(phi), offsets[:-1])
    py = np.add.reduceat(pt * np.sin(phi), offsets[:-1])
    return np.hypot(px, py).astype(np.float32)
