"""Settings of the conversion of jets to inputs of networks and to images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from darkclr_ray.settings.base import Positive, Settings


class InputSettings(Settings):
    """How jets are converted to the inputs of a network."""

    constituents: int = Field(50, ge=1, le=1000)
    """Number of hardest constituents of each jet that are used (N_c of Table 1)."""
    pt: Literal["gev", "fraction"] = "gev"
    """Scale of the constituents' pT: divided by `pt_scale` ("gev", the paper), or by the jet's pT ("fraction"), so that
    the inputs do not contain the jet's pT.
    """
    pt_scale: float = Field(300.0, gt=0.0)
    """Divisor of the constituents' pT in GeV if `pt` is "gev" (authors' code; JetCLR uses 600)."""


class ImageSettings(Settings):
    """Images of jets; the defaults are the published recipe of the Aachen benchmark, see `darkclr_ray.jets.images`."""

    half_widths: tuple[Positive, Positive] = (0.8, 0.8)
    """Half widths of the window in eta and phi."""
    pixels: int = Field(40, ge=2, le=400, multiple_of=2)
    """Number of pixels along each axis; the window does not depend on it."""
    centre: bool = True
    """Whether eta and phi are taken relative to the pT-weighted mean of the constituents."""
    rotate: bool = True
    """Whether the larger principal axis of the pT-weighted second moments is turned onto the phi axis."""
    flip: Literal["quadrant", "axes", "none"] = "quadrant"
    """Flips of the axes: so that the quadrant with the largest summed pT has positive eta and phi ("quadrant"), or each
    axis by itself so that more pT is at negative eta and at positive phi ("axes").
    """
    power: float = Field(1.0, gt=0.0, le=10.0)
    """Power n of the pixels' values, x -> x^n, after which an image is divided by its sum again; for n -> 0 the image
    only says which pixels are occupied.
    """
    smearing: float = Field(0.0, ge=0.0, le=20.0)
    """Standard deviation in pixels of a Gaussian filter after the power; 0: no filter."""
