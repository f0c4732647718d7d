"""Supervised transformer of Sec. 5.2, trained with labels on one signal and applied to other signals (Table 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import LoadedEncoder, loaded
from darkclr_ray.detectors.display import WINE, Display, Style
from darkclr_ray.detectors.saving import load_settings, save_settings
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets
from darkclr_ray.networks.classifier import Classifier
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.base import save_weights, to_tensor
from darkclr_ray.training.inference import JetEncoder
from darkclr_ray.training.supervised import SupervisedTraining, backbone
from darkclr_ray.training.trainer import Trainer


class Supervised(AnomalyDetector[LabelledSample]):
    """Score jets by the logit of a classifier that was trained on background and one signal.

    Args:
        settings: settings of a study; the groups inputs, encoder and supervised, and the seed, are used.
    """

    name = "supervised"
    title = "supervised transformer"
    display = Display(
        "supervised", Style(WINE, "longdashdot", "star"), order=70, prominent=True, phrase="the supervised classifier"
    )
    family = "supervised"

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self._fitted: tuple[JetEncoder, Classifier, Trainer] | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: LabelledSample, runner: Trainer) -> Self:
        settings = self.settings
        training = runner.train(
            SupervisedTraining(
                sample,
                encoder=settings.encoder,
                inputs=settings.inputs,
                supervised=settings.supervised,
                seed=settings.seed,
            )
        )
        self._fitted = training, training.classifier, runner
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        encoder, classifier, runner = self.ready(self._fitted)
        pooled = to_tensor(runner.represent(encoder, jets, "pooled"), runner.device)
        with torch.inference_mode():
            logits: NDArray[np.float64] = classifier(pooled).double().cpu().numpy()
        return logits

    def save(self, folder: Path) -> None:
        encoder, classifier, _ = self.ready(self._fitted)
        save_settings(folder, self.settings, ("inputs", "encoder", "supervised", "seed"))
        save_weights(encoder.encoder, folder / "encoder.safetensors")
        save_weights(classifier, folder / "classifier.safetensors")

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        runner = runner or Trainer()
        detector = cls(load_settings(folder))
        settings = detector.settings.model_copy(update={"encoder": backbone(detector.settings.encoder)})
        classifier = loaded(Classifier(settings.encoder.d_r), folder / "classifier.safetensors", runner)
        detector._fitted = LoadedEncoder(folder, settings, runner), classifier, runner
        return detector
