"""Images of jets: pixels in the plane of eta and phi that hold the constituents' share of the jet's pT.

Two published recipes differ in window and orientation (`RECIPES`):

- "aachen", of the jets of this benchmark (Buss et al., SciPost Phys. 15, 168 (2023)): 40 x 40 pixels over [-0.8, 0.8];
  the quadrant with the largest summed pT is that of positive eta and phi;
- "heidelberg", of top and QCD jets (Dillon et al., SciPost Phys. 11, 061 (2021), and Core 6, 074 (2023)): 40 x 40
  pixels of 0.029 in eta and 0.035 in phi; each axis is flipped by itself, towards negative eta and positive phi. In the
  authors' code a pixel holds the pT of one of its constituents; here it holds their sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import ImageSettings

Floats = NDArray[np.float64]

RECIPES = {
    "aachen": ImageSettings(),
    "heidelberg": ImageSettings(half_widths=(20 * 0.029, 20 * 0.035), flip="axes"),
}
"""Published recipes by name."""

AT_ONCE = 1024
"""Number of jets whose pixels are computed at the same time; their images stay in the processor's cache."""
TINY = 1e-7
"""Distance to which coordinates are rounded, so that rounding errors do not select pixels or flips."""


def jet_images(jets: Jets, settings: ImageSettings) -> NDArray[np.float32]:
    """Return images of jets, float32 (B, pixels**2), row-major with eta along rows and phi along columns.

    An image sums to 1 unless it is smeared over the window's edge. Constituents outside the window are left out; an
    image is zero if none is inside. The image of a jet does not depend on other jets.

    >>> settings = ImageSettings(half_widths=(0.2, 0.2), pixels=2, centre=False, rotate=False, flip="none")
    >>> jet_images(Jets.from_lists([[[3.0, 0.1, 0.1], [1.0, -0.1, 0.1]]]), settings).tolist()
    [[0.0, 0.25, 0.0, 0.75]]
    """
    images = np.zeros((len(jets), settings.pixels**2), dtype=np.float32)
    for start in range(0, len(jets), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        _fill(images[part], jets.take(part), settings)
    return images


def _fill(images: NDArray[np.float32], jets: Jets, settings: ImageSettings) -> None:
    """Add the pixels of jets to their images, (B, pixels**2), which are zero, and process the images in place."""
    hardness, eta, phi = oriented(jets, settings)
    pixels, jet = settings.pixels, np.repeat(np.arange(len(jets)), jets.multiplicity)
    rows, columns = (
        np.floor((axis + half) * (pixels / (2 * half))).astype(np.int64)
        for axis, half in zip((eta, phi), settings.half_widths, strict=True)
    )
    inside = (rows >= 0) & (rows < pixels) & (columns >= 0) & (columns < pixels)
    flat = ((jet * pixels + rows) * pixels + columns)[inside]
    values = images.reshape(-1)
    np.add.at(values, flat, hardness[inside].astype(np.float32))
    normalise(images)
    if settings.power != 1.0:
        values[flat] = values[flat] ** np.float32(settings.power)  # a pixel of several constituents gets one value
        normalise(images)
    if settings.smearing:
        images[:] = smeared(images, settings.smearing)


def oriented(jets: Jets, settings: ImageSettings) -> tuple[Floats, Floats, Floats]:
    """Return pT, eta and phi of all constituents, (M,) each, after centring, rotation and flips as configured.

    The rotation turns the larger principal axis of the pT-weighted second moments onto the phi axis.
    """
    hardness, eta, phi = jets.constituents.astype(np.float64).T
    starts, sizes = jets.offsets[:-1], jets.multiplicity

    def summed(values: Floats) -> Floats:
        sums: Floats = np.add.reduceat(values, starts) if len(starts) else np.zeros(0)
        return sums

    def spread(values: Floats) -> Floats:
        return np.repeat(values, sizes)

    if settings.centre:
        total = summed(hardness)
        eta = eta - spread(summed(hardness * eta) / total)
        phi = phi - spread(summed(hardness * phi) / total)
    if settings.rotate:
        weighted_eta, weighted_phi = hardness * eta, hardness * phi
        difference = summed(weighted_phi * phi) - summed(weighted_eta * eta)
        angle = 0.5 * np.arctan2(2.0 * summed(weighted_eta * phi), difference)
        cosine, sine = spread(np.cos(angle)), spread(np.sin(angle))
        eta, phi = cosine * eta - sine * phi, sine * eta + cosine * phi
    eta, phi = (TINY * np.rint(axis / TINY) for axis in (eta, phi))
    if settings.flip == "axes":
        flip_eta = summed(hardness * np.sign(eta)) > TINY
        flip_phi = summed(hardness * np.sign(phi)) < -TINY
    elif settings.flip == "quadrant":
        quarter, sides = hardness / 4.0, (np.sign(eta), np.sign(phi))  # an axis belongs to both of its sides
        quadrants = np.stack(
            [summed(quarter * (1 + a * sides[0]) * (1 + b * sides[1])) for a in (1, -1) for b in (1, -1)]
        )
        largest = np.rint(quadrants / TINY).argmax(0)
        flip_eta, flip_phi = largest >= 2, largest % 2 == 1
    else:
        return hardness, eta, phi
    return hardness, eta * spread(np.where(flip_eta, -1.0, 1.0)), phi * spread(np.where(flip_phi, -1.0, 1.0))


def normalise(images: NDArray[np.float32]) -> None:
    """Divide each image of (B, D), in place, by its sum, unless that is zero."""
    sums = images.sum(1, keepdims=True)
    images /= np.where(sums > 0.0, sums, 1.0)


def smeared(images: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return square images (B, pixels**2) after a Gaussian filter of ``sigma`` pixels along both axes.

    The filter is scipy's with its default edges (reflected) and range (four standard deviations).
    """
    from scipy.ndimage import gaussian_filter1d

    pixels = round(images.shape[1] ** 0.5)
    kernel = gaussian_filter1d(np.eye(pixels), sigma, axis=0).astype(np.float32)
    square = kernel @ images.reshape(-1, pixels, pixels) @ kernel.T
    return np.asarray(square, dtype=np.float32).reshape(len(images), -1)
