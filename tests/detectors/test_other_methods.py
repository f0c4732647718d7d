"""Detectors of Table 2's other methods: their scores against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde, multivariate_normal
from sklearn.cluster import KMeans

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.inn import INN, SMALLEST, INNCubeRoot, INNLatent, INNLinear
from darkclr_ray.jets.energy_flow import energy_flow_polynomials
from darkclr_ray.jets.images import jet_images
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.inn import WhitenedFlow
from darkclr_ray.training.tables import spread_rows
from darkclr_ray.training.trainer import Trainer

RUNNER = Trainer(device="cpu")


@pytest.fixture(scope="module")
def sample():
    return TrainingSample(toy_jets(80, seed=1))


@pytest.fixture(scope="module")
def jets():
    return toy_jets(40, seed=2, least=4)


@pytest.mark.parametrize(("cls", "power"), [(INN, 0), (INNCubeRoot, 1 / 3), (INNLinear, 1)])
def test_densities_in_other_coordinates(settings, jets, cls, power):
    """An untrained flow is a rotation, so that the density in ln x is normal; in y = x^n it follows from dy."""
    polynomials = energy_flow_polynomials(toy_jets(500, seed=3, least=4)) + SMALLEST
    logarithms = np.log(polynomials)
    detector = cls(settings)
    detector.model = WhitenedFlow(8, settings.inn)
    detector.model.whiten(logarithms.astype(np.float32))
    x = energy_flow_polynomials(jets) + SMALLEST
    density = multivariate_normal(logarithms.mean(0), np.cov(logarithms, rowvar=False)).logpdf(np.log(x))
    for column in x.T if power else ():
        step = 1e-6 * column
        slope = ((column + step) ** power - (column - step) ** power) / (np.log(column + step) - np.log(column - step))
        density = density - np.log(slope)
    scores = 8 * detector.score(jets)
    np.testing.assert_allclose(scores - scores[0], -(density - density[0]), rtol=1e-3, atol=0.02)


def test_scores_of_one_flow_share_a_training(settings, sample, jets):
    counted = []
    runner = Trainer(device="cpu", report=lambda progress: counted.append(progress.kind))
    scores = {cls: cls(settings).fit(sample, runner).score(jets) for cls in (INN, INNLinear, INNLatent)}
    assert counted.count("inn") == settings.inn.epochs
    x = np.log(energy_flow_polynomials(jets) + SMALLEST)
    np.testing.assert_allclose(scores[INNLinear] - scores[INN], x.mean(1), rtol=1e-4)


def test_the_latent_density_is_scipys_kernel_estimate(settings, sample, jets):
    two = settings.updated({"dirichlet_vae": {"alphas": (1.0, 1.0)}})
    detector = registry.make("dvae_density", two).fit(sample, RUNNER)
    centres, points = detector.centres[:, 0], detector.latent(jets)[:, 0]
    estimate = gaussian_kde(centres, bw_method=len(centres) ** -0.2 * centres.std() / centres.std(ddof=1))
    expected = -estimate.logpdf(points)
    scores = detector.score(jets)
    np.testing.assert_allclose(scores - scores[0], expected - expected[0], atol=1e-6)


def test_other_scores_of_the_dirichlet_vae(settings, sample, jets):
    runner = Trainer(device="cpu")
    reconstruction, prior = (
        registry.make(name, settings).fit(sample, runner) for name in ("dvae_reconstruction", "dvae_prior")
    )
    assert reconstruction.model is prior.model
    images = jet_images(jets, settings.dirichlet_vae.images).astype(np.float64)
    with torch.no_grad():
        mean, log_variance = reconstruction.model.encode(torch.from_numpy(images).float())
        decoded = reconstruction.model.decode(mean).double().exp().numpy()
    ratio = np.where(images > 0, images / decoded, 1.0)
    np.testing.assert_allclose(reconstruction.score(jets), (images * np.log(ratio)).sum(1), rtol=1e-4)
    normals = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    target = torch.distributions.Normal(prior.model.prior_mean, prior.model.prior_variance.sqrt())
    expected = torch.distributions.kl_divergence(normals, target).sum(1)
    np.testing.assert_allclose(prior.score(jets), expected, rtol=1e-3)


def test_distances_are_those_of_scikit_learns_clusters(settings, sample, jets):
    own = settings.kmeans
    model = KMeans(own.clusters, random_state=digest("k-means", settings.seed) % 2**32)
    model.fit(jet_images(sample.jets, own.images))
    expected = model.transform(jet_images(jets, own.images)).min(1)
    scores = registry.make("kmeans_images", settings).fit(sample, RUNNER).score(jets)
    np.testing.assert_allclose(scores, expected, rtol=1e-3)


def test_observables_are_scaled_and_reconstructed(settings, sample, jets):
    few = settings.updated({"wnae": {"observables": ("multiplicity", "width", "pt_dispersion")}})
    detector = registry.make("ae_observables", few).fit(sample, RUNNER)
    table = observable_table(centred(sample.jets), few.wnae.observables)
    model, x = detector.model, observable_table(centred(jets), few.wnae.observables)
    np.testing.assert_allclose(model.mean, table.mean(0), rtol=1e-4)
    scaled = torch.from_numpy(((x - table.mean(0)) / table.std(0)).astype(np.float32))
    with torch.no_grad():
        expected = (scaled - model.autoencoder(scaled)).square().mean(1)
    np.testing.assert_allclose(detector.score(jets), expected, rtol=1e-3)


def test_training_jets_are_limited_and_spread(settings, sample):
    few = settings.updated({"inn": {"jets": 30}})
    runner = Trainer(device="cpu")
    training = INN(few).training(INN(few).table(sample.jets.take(spread_rows(80, 30))))
    runner.train(training)
    assert INN(few).fit(sample, runner).model is training.model
    assert np.diff(spread_rows(80, 30)).max() <= 3
