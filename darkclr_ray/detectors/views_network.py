"""Score jets, without signal or labels, by networks trained end to end between background jets and their views."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import LoadedEncoder, loaded
from darkclr_ray.detectors.display import VERMILLION, Display, Style
from darkclr_ray.detectors.saving import load_arrays, load_settings, save_arrays, save_settings
from darkclr_ray.jets.labelled import split_by_event
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.networks.classifier import Classifier
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.base import save_weights, to_tensor
from darkclr_ray.training.inference import JetEncoder
from darkclr_ray.training.supervised import backbone
from darkclr_ray.training.trainer import Trainer
from darkclr_ray.training.views_network import ViewsNetworkTraining, held_out_views, pair_views

FILE = "standardisation.safetensors"


class ViewsNetwork(AnomalyDetector[TrainingSample]):
    """Score jets by the mean logit of an ensemble of encoders with classifiers, each trained on views of one family.

    The logits of each network are standardised on background. There is no contrastive stage and no autoencoder.

    Args:
        settings: settings of a study; the groups inputs, encoder and views_network, and the seed, are used.
    """

    name = "views_network"
    title = "network trained end to end on views"
    display = Display("network, views", Style(VERMILLION, "dash", "diamond-tall"), order=14)
    family = "views_network"

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self._fitted: tuple[list[tuple[JetEncoder, Classifier]], Trainer] | None = None
        self.standardisation: dict[str, NDArray[np.float64]] | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        """Train the networks. Raises ValueError for an unknown transformation."""
        own = self.settings.views_network
        kept, apart = split_by_event(sample.jets, own.validation, "background", self.settings.seed)
        held_out = apart, held_out_views(apart, own, self.settings.inputs, self.settings.seed)
        part = TrainingSample(kept)
        trained = [
            runner.train(self.training(part, held_out, number, family, runner))
            for number, family in enumerate(own.networks)
        ]
        self._fitted = [(training, training.classifier) for training in trained], runner
        logits = self.logits(sample.jets)
        self.standardisation = {"mean": logits.mean(1), "scale": np.maximum(logits.std(1), 1e-12)}
        return self

    def training(
        self, sample: TrainingSample, held_out: tuple[Jets, Jets], number: int, family: str, runner: Trainer
    ) -> ViewsNetworkTraining:
        """Return the training of one network of the ensemble; a batch has at most all jets."""
        settings, own = self.settings, self.settings.views_network
        own = own.model_copy(update={"batch_size": min(own.batch_size, len(sample))})
        seed = settings.seed + 1000 * number  # one ensemble of the next seed shares no network with this one
        source = runner.views(sample, pair_views(own.views, family), settings.inputs, own.batch_size, seed)
        return ViewsNetworkTraining(
            sample,
            source,
            held_out,
            encoder=settings.encoder,
            network=own,
            inputs=settings.inputs,
            family=family,
            seed=seed,
        )

    def logits(self, jets: Jets) -> NDArray[np.float64]:
        """Return the logits of every network, (networks, B)."""
        networks, runner = self.ready(self._fitted)
        found = []
        for encoder, classifier in networks:
            pooled = to_tensor(runner.represent(encoder, jets, "pooled"), runner.device)
            with torch.inference_mode():
                found.append(classifier(pooled).double().cpu().numpy())
        return np.stack(found)

    def score(self, jets: Jets) -> NDArray[np.float64]:
        arrays = self.ready(self.standardisation)
        standardised = (self.logits(jets) - arrays["mean"][:, None]) / arrays["scale"][:, None]
        scores: NDArray[np.float64] = standardised.mean(0)
        return scores

    def save(self, folder: Path) -> None:
        networks, _ = self.ready(self._fitted)
        save_settings(folder, self.settings, ("inputs", "encoder", "views_network", "seed"))
        for number, (encoder, classifier) in enumerate(networks):
            save_weights(encoder.encoder, folder / f"views_network_{number}_encoder.safetensors")
            save_weights(classifier, folder / f"views_network_{number}_classifier.safetensors")
        save_arrays(folder / FILE, self.ready(self.standardisation))

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        runner = runner or Trainer()
        detector = cls(load_settings(folder))
        settings = detector.settings.model_copy(update={"encoder": backbone(detector.settings.encoder)})
        networks: list[tuple[JetEncoder, Classifier]] = []
        for number in range(len(settings.views_network.networks)):
            file = f"views_network_{number}_encoder.safetensors"
            classifier = loaded(
                Classifier(settings.encoder.d_r), folder / f"views_network_{number}_classifier.safetensors", runner
            )
            networks.append((LoadedEncoder(folder, settings, runner, file), classifier))
        detector._fitted = networks, runner
        detector.standardisation = load_arrays(folder / FILE)
        return detector
