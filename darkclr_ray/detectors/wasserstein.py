"""Wasserstein normalised autoencoder of observables or of representations (CMS, arXiv:2510.02168).

Choices that were made without signals: the observables of `views_observables`, the widths of the network, and the
temperature 0.05 of the chains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.detectors.darkclr import RepresentationDetector, loaded
from darkclr_ray.detectors.display import INDIGO, OLIVE, Display, Style
from darkclr_ray.detectors.tables import TableDetector
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.training.base import save_weights
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.energy_model import EnergyModel, energies
from darkclr_ray.training.tables import spread_rows
from darkclr_ray.training.trainer import Trainer
from darkclr_ray.training.wasserstein import WassersteinTraining, untrained


class WassersteinObservables(TableDetector):
    """Score jets by the autoencoder's squared error on their substructure observables."""

    name = "wnae_observables"
    title = "Wasserstein normalised autoencoder on observables"
    display = Display("WNAE on observables", Style(OLIVE, "solid", "hexagon2"), order=47)
    family = "WNAE"
    group = "wnae"
    product = "wasserstein_autoencoder"

    def table(self, jets: Jets) -> NDArray[np.float32]:
        return observable_table(centred(jets), self.settings.wnae.observables).astype(np.float32)

    def training(self, table: NDArray[np.float32]) -> WassersteinTraining:
        return WassersteinTraining(table, self.settings.wnae, seed=self.settings.seed)

    def untrained(self) -> EnergyModel:
        return untrained(len(self.settings.wnae.observables), self.settings.wnae)

    def score_rows(self, model: EnergyModel, rows: Tensor) -> Tensor:
        energy: Tensor = model(rows)
        return energy


class PlainObservables(WassersteinObservables):
    """Score jets by the error of the autoencoder of observables before any chain, its plain form."""

    name = "ae_observables"
    title = "autoencoder on observables"
    display = Display("autoencoder on observables", Style(OLIVE, "dashdot", "hexagon2-open"), order=48)
    product = "plain_wasserstein_autoencoder"


class WassersteinRepresentations(RepresentationDetector):
    """Score jets by the autoencoder's squared error on their representations.

    Attributes:
        model: the autoencoder with the scale of the representations.
    """

    name = "wnae"
    title = "Wasserstein normalised autoencoder on representations"
    display = Display("DarkCLR, WNAE", Style(INDIGO, "dot", "hexagon-open"), order=23)
    groups = (*RepresentationDetector.groups, "wnae")
    seeds = frozenset({"encoder", "autoencoder"})
    product = "wasserstein_representations"

    model: EnergyModel

    def fit_representations(self, encoder: ContrastiveTraining, sample: TrainingSample, runner: Trainer) -> None:
        own, seed = self.settings.wnae, self.settings.nae.seed
        z = runner.represent(encoder, sample.jets)[spread_rows(len(sample), own.jets)]
        training = WassersteinTraining(z, own, seed=self.settings.seed if seed is None else seed)
        self.model = runner.train(training).model

    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        return energies(self.model, z)

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_weights(self.model, folder / f"{self.product}.safetensors")

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = super().load(folder, runner)
        model = untrained(detector.settings.encoder.d_z, detector.settings.wnae)
        detector.model = loaded(model, folder / f"{cls.product}.safetensors", detector.fitted[1])
        return detector
