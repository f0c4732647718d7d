"""Settings of the classifier of representations that is trained on views."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from darkclr_ray.settings.base import Probability, Settings


class ViewsClassifierSettings(Settings):
    """Classifier between background jets and their own anomalous views, without signal or labels.

    The form was selected without signals, with the laptop preset on the starter set (three encoder seeds), on
    background validation jets against their own views at p_drop 0.2, 0.35, 0.45, 0.6 and 0.8. The layer before the head
    performs better than the head, and adding the energy reduces the area. Other choices are equal within 3,000 jets: a
    range of p_drop or a fixed one, a hidden layer or none.
    """

    p_drop: Probability | tuple[Probability, Probability] = (0.3, 0.7)
    """Probability to drop a constituent in the anomalous views, or a range from which one is drawn for each jet."""
    layer: Literal["head", "pooled"] = "pooled"
    """Input of the classifier: the representation z ("head"), or the constituents' sum before the head ("pooled")."""
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)
    """Widths of its hidden layers; empty: logistic regression."""

    @model_validator(mode="after")
    def _ordered_range(self) -> ViewsClassifierSettings:
        if isinstance(self.p_drop, tuple) and self.p_drop[0] > self.p_drop[1]:
            raise ValueError(f"p_drop: the range {self.p_drop} runs backwards; write the smaller value first")
        return self
