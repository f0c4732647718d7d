"""Normalised autoencoder on constituents instead of representations, to measure the gain of the contrastive stage."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import judging_views, loaded
from darkclr_ray.detectors.display import BROWN, Display, Style
from darkclr_ray.detectors.saving import load_settings, save_settings
from darkclr_ray.jets.packed import Jets, TrainingSample, ragged_arange
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.settings import InputSettings, StudySettings
from darkclr_ray.training.base import save_weights
from darkclr_ray.training.energy_model import EnergyModel, energies, stored_model
from darkclr_ray.training.nae import NAETraining
from darkclr_ray.training.trainer import Trainer

FILE = "autoencoder.safetensors"


class RawEnergy(AnomalyDetector[TrainingSample]):
    """Score jets by the energy of a normalised autoencoder on the concatenated features of a jet's constituents.

    It is trained like the one on representations, including the views that select an epoch, except that each input has
    its own scale (``nae.scale`` "dimension"): with a common scale, pT would hardly contribute to the energy, because it
    varies less than the angles.

    Args:
        settings: settings of a study; the groups inputs and nae, and the seed, are used.
    """

    name = "raw_nae"
    title = "normalised autoencoder on constituents"
    display = Display("NAE on constituents", Style(BROWN, "dashdot", "hourglass"), order=45)
    family = "constituents"
    seeds = frozenset({"autoencoder"})

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings.updated({"nae": {"scale": "dimension"}})
        self.model: EnergyModel | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        inputs, judging = self.settings.inputs, judging_views(self.settings, sample.jets)
        x = side_by_side(sample.jets, inputs)
        views = None if judging is None else side_by_side(judging, inputs)
        self.model = runner.train(NAETraining(x, self.settings.nae, seed=self.settings.seed, views=views)).model
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return energies(self.ready(self.model), side_by_side(jets, self.settings.inputs))

    def save(self, folder: Path) -> None:
        model = self.ready(self.model)
        save_settings(folder, self.settings, ("inputs", "nae", "seed"))
        save_weights(model, folder / FILE)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls(load_settings(folder))
        settings = detector.settings
        model = stored_model(folder / FILE, 3 * settings.inputs.constituents, settings.nae)
        detector.model = loaded(model, folder / FILE, runner or Trainer())
        return detector


def side_by_side(jets: Jets, inputs: InputSettings) -> NDArray[np.float32]:
    """Return scaled pT, eta and phi of the hardest constituents, zero-padded: float32 (B, 3 N_c).

    Constituents of equal pT are sorted by eta, then phi, so that the order of the input does not matter.

    >>> jets = Jets.from_lists([[[150.0, 0.5, 0.0], [150.0, 0.0, 0.0]], [[300.0, 0.5, 0.0]]])
    >>> side_by_side(jets, InputSettings(constituents=2)).tolist()
    [[0.5, -0.25, 0.0, 0.5, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    constituents, offsets = network_inputs(jets, inputs)
    sizes = np.diff(offsets)
    pt, eta, phi = constituents.T
    order = np.lexsort((phi, eta, -pt, np.repeat(np.arange(len(sizes)), sizes)))
    places, _ = ragged_arange(np.arange(len(sizes)) * inputs.constituents, sizes)
    padded = np.zeros((len(sizes) * inputs.constituents, 3), dtype=np.float32)
    padded[places] = constituents[order]
    return padded.reshape(len(sizes), 3 * inputs.constituents)
