"""Settings of the network that is trained end to end on views."""

from __future__ import annotations

from pydantic import Field

from darkclr_ray.settings.base import Settings
from darkclr_ray.settings.views import ViewSettings


class ViewsNetworkSettings(Settings):
    """Encoder and classifier that are trained end to end to separate background jets from their anomalous views.

    The epoch is selected on views of a family that the network is not trained on, so that it is not the one in which
    the network knows the artefacts of its own family best.
    """

    networks: tuple[str, ...] = Field(("branch_dropping",), min_length=1)
    """Transformation whose views each network of the ensemble is trained on, such as branch_dropping,branch_dropping,
    dropping; each has a seed of its own. The score is the mean of their standardised logits.
    """
    held_out: str = "cell_dropping"
    """Transformation whose views of held-out background select the epoch, by the area under the ROC curve."""
    views: ViewSettings = ViewSettings(
        anchor=("rotation",), positive=(), anomalous=(), p_drop=(0.1, 0.7), conserved_pt="floor"
    )
    """Parameters of the transformations; those of the anchor are applied to background and to views."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the labels that is replaced by one half."""
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0)
    """Largest learning rate of Adam (that of Table 1)."""
    batch_size: int = Field(256, ge=2, le=65536)
    """Number of jets per step, over all workers; each is used with one view."""
    epochs: int = Field(150, ge=1, le=100000)
    """Number of epochs (that of Table 1)."""
    warm_up: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the epochs in which the learning rate rises; then it falls to zero along a cosine."""
    validation: float = Field(0.1, gt=0.0, lt=1.0)
    """Fraction of the events that is held out to select the epoch."""
