"""Normalised autoencoder on jet images (Dillon et al., SciPost Phys. Core 6, 074 (2023); [21] of the paper's Table 2).

Choices that were made without signals, where nothing is published for dark jets: the power n = 0.01 of the pixels, and
the window of the Aachen recipe. What a jet looks like comes from its image only; its pT and mass do not enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.detectors.display import GREEN, Display, Style
from darkclr_ray.detectors.tables import TableDetector
from darkclr_ray.jets.images import jet_images
from darkclr_ray.jets.packed import Jets
from darkclr_ray.networks.image_autoencoder import ImageAutoencoder
from darkclr_ray.training.image_nae import ImageNAETraining


class ImageNAE(TableDetector):
    """Score jets by the reconstruction error per pixel of the normalised autoencoder."""

    name = "image_nae"
    title = "normalised autoencoder on jet images"
    display = Display("NAE on jet images", Style(GREEN, "solid", "square-x"), order=32)
    family = "images"
    group = "image_nae"
    product = "image_autoencoder"

    def table(self, jets: Jets) -> NDArray[np.float32]:
        return jet_images(jets, self.settings.image_nae.images)

    def training(self, table: NDArray[np.float32]) -> ImageNAETraining:
        return ImageNAETraining(table, self.settings.image_nae, seed=self.settings.seed)

    def untrained(self) -> ImageAutoencoder:
        return ImageAutoencoder(self.settings.image_nae)

    def score_rows(self, model: ImageAutoencoder, rows: Tensor) -> Tensor:
        return model.energy(rows)


class ImageAE(ImageNAE):
    """Score jets by the reconstruction error of the autoencoder before contrastive divergence."""

    name = "image_ae"
    title = "autoencoder on jet images"
    display = Display("autoencoder on jet images", Style(GREEN, "dashdot", "square-x-open"), order=33)
    product = "plain_image_autoencoder"
