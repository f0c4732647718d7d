"""An encoder as it was initialised: what a network's architecture finds before it has learned anything."""

from __future__ import annotations

from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm
from darkclr_ray.detectors.views_classifier import ViewsClassifier

UNTRAINED = {"contrastive": {"epochs": 0}}


class UntrainedNorm(EncoderNorm):
    """The norm of an untrained encoder's representation."""

    name = "untrained s_CLR"
    title = "untrained, norm of the representation"
    family = "untrained"
    overrides = UNTRAINED


class UntrainedEnergy(EncoderEnergy):
    """The energy of a normalised autoencoder on an untrained encoder's representations."""

    name = "untrained s_NAE"
    title = "untrained, energy of the normalised autoencoder"
    family = "untrained"
    overrides = UNTRAINED


class UntrainedViewsClassifier(ViewsClassifier):
    """The views' classifier on an untrained encoder's representations: what is not owed to the contrastive stage."""

    name = "untrained views_classifier"
    title = "untrained, classifier of anomalous views"
    family = "untrained"
    overrides = UNTRAINED
