"""Wasserstein normalised autoencoder of observables or of representations (CMS, arXiv:2510.02168).

Choices that were made without signals: the observables of `views_observables`, the widths of the network, and the
temperature 0.05 of the chains.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.detectors.darkclr import EnergyDetector
from darkclr_ray.detectors.display import INDIGO, OLIVE, Display, Style
from darkclr_ray.detectors.tables import TableDetector
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.energy_model import EnergyModel
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


class WassersteinRepresentations(EnergyDetector):
    """Score jets by the autoencoder's squared error on their representations."""

    name = "wnae"
    title = "Wasserstein normalised autoencoder on representations"
    display = Display("DarkCLR, WNAE", Style(INDIGO, "dot", "hexagon-open"), order=23)
    groups = (*EnergyDetector.groups, "wnae")
    product = "wasserstein_representations"

    def fit_representations(self, encoder: ContrastiveTraining, sample: TrainingSample, runner: Trainer) -> None:
        own, seed = self.settings.wnae, self.settings.nae.seed
        z = runner.represent(encoder, sample.jets)[spread_rows(len(sample), own.jets)]
        training = WassersteinTraining(z, own, seed=self.settings.seed if seed is None else seed)
        self.model = runner.train(training).model

    def untrained(self, path: Path) -> EnergyModel:
        return untrained(self.settings.encoder.d_z, self.settings.wnae)
