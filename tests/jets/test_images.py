"""Images of jets: against a slow version by hand, and under the symmetries of their orientation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from darkclr_ray.jets.images import RECIPES, jet_images, oriented
from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import ImageSettings
from darkclr_ray.testing import toy_jets

AS_STORED = ImageSettings(half_widths=(0.9, 0.9), centre=False, rotate=False, flip="none")


def square(images):
    side = round(images.shape[1] ** 0.5)
    return images.reshape(-1, side, side)


def moved(jets: Jets, eta, phi) -> Jets:
    constituents = np.column_stack([jets.constituents[:, 0], eta, phi]).astype(np.float32)
    return replace(jets, constituents=constituents)


def by_hand(constituents, recipe):
    """The image of one jet, step by step."""
    pt, eta, phi = constituents.astype(np.float64).T
    points = np.stack([eta - np.average(eta, weights=pt), phi - np.average(phi, weights=pt)])
    _, axes = np.linalg.eigh(np.cov(points, aweights=pt, ddof=0) if len(pt) > 1 else np.eye(2))
    eta, phi = axes.T @ points  # the eigenvalues are in increasing order
    if recipe == "aachen":
        sums = {(a, b): pt[(a * eta > 0) & (b * phi > 0)].sum() for a in (1, -1) for b in (1, -1)}
        a, b = max(sums, key=sums.get)
        half = (0.8, 0.8)
    else:
        a = -np.sign((pt * np.sign(eta)).sum())
        b = np.sign((pt * np.sign(phi)).sum())
        half = (20 * 0.029, 20 * 0.035)
    image, _, _ = np.histogram2d(a * eta, b * phi, bins=40, range=[(-h, h) for h in half], weights=pt)
    return image / image.sum()


@pytest.mark.parametrize("recipe", RECIPES)
def test_published_recipes_by_hand(recipe):
    jets = toy_jets(50, seed=3, least=5)
    found = square(jet_images(jets, RECIPES[recipe]))
    for image, start, end in zip(found, jets.offsets, jets.offsets[1:], strict=False):
        np.testing.assert_allclose(image, by_hand(jets.constituents[start:end], recipe), atol=1e-6)


@given(st.integers(0, 10**6), st.integers(1, 3))
@hypothesis_settings(max_examples=20, derandomize=True, deadline=None)
def test_a_rotation_by_right_angles_rotates_the_pixels(seed, quarters):
    jets = toy_jets(20, seed=seed)
    _, eta, phi = jets.constituents.T
    turned = jets
    for _ in range(quarters):
        eta, phi = -phi, eta
    turned = moved(jets, eta, phi)
    expected = np.rot90(square(jet_images(jets, AS_STORED)), quarters, axes=(1, 2))
    np.testing.assert_allclose(square(jet_images(turned, AS_STORED)), expected, atol=1e-6)
    for recipe in RECIPES.values():
        np.testing.assert_allclose(jet_images(turned, recipe), jet_images(jets, recipe), atol=1e-6)


@given(st.integers(0, 10**6), st.integers(-10, 10), st.integers(-10, 10))
@hypothesis_settings(max_examples=20, derandomize=True, deadline=None)
def test_a_shift_by_pixels_shifts_an_image_and_centring_undoes_it(seed, up, right):
    jets = toy_jets(20, seed=seed)
    pixel = 1 / 32  # exact in float32
    grid = AS_STORED.model_copy(update={"half_widths": (2.0, 2.0), "pixels": 128})
    _, eta, phi = np.round(jets.constituents.T * 1024) / 1024 + 1 / 2048
    jets, shifted = moved(jets, eta, phi), moved(jets, eta + up * pixel, phi + right * pixel)
    expected = np.roll(square(jet_images(jets, grid)), (up, right), axis=(1, 2))
    np.testing.assert_allclose(square(jet_images(shifted, grid)), expected, atol=1e-6)
    for recipe in RECIPES.values():
        np.testing.assert_allclose(jet_images(shifted, recipe), jet_images(jets, recipe), atol=1e-6)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (-1, -1)])
def test_mirrored_jets_have_one_image(recipe, signs):
    jets = toy_jets(100, seed=4)
    _, eta, phi = jets.constituents.T
    mirrored = moved(jets, signs[0] * eta, signs[1] * phi)
    np.testing.assert_allclose(jet_images(mirrored, RECIPES[recipe]), jet_images(jets, RECIPES[recipe]), atol=1e-6)


def test_the_orientation_is_the_stated_one():
    jets = toy_jets(100, seed=5)
    for name, recipe in RECIPES.items():
        pt, eta, phi = oriented(jets, recipe)
        for rows in map(slice, jets.offsets[:-1], jets.offsets[1:]):
            weight, x, y = pt[rows], eta[rows], phi[rows]
            assert abs((weight * x).sum()) + abs((weight * y).sum()) < 1e-4
            assert abs((weight * x * y).sum()) < 1e-4
            assert (weight * y * y).sum() >= (weight * x * x).sum()
            if name == "aachen":
                most = weight[(x > 0) & (y > 0)].sum()
                assert all(weight[(a * x > 0) & (b * y > 0)].sum() <= most + 1e-6 for a in (1, -1) for b in (1, -1))
            else:
                assert (weight * np.sign(x)).sum() <= 1e-6
                assert (weight * np.sign(y)).sum() >= -1e-6


def test_the_total_is_the_share_of_pt_in_the_window():
    jets = Jets.from_lists([[[5.0, 0.0, 0.0], [3.0, 0.02, 0.02], [2.0, 1.0, 0.0]], [[1.0, 0.0, 2.0]]])
    images = jet_images(jets, AS_STORED)
    assert images[0].sum() == pytest.approx(1.0)
    assert sorted(images[0][images[0] > 0]) == pytest.approx([1.0])  # 5 and 3 GeV in one pixel, 2 GeV outside
    assert images[1].sum() == 0.0


@pytest.mark.parametrize("power", [0.01, 0.25, 2.0])
def test_powers_and_the_gaussian_filter(power):
    jets = toy_jets(30, seed=6)
    plain = square(jet_images(jets, ImageSettings()))
    expected = plain**power * (plain > 0)
    expected /= expected.sum((1, 2), keepdims=True)
    np.testing.assert_allclose(square(jet_images(jets, ImageSettings(power=power))), expected, atol=1e-6)
    found = square(jet_images(jets, ImageSettings(power=power, smearing=1.5)))
    for image, sharp in zip(found, expected, strict=True):
        np.testing.assert_allclose(image, gaussian_filter(sharp.astype(np.float64), 1.5), atol=1e-6)


def test_a_jet_has_the_same_image_in_any_company():
    jets = toy_jets(2500, seed=7)
    recipe = ImageSettings(power=0.3, smearing=1.0)
    images = jet_images(jets, recipe)
    assert images.dtype == np.float32
    some = np.array([2499, 0, 1024])
    np.testing.assert_allclose(jet_images(jets.take(some), recipe), images[some], atol=1e-7)
    assert jet_images(jets.take(slice(0, 0)), recipe).shape == (0, 1600)
