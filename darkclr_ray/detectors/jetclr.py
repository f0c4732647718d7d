"""JetCLR: contrastive learning without anomalous views (Sec. 5.2, "Impact of anomaly augmentation").

Encoder and autoencoder are those of DarkCLR. The loss is NT-Xent, which also separates each jet from all others, and
both views are changed by all transformations of JetCLR (SciPost Phys. 12, 188). No anomalous view selects the epoch of
the autoencoder's pre-training. All other settings are those of the study, so that the comparison isolates the effect of
the anomalous views.
"""

from __future__ import annotations

from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm
from darkclr_ray.detectors.display import PURPLE, Display, Style

VIEW = ("rotation", "smearing", "splitting", "translation")
JETCLR = {
    "views": {"anchor": VIEW, "positive": VIEW, "anomalous": ()},
    "contrastive": {"loss": "nt_xent"},
    "nae": {"views_p_drop": ()},
}


class JetCLRNorm(EncoderNorm):
    """Score jets by the norm of JetCLR's representation, on which its loss has no penalty."""

    name = "JetCLR s_CLR"
    title = "JetCLR, norm of the representation"
    display = Display("JetCLR, s<sub>CLR</sub>", Style(PURPLE, "dot", "pentagon-open"), order=41)
    family = "JetCLR"
    overrides = JETCLR


class JetCLREnergy(EncoderEnergy):
    """Score jets by the energy of a normalised autoencoder on JetCLR's representations."""

    name = "JetCLR s_NAE"
    title = "JetCLR, energy of the normalised autoencoder"
    display = Display("JetCLR, s<sub>NAE</sub>", Style(PURPLE, "longdash", "pentagon"), order=40, prominent=True)
    family = "JetCLR"
    overrides = JETCLR
