"""DarkCLR (Sec. 3 and 4): an encoder trained on background jets and their views, and scores of its representations."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from darkclr_ray.augmentations.anomalous import blind_jets
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.display import BLUE, INDIGO, SKY, Display, Style
from darkclr_ray.detectors.saving import load_settings, save_settings
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import InputSettings, StudySettings
from darkclr_ray.training.base import load_weights, place, save_weights
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.energy_model import EnergyModel, energies, stored_model
from darkclr_ray.training.inference import JetEncoder, Layer
from darkclr_ray.training.nae import NAETraining
from darkclr_ray.training.trainer import Trainer

Module = TypeVar("Module", bound=nn.Module)

JUDGED = 10_000
"""Number of training jets whose anomalous views select the epoch of an autoencoder's pre-training."""


class LoadedEncoder:
    """Encoder whose weights were read from a file, with the settings of its inputs; it implements `JetEncoder`."""

    def __init__(
        self, folder: Path, settings: StudySettings, runner: Trainer, file: str = "encoder.safetensors"
    ) -> None:
        self.encoder = loaded(Encoder(settings.encoder), folder / file, runner)
        self.inputs: InputSettings = settings.inputs
        self.weights = hashlib.blake2b((folder / file).read_bytes(), digest_size=16).hexdigest()

    def key(self) -> dict[str, Any]:
        return {"weights": self.weights, "inputs": self.inputs.model_dump(mode="json")}


class RepresentationDetector(AnomalyDetector[TrainingSample]):
    """Base class of detectors that use only an encoder's representations; subclasses define the score.

    Args:
        settings: settings of a study; ``overrides`` is applied to them, and the groups named in ``groups`` are used.
    """

    groups: ClassVar[tuple[str, ...]] = ("inputs", "views", "encoder", "contrastive", "nae", "seed")
    """Names of the groups of settings that determine the detector."""
    overrides: ClassVar[dict[str, Any]] = {}
    """Changes to a study's settings that define the detector, such as JetCLR's loss and views."""
    layer: Layer = "head"
    """Layer whose representations are scored."""
    family = "DarkCLR"

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings.updated(self.overrides)
        self._fitted: tuple[JetEncoder, Trainer] | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        encoder = runner.train(contrastive_training(self.settings, sample, runner))
        self._fitted = encoder, runner
        self.fit_representations(encoder, sample, runner)
        return self

    def fit_representations(self, encoder: ContrastiveTraining, sample: TrainingSample, runner: Trainer) -> None:
        """Fit the score on the encoder's representations; the default does nothing."""

    @abstractmethod
    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return scores (B,) of representations z, (B, d_z) of the layer "head" or (B, d_r) of the layer "pooled"."""

    def score(self, jets: Jets) -> NDArray[np.float64]:
        encoder, runner = self.fitted
        return self.score_representations(runner.represent(encoder, jets, self.layer))

    @property
    def fitted(self) -> tuple[JetEncoder, Trainer]:
        """Return the trained encoder and the runner that evaluates it. Raises ValueError before `fit` or `load`."""
        return self.ready(self._fitted)

    def save(self, folder: Path) -> None:
        encoder, _ = self.fitted
        save_settings(folder, self.settings, self.groups)
        save_weights(encoder.encoder, folder / "encoder.safetensors")

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        runner = runner or Trainer()
        detector = cls(load_settings(folder))
        detector._fitted = LoadedEncoder(folder, detector.settings, runner), runner
        return detector


class EncoderNorm(RepresentationDetector):
    """Score jets by s_CLR of Eq. 6, the L2 norm of the unnormalised representation."""

    name = "s_CLR"
    title = "norm of the representation"
    display = Display("DarkCLR, s<sub>CLR</sub>", Style(SKY, "longdash", "square"), order=21)

    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        squares: NDArray[np.float64] = np.einsum("ij,ij->i", z, z, dtype=np.float64)
        return np.sqrt(squares)


class EncoderEnergy(RepresentationDetector):
    """Score jets by s_NAE, the energy of a normalised autoencoder trained on background representations (Sec. 4)."""

    name = "s_NAE"
    title = "energy of the normalised autoencoder"
    display = Display("DarkCLR, s<sub>NAE</sub>", Style(BLUE), order=20, prominent=True)
    product = "autoencoder"
    seeds = frozenset({"encoder", "autoencoder"})

    model: EnergyModel

    def fit_representations(self, encoder: ContrastiveTraining, sample: TrainingSample, runner: Trainer) -> None:
        training = runner.train(nae_training(self.settings, encoder, sample, runner))
        model = training.artifacts()[self.product]
        assert isinstance(model, EnergyModel)
        self.model = model

    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        return energies(self.model, z)

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_weights(self.model, folder / f"{self.product}.safetensors")

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = super().load(folder, runner)
        path = folder / f"{cls.product}.safetensors"
        model = stored_model(path, detector.settings.encoder.d_z, detector.settings.nae)
        detector.model = loaded(model, path, detector.fitted[1])
        return detector


class PlainEnergy(EncoderEnergy):
    """Score jets by the autoencoder's energy before contrastive divergence, to measure the effect of normalising."""

    name = "s_AE"
    title = "error of the plain autoencoder"
    display = Display("DarkCLR, s<sub>AE</sub>", Style(INDIGO, "dashdot", "hexagon"), order=22)
    product = "plain_autoencoder"


def contrastive_training(settings: StudySettings, sample: TrainingSample, runner: Trainer) -> ContrastiveTraining:
    """Return the training of the encoder that a study's settings define; `Trainer.train` runs it."""
    source = runner.views(sample, settings.views, settings.inputs, settings.contrastive.batch_size, settings.seed)
    return ContrastiveTraining(
        sample,
        source,
        runner.validation or sample,
        encoder=settings.encoder,
        contrastive=settings.contrastive,
        views=settings.views,
        inputs=settings.inputs,
        seed=settings.seed,
    )


def nae_training(settings: StudySettings, encoder: JetEncoder, sample: TrainingSample, runner: Trainer) -> NAETraining:
    """Return the training of the normalised autoencoder on the sample's representations; `Trainer.train` runs it."""
    source: dict[str, Any] = {"encoder": runner.identity(encoder), "sample": sample.fingerprint}
    judging = judging_views(settings, sample.jets)
    views = None if judging is None else runner.represent(encoder, judging)
    if judging is not None:
        source["views_seed"] = settings.seed
    z = runner.represent(encoder, sample.jets)
    return NAETraining(z, settings.nae, seed=settings.seed, source=source, makers=(__name__,), views=views)


def judging_views(settings: StudySettings, jets: Jets) -> Jets | None:
    """Return anomalous views of the first jets, which select an autoencoder's pre-training epoch, or None.

    It is None if ``nae.views_p_drop`` is 0, in which case no view selects the epoch.
    """
    if not settings.nae.views_p_drop:
        return None
    some = jets.take(np.arange(min(len(jets), JUDGED)))
    return blind_jets(some, settings.inputs, settings.nae.views_p_drop, settings.seed)


def loaded(module: Module, path: Path, runner: Trainer) -> Module:
    """Load the weights in ``path`` into ``module`` and return it in evaluation mode on the device of ``runner``."""
    load_weights(module, path)
    place(module, runner.device, runner.precision, runner.kernels)
    module.eval().requires_grad_(False)
    return module
