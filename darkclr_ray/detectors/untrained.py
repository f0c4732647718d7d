"""Baselines with an encoder at its initial weights, to measure what the architecture finds without any training."""

from __future__ import annotations

from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm
from darkclr_ray.detectors.display import ORANGE, Display, Style
from darkclr_ray.detectors.views_classifier import ViewsClassifier

UNTRAINED = {"contrastive": {"epochs": 0}}


class UntrainedNorm(EncoderNorm):
    """Score jets by the norm of an untrained encoder's representation."""

    name = "untrained s_CLR"
    title = "untrained, norm of the representation"
    display = Display(
        "untrained, s<sub>CLR</sub>",
        Style(ORANGE, "longdash", "x-thin-open"),
        order=52,
        phrase="the norm of an untrained encoder",
    )
    family = "untrained"
    overrides = UNTRAINED


class UntrainedEnergy(EncoderEnergy):
    """Score jets by the energy of a normalised autoencoder on an untrained encoder's representations."""

    name = "untrained s_NAE"
    title = "untrained, energy of the normalised autoencoder"
    display = Display(
        "untrained, s<sub>NAE</sub>",
        Style(ORANGE, "dot", "x"),
        order=51,
        phrase="an untrained encoder with its own NAE",
    )
    family = "untrained"
    overrides = UNTRAINED


class UntrainedViewsClassifier(ViewsClassifier):
    """Score jets by a classifier of anomalous views on an untrained encoder's representations.

    The difference to `ViewsClassifier` is the contribution of the contrastive stage.
    """

    name = "untrained views_classifier"
    title = "untrained, classifier of anomalous views"
    display = Display(
        "untrained, views’ classifier",
        Style(ORANGE, "dash", "cross"),
        order=50,
        prominent=True,
        phrase="the views’ classifier on an untrained encoder",
    )
    family = "untrained"
    overrides = UNTRAINED
