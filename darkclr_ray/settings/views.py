"""Settings of the transformations that make the views of a jet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, field_validator, model_validator

from darkclr_ray.settings.base import Positive, Probability, Settings


def _pairs(value: Any) -> Any:
    return tuple(value.items()) if isinstance(value, dict) else value


def _named_once(value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    names = [name for name, _ in value]
    if len(set(names)) < len(names):
        raise ValueError("a transformation is there twice; name each once, with its whole weight")
    return value


Weights = Annotated[
    tuple[tuple[str, Positive], ...], BeforeValidator(_pairs), AfterValidator(_named_once), Field(min_length=1)
]
"""Transformations with weights, such as {dropping: 1, branch_dropping: 3}."""


class ViewSettings(Settings):
    """Transformations that make the views of a jet (Sec. 3.2). Names are those of the registered augmentations."""

    anchor: tuple[str, ...] = ("rotation", "translation")
    """Transformations of the anchor view, in order."""
    positive: tuple[str, ...] = ("rotation", "translation")
    """Transformations of the positive view, in order, with independent draws."""
    anomalous: tuple[str, ...] = ("dropping", "rotation", "translation")
    """Transformations of the anomalous view, in order: drop first, translate last. Empty: no such view (JetCLR)."""
    p_drop: Probability | tuple[Probability, Probability] = 0.5
    """Probability to drop a constituent in the anomalous view, or a range from which one is drawn for each jet."""
    conserved_pt: Literal["vector", "scalar", "floor"] = "vector"
    """pT that a dropping restores: that of the jet's vector sum ("vector"), the sum over constituents ("scalar",
    authors' code), or that of the vector sum with soft constituents at the detector's threshold unchanged ("floor").
    With a common factor, views lack constituents just above the threshold, which distinguishes them from background
    but not signals.
    """
    pt_threshold: float = Field(0.5, ge=0.0)
    """Smallest pT in GeV of a constituent that the detector registers, used if `conserved_pt` is "floor"."""
    pt_ramp: float = Field(2.5, gt=0.0)
    """Distance from the threshold in GeV above which constituents are scaled fully, if `conserved_pt` is "floor"."""
    branch_sizes: tuple[Positive, Positive] = (0.03, 0.2)
    """Smallest and largest angular size Delta R of the branches that `branch_dropping` drops, about 2 m / pT of the
    decaying particle. One is drawn for each jet, uniformly in the logarithm.
    """
    hardness: float = Field(1.0, ge=-10.0, le=10.0)
    """Power of a constituent's pT in the odds that `hardness_dropping` drops it; positive: hard ones more often."""
    angular_shift: float = Field(0.5, ge=0.0, le=5.0)
    """Largest absolute shift of ln Delta R by `angular_shift`: 0.5 changes angles by a factor of up to 1.65."""
    pt_powers: tuple[Positive, Positive] = (0.8, 1.5)
    """Range of the power of the constituents' pT in `pt_power`; one is drawn for each jet."""
    mixture: Weights = (("dropping", 1.0), ("branch_dropping", 1.0))
    """Transformations with weights, such as {dropping: 1, branch_dropping: 3}, of the transformation `mixture`; one of
    them is drawn for each jet.
    """

    @field_validator("mixture")
    @classmethod
    def _not_of_mixtures(cls, value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        if "mixture" in dict(value):
            raise ValueError("a mixture cannot contain itself; name the transformations that it is of")
        return value

    own: dict[str, JsonValue] = Field({})
    """Values for augmentations of one's own, by names of their choice; any of them can be searched."""
    translation: float = Field(1.0, ge=0.0, le=5.0)
    """Half width of the translation window in units of the jet's extent along each axis (authors' code: 1)."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _ordered_range(self) -> ViewSettings:
        for name in ("p_drop", "branch_sizes", "pt_powers"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name}: the range {value} runs backwards; write the smaller value first")
        return self
