"""JetCLR: what contrasting gives without anomalous views (Sec. 5.2, "Impact of anomaly augmentation").

The same encoder and the same autoencoder after it; the loss is NT-Xent, which pushes every jet away from all others,
and both views are changed by all of JetCLR's transformations (SciPost Phys. 12, 188). No anomalous view chooses the
epoch of the autoencoder's pre-training, either. All else is as in the study's settings, so that the comparison isolates
the anomalous views.
"""

from __future__ import annotations

from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm

VIEW = ("rotation", "smearing", "splitting", "translation")
JETCLR = {
    "views": {"anchor": VIEW, "positive": VIEW, "anomalous": ()},
    "contrastive": {"loss": "nt_xent"},
    "nae": {"views_p_drop": ()},
}


class JetCLRNorm(EncoderNorm):
    """The norm of JetCLR's representation, which its loss leaves free: there is no penalty on it."""

    name = "JetCLR s_CLR"
    title = "JetCLR, norm of the representation"
    family = "JetCLR"
    overrides = JETCLR


class JetCLREnergy(EncoderEnergy):
    """The energy of a normalised autoencoder on JetCLR's representations."""

    name = "JetCLR s_NAE"
    title = "JetCLR, energy of the normalised autoencoder"
    family = "JetCLR"
    overrides = JETCLR
