"""An encoder as it was initialised: what a network's architecture finds before it has learned anything."""

from __future__ import annotations

from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm

UNTRAINED = {"contrastive": {"epochs": 0}}


class UntrainedNorm(EncoderNorm):
    """The norm of an untrained encoder's representation."""

    name = "untrained s_CLR"
    title = "untrained, norm of the representation"
    recipe = UNTRAINED


class UntrainedEnergy(EncoderEnergy):
    """The energy of a normalised autoencoder on an untrained encoder's representations."""

    name = "untrained s_NAE"
    title = "untrained, energy of the normalised autoencoder"
    recipe = UNTRAINED
