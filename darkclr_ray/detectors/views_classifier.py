"""Score jets, without signal or labels, by a classifier between background jets and their own anomalous views.

All that the classifier learns of anomalies comes from the augmentation. Jets and views are both centred and have the
same pT, so that only their substructure distinguishes them.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.detectors.base import MOST_FITTED
from darkclr_ray.detectors.darkclr import RepresentationDetector
from darkclr_ray.detectors.display import VERMILLION, Display, Style
from darkclr_ray.detectors.saving import load_arrays, save_arrays
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.energy_model import fitted_scale
from darkclr_ray.training.trainer import Trainer

FILE = "classifier.safetensors"
Layers = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Weights (in, out) and biases (out,) of linear layers with ReLU between them; the last has one output."""


class ViewsClassifier(RepresentationDetector):
    """Score jets by the logit of a classifier that separates anomalous views from their background jets.

    `ViewsClassifierSettings` selects the layer of the representation, and logistic regression or a small network. Every
    training jet is used twice, once unchanged and once with constituents dropped; the seed determines the draws.
    """

    name = "views_classifier"
    title = "classifier of anomalous views"
    display = Display(
        "views’ classifier",
        Style(VERMILLION, "solid", "diamond"),
        order=13,
        prominent=True,
        phrase="the views’ classifier",
    )
    groups = (*RepresentationDetector.groups, "views_classifier")

    def __init__(self, settings: StudySettings) -> None:
        super().__init__(settings)
        self.layer = self.settings.views_classifier.layer
        self.layers: Layers | None = None

    def fit_representations(self, encoder: ContrastiveTraining, sample: TrainingSample, runner: Trainer) -> None:
        settings = self.settings
        views = settings.views.model_copy(update={"p_drop": settings.views_classifier.p_drop})
        some = sample.jets.at_most(MOST_FITTED, seed=settings.seed)
        anomalous = anomalous_jets(some, views, settings.inputs, seed=settings.seed)
        z, z_anomalous = (runner.represent(encoder, jets, self.layer) for jets in (some, anomalous))
        self.layers = classifier(z, z_anomalous, settings.views_classifier.hidden, settings.seed)

    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        *hidden, (weight, bias) = self.ready(self.layers)
        values = z.astype(np.float64)
        for hidden_weight, hidden_bias in hidden:
            values = np.maximum(values @ hidden_weight + hidden_bias, 0.0)
        return (values @ weight + bias)[:, 0]

    def save(self, folder: Path) -> None:
        super().save(folder)
        arrays: dict[str, NDArray[np.float64]] = {}
        for number, (weight, bias) in enumerate(self.ready(self.layers)):
            arrays |= {f"weight_{number}": weight, f"bias_{number}": bias}
        save_arrays(folder / FILE, arrays)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = super().load(folder, runner)
        arrays = load_arrays(folder / FILE)
        detector.layers = [(arrays[f"weight_{n}"], arrays[f"bias_{n}"]) for n in range(len(arrays) // 2)]
        return detector


def classifier(
    background: NDArray[np.float32], anomalous: NDArray[np.float32], hidden: tuple[int, ...], seed: int
) -> Layers:
    """Return the layers of a classifier between representations (B, d) of background and anomalous views.

    Inputs are scaled by the background's mean and standard deviation, which are folded into the first layer. Without
    hidden layers it is scikit-learn's logistic regression with unit ridge penalty, otherwise its multi-layer perceptron
    at the defaults, stopped early on a tenth of the jets.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    mean, scale = fitted_scale(background, "dimension")
    features = (np.concatenate([background, anomalous]) - mean) / scale
    labels = np.repeat([0, 1], [len(background), len(anomalous)])
    if not hidden:
        linear = LogisticRegression(solver="newton-cholesky").fit(features.astype(np.float64), labels)
        layers = [(linear.coef_.T, linear.intercept_)]
    else:
        state = digest("views classifier", seed) % 2**32
        network = MLPClassifier(hidden, early_stopping=True, random_state=state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs are sufficient even without convergence
            network.fit(features, labels)
        layers = list(zip(network.coefs_, network.intercepts_, strict=True))
    (weight, bias), *others = [(weight.astype(np.float64), bias.astype(np.float64)) for weight, bias in layers]
    weight = weight / scale[:, None]
    return [(weight, bias - mean @ weight), *others]
