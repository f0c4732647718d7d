"""Jets by hand, and what `vector` says that an import must make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import vector
from numpy.typing import NDArray
from rich.console import Console

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.importers import ImportOptions, Summary, import_jets
from darkclr_ray.jets.packed import Jets

PION = 0.13957


@dataclass(frozen=True)
class Truth:
    """Jets as lists of four-momenta (k, 4) = px, py, pz, E in GeV."""

    momenta: list[NDArray[np.float64]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.array([len(jet) for jet in self.momenta])

    def constituents(self) -> vector.VectorNumpy4D:
        px, py, pz, energy = np.concatenate(self.momenta).T
        return vector.array({"px": px, "py": py, "pz": pz, "E": energy})

    def axes(self) -> vector.VectorNumpy4D:
        px, py, pz, energy = np.array([jet.sum(axis=0) for jet in self.momenta]).T
        return vector.array({"px": px, "py": py, "pz": pz, "E": energy})

    def padded(self, columns: list[NDArray[np.float64]], length: int = 15) -> NDArray[np.float64]:
        """(B, length, len(columns)) of flat columns, zeros at the end of each jet."""
        flat = np.stack(columns, axis=1)
        block = np.zeros((len(self.momenta), length, len(columns)))
        block[np.arange(length) < self.sizes[:, None]] = flat
        return block

    def ragged(self, column: NDArray[np.float64]) -> list[list[float]]:
        return [part.tolist() for part in np.split(column, np.cumsum(self.sizes)[:-1])]

    def take(self, which: NDArray[np.int64]) -> Truth:
        return Truth([self.momenta[i] for i in which])


def shower(axis: tuple[float, float, float], random: np.random.Generator) -> NDArray[np.float64]:
    """Pions around a direction (pT, eta, phi), all within 0.35."""
    size = int(random.integers(3, 14))
    share = random.dirichlet(np.ones(size))
    eta = axis[1] + np.clip(random.normal(0, 0.08, size), -0.2, 0.2)
    phi = axis[2] + np.clip(random.normal(0, 0.08, size), -0.2, 0.2)
    pt = 0.6 + axis[0] * share
    pions = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": np.full(size, PION)})
    return np.stack([pions.px, pions.py, pions.pz, pions.E], axis=1)


@pytest.fixture(scope="session")
def truth() -> Truth:
    """40 jets inside the default window; the first ten lie across phi = pi."""
    random = np.random.default_rng(7)
    pt, eta = random.uniform(190, 260, 40), random.uniform(-1.7, 1.7, 40)
    phi = np.where(np.arange(40) < 10, np.pi + random.uniform(-0.02, 0.02, 40), random.uniform(-np.pi, np.pi, 40))
    return Truth([shower(axis, random) for axis in zip(pt, eta, phi, strict=True)])


@pytest.fixture
def quiet() -> Console:
    return Console(quiet=True)


@pytest.fixture
def run(tmp_path: Path, quiet: Console) -> Callable[..., tuple[Jets, Summary]]:
    """Import files into one test sample; all rows stay in the file's order."""

    def run(*files: Path, **options: object) -> tuple[Jets, Summary]:
        out = tmp_path / "jets"
        settings = ImportOptions.model_validate({"sample": "mine", "splits": {"test": 1.0}} | options)
        summary = import_jets(list(files), out, settings, console=quiet)
        return open_jets(out).load("test", settings.sample or "mine"), summary

    return run


def check(jets: Jets, truth: Truth, *, massless: bool = False, tolerance: float = 1e-4) -> None:
    """Compare imported jets with `vector`: order of jets, axes, and constituents hardest first."""
    parts, axes = truth.constituents(), truth.axes()
    assert jets.multiplicity.tolist() == truth.sizes.tolist()
    if not massless:
        expected = np.stack([axes.pt, axes.eta, axes.phi, axes.mass], axis=1)
        expected[:, 2] = np.where(expected[:, 2] >= np.pi, -np.pi, expected[:, 2])
        np.testing.assert_allclose(jets.kinematics, expected, rtol=tolerance, atol=tolerance)
    jet = np.repeat(np.arange(len(jets)), truth.sizes)
    order = np.lexsort((-parts.pt, jet))
    relative = np.stack([parts.pt, parts.deltaeta(axes[jet]), parts.deltaphi(axes[jet])], axis=1)[order]
    np.testing.assert_allclose(jets.constituents, relative, rtol=tolerance, atol=10 * tolerance)


@pytest.fixture
def compare() -> Callable[..., None]:
    return check
