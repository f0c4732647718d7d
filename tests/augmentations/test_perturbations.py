"""Perturbed jets: what is conserved, what is not, and that nothing else moves. Four-vectors are summed by hand here."""

import numpy as np
import pytest

from darkclr_ray.augmentations.perturbations import PERTURBATIONS, perturbed
from darkclr_ray.jets.packed import Jets, vector_pt
from darkclr_ray.jets.validity import jets_fault


def four_vector(jets: Jets, jet: int) -> tuple[float, float, float, float]:
    """pT, eta, phi and mass of the massless sum of a jet's constituents."""
    rows = jets.constituents[jets.offsets[jet] : jets.offsets[jet + 1]].astype(float)
    _, jet_eta, jet_phi, _ = jets.kinematics[jet].astype(float)
    total = np.zeros(4)
    for pt, eta, phi in rows:
        eta, phi = eta + jet_eta, phi + jet_phi
        total += pt * np.array([np.cos(phi), np.sin(phi), np.sinh(eta), np.cosh(eta)])
    px, py, pz, energy = total
    pt = np.hypot(px, py)
    return pt, np.arcsinh(pz / pt), np.arctan2(py, px), np.sqrt(max(energy**2 - pt**2 - pz**2, 0.0))


@pytest.fixture(scope="module")
def jets() -> Jets:
    generator = np.random.default_rng(3)
    made = Jets.from_lists(
        [
            np.sort(generator.exponential(12.0, (generator.integers(1, 40), 1)) + 0.5, axis=0)[::-1] * [[1.0, 0.0, 0.0]]
            + generator.normal(0.0, 0.2, (1, 3)) * [[0.0, 1.0, 1.0]]
            for _ in range(60)
        ]
    )
    made.constituents[:, 1:] += generator.normal(0.0, 0.15, (len(made.constituents), 2))
    made.kinematics[:, 1] = generator.uniform(-2.0, 2.0, 60)
    made.kinematics[:, 2] = generator.uniform(-np.pi, np.pi, 60)
    # the axis becomes the sum's, as for clustered jets, and no constituent moves
    for jet in range(60):
        rows = slice(made.offsets[jet], made.offsets[jet + 1])
        vector = four_vector(made, jet)
        made.constituents[rows, 1] -= vector[1] - made.kinematics[jet, 1]
        made.constituents[rows, 2] -= (vector[2] - made.kinematics[jet, 2] + np.pi) % (2 * np.pi) - np.pi
        made.kinematics[jet] = vector
    return made


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perturbed_jet_is_a_jet_again(name: str, jets: Jets) -> None:
    changed = perturbed(jets, name, seed=1)
    np.testing.assert_array_equal(changed.ids, jets.ids)
    np.testing.assert_array_equal(changed.events, jets.events)
    assert jets_fault(changed) is None
    for jet in range(len(jets)):
        pt, eta, phi, mass = four_vector(changed, jet)
        got = changed.kinematics[jet]
        assert got[0] == pytest.approx(pt, rel=1e-5)
        assert got[1] == pytest.approx(eta, abs=1e-5)
        assert (got[2] - phi + np.pi) % (2 * np.pi) - np.pi == pytest.approx(0.0, abs=1e-5)
        assert got[3] ** 2 == pytest.approx(mass**2, abs=1e-5 * pt**2)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_what_becomes_of_a_jet_depends_on_it_and_the_seed_alone(name: str, jets: Jets) -> None:
    whole, again, other = (perturbed(jets, name, seed=seed) for seed in (1, 1, 2))
    some = np.array([40, 3])
    np.testing.assert_array_equal(whole.constituents, again.constituents)
    np.testing.assert_array_equal(perturbed(jets.take(some), name, seed=1).constituents, whole.take(some).constituents)
    assert np.array_equal(whole.constituents, other.constituents) == name.startswith("scale")


def test_a_soft_emission_adds_one_constituent(jets: Jets) -> None:
    changed = perturbed(jets, "soft_emission", seed=1)
    np.testing.assert_array_equal(changed.multiplicity, jets.multiplicity + 1)
    added = [
        set(changed.take(np.array([jet])).constituents[:, 0].tolist())
        - set(jets.take(np.array([jet])).constituents[:, 0].tolist())
        for jet in range(len(jets))
    ]
    assert all(len(one) == 1 for one in added)
    assert all(0.5 <= pt <= 1.0 for one in added for pt in one)


def test_a_splitting_keeps_the_jet(jets: Jets) -> None:
    changed = perturbed(jets, "collinear_splitting", seed=1)
    np.testing.assert_array_equal(changed.multiplicity, jets.multiplicity + 1)
    np.testing.assert_allclose(changed.kinematics[:, :3], jets.kinematics[:, :3], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(vector_pt(changed.constituents, changed.offsets), jets.pt, rtol=1e-5)
    for jet in range(len(jets)):
        before, after = (some.take(np.array([jet])).constituents for some in (jets, changed))
        pair = [row for row in after.tolist() if row[0] not in before[:, 0]]
        assert len(pair) == 2
        assert pair[0][0] + pair[1][0] == pytest.approx(before[0, 0], rel=1e-5)
        np.testing.assert_allclose(np.array(pair)[:, 1:], before[[0, 0], 1:], atol=1e-5)


@pytest.mark.parametrize(("name", "factor"), [("scale_up", 1.01), ("scale_down", 0.99)])
def test_an_energy_scale_scales_pt_and_mass(name: str, factor: float, jets: Jets) -> None:
    changed = perturbed(jets, name, seed=1)
    np.testing.assert_allclose(changed.constituents[:, 0], factor * jets.constituents[:, 0], rtol=1e-6)
    np.testing.assert_allclose(changed.pt, factor * jets.pt, rtol=1e-6)
    heavy = jets.mass > 1.0
    np.testing.assert_allclose(changed.mass[heavy], factor * jets.mass[heavy], rtol=1e-5)
    np.testing.assert_allclose(changed.kinematics[:, 1:3], jets.kinematics[:, 1:3], atol=1e-6)


def test_smearings_have_their_widths() -> None:
    many = Jets.from_lists([[[20.0, 0.0, 0.0], [2.0, 0.0, 0.0]]] * 4000)
    # twice two hard constituents keep the axis where it is
    moved = perturbed(many, "smearing", seed=1).constituents.reshape(4000, 2, 3)
    apart = moved[:, 0] - moved[:, 1]
    assert np.std(apart[:, 1]) == pytest.approx(np.hypot(0.1 / 20, 0.1 / 2), rel=0.04)
    assert np.std(apart[:, 2]) == pytest.approx(np.hypot(0.1 / 20, 0.1 / 2), rel=0.04)
    ratio = perturbed(many, "resolution", seed=1).constituents.reshape(4000, 2, 3)[:, :, 0] / [20.0, 2.0]
    np.testing.assert_allclose(ratio.std(axis=0), 0.05, rtol=0.04)
    np.testing.assert_allclose(ratio.mean(axis=0), 1.0, atol=0.004)


def test_an_unknown_perturbation_is_named(jets: Jets) -> None:
    with pytest.raises(ValueError, match="unknown perturbation 'hard'; there are: soft_emission"):
        perturbed(jets, "hard", seed=1)
