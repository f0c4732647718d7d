"""Dirichlet variational autoencoder on jet images (Dillon et al., SciPost Phys. 11, 061 (2021); [28] of Table 2).

The authors score jets by the weight of one mixture and choose its sign by the signal. The three scores here need no
signal. Choices that were made without signals: three mixtures with alpha = 1, power 1/4 of the pixels, no filter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.detectors.display import PURPLE, Display, Style
from darkclr_ray.detectors.saving import load_arrays, save_arrays
from darkclr_ray.detectors.tables import TableDetector
from darkclr_ray.jets.images import jet_images
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.losses.dirichlet import normal_divergence, pixel_divergence
from darkclr_ray.networks.dirichlet_vae import DirichletVAE
from darkclr_ray.training.dirichlet_vae import DirichletVAETraining
from darkclr_ray.training.tables import spread_rows
from darkclr_ray.training.trainer import Trainer


class DirichletReconstruction(TableDetector):
    """Score jets by the Kullback-Leibler divergence of their image from its reconstruction."""

    name = "dvae_reconstruction"
    title = "Dirichlet VAE, reconstruction"
    display = Display("Dirichlet VAE, reconstruction", Style(PURPLE, "solid", "diamond-tall"), order=34)
    family = "Dirichlet VAE"
    group = "dirichlet_vae"
    product = "dirichlet_vae"

    def table(self, jets: Jets) -> NDArray[np.float32]:
        return jet_images(jets, self.settings.dirichlet_vae.images)

    def training(self, table: NDArray[np.float32]) -> DirichletVAETraining:
        return DirichletVAETraining(table, self.settings.dirichlet_vae, seed=self.settings.seed)

    def untrained(self) -> DirichletVAE:
        return DirichletVAE(self.settings.dirichlet_vae)

    def score_rows(self, model: DirichletVAE, rows: Tensor) -> Tensor:
        return pixel_divergence(rows, model.decode(model.encode(rows)[0]))


class DirichletPrior(DirichletReconstruction):
    """Score jets by the Kullback-Leibler divergence of their latent variable from the prior."""

    name = "dvae_prior"
    title = "Dirichlet VAE, divergence from the prior"
    display = Display("Dirichlet VAE, prior", Style(PURPLE, "dash", "diamond-tall-open"), order=35)

    def score_rows(self, model: DirichletVAE, rows: Tensor) -> Tensor:
        return normal_divergence(*model.encode(rows), model.prior_mean, model.prior_variance)


class DirichletDensity(DirichletReconstruction):
    """Score jets by the negative logarithm of the density of background at the mean of their latent variable.

    The density is a normal kernel estimate on 2,000 background jets with Scott's bandwidth. Only differences between
    the R components of the latent variable matter for a mixture, so that it has R - 1 dimensions.

    Attributes:
        centres: means of background jets, float64 (n, R - 1).
    """

    name = "dvae_density"
    title = "Dirichlet VAE, latent density"
    display = Display("Dirichlet VAE, latent density", Style(PURPLE, "dashdot", "diamond-cross"), order=36)

    centres: NDArray[np.float64]

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        super().fit(sample, runner)
        self.centres = self.latent(sample.jets.take(spread_rows(len(sample), 2000)))
        return self

    def latent(self, jets: Jets) -> NDArray[np.float64]:
        """Return the differences of the latent means from their last component, float64 (B, R - 1)."""
        model = self.ready(self.model)
        with torch.inference_mode():
            rows = torch.from_numpy(self.table(jets)).to(model.prior_mean.device)
            mean = model.encode(rows)[0].double().cpu().numpy()
        differences: NDArray[np.float64] = mean[:, :-1] - mean[:, -1:]
        return differences

    def score(self, jets: Jets) -> NDArray[np.float64]:
        from scipy.spatial.distance import cdist
        from scipy.special import logsumexp

        points, centres = self.latent(jets), self.centres
        count, dimension = centres.shape
        width = (centres.std(0) + 1e-12) * count ** (-1 / (dimension + 4))
        squared = cdist(points / width, centres / width, "sqeuclidean")
        density: NDArray[np.float64] = -logsumexp(-0.5 * squared, axis=1)
        return density

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_arrays(folder / f"{self.name}.safetensors", {"centres": self.centres})

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = super().load(folder, runner)
        detector.centres = load_arrays(folder / f"{cls.name}.safetensors")["centres"]
        return detector
