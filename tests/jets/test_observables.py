"""Observables against loops over constituents, against FastJet, and in jets whose values are known."""

from __future__ import annotations

import itertools
import math

import fastjet
import numpy as np
import pytest

from darkclr_ray.jets.observables import OBSERVABLES, centred, observable_table
from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import ViewsObservablesSettings
from darkclr_ray.testing import toy_jets


@pytest.fixture(scope="module")
def jets():
    return toy_jets(60, 1, least=1)


def clustered(pt, eta, phi, radius):
    """FastJet's Cambridge/Aachen clustering of massless constituents, recombined by pT-weighted means."""
    particles = [fastjet.PseudoJet() for _ in pt]
    for particle, numbers in zip(particles, zip(pt, eta, phi, strict=True), strict=True):
        particle.reset_PtYPhiM(*numbers, 0.0)
    return fastjet.ClusterSequence(
        particles, fastjet.JetDefinition(fastjet.cambridge_algorithm, radius, fastjet.pt_scheme)
    )


def declustered(jet):
    """Softer pT, harder pT and Delta R of the splittings along the harder branch."""
    one, other = fastjet.PseudoJet(), fastjet.PseudoJet()
    while jet.has_parents(one, other):
        softer, harder = sorted((one, other), key=fastjet.PseudoJet.pt)
        yield softer.pt(), harder.pt(), harder.delta_R(softer)
        jet = fastjet.PseudoJet(harder)


def by_hand(jets, name, at):
    pt, eta, phi = (column.tolist() for column in jets.constituents[jets.offsets[at] : jets.offsets[at + 1]].T)
    z = [p / sum(pt) for p in pt]
    falling = sorted(z, reverse=True)

    def from_axis(beta):
        return sum(share * math.hypot(e, f) ** beta for share, e, f in zip(z, eta, phi, strict=True))

    def between(beta):
        pairs = itertools.combinations(zip(z, eta, phi, strict=True), 2)
        return sum(a * b * math.hypot(e - g, f - h) ** beta for (a, e, f), (b, g, h) in pairs)

    def subjets(radius):
        return len(clustered(pt, eta, phi, radius).inclusive_jets())

    def hard_subjets(radius, fraction):
        found = clustered(pt, eta, phi, radius).inclusive_jets()
        return sum(jet.pt() > fraction * sum(pt) for jet in found)  # pT is summed in this scheme

    def emissions(chosen):
        sequence = clustered(pt, eta, phi, 100.0)
        return sum(chosen(*splitting) for splitting in declustered(sequence.inclusive_jets()[0]))

    return {
        "multiplicity": lambda: len(pt),
        "mass": lambda: jets.kinematics[at, 3],
        "pt": lambda: jets.kinematics[at, 0],
        "pt_dispersion": lambda: sum(p**2 for p in pt) ** 0.5 / sum(pt),
        "width": lambda: from_axis(1),
        "les_houches_angularity": lambda: from_axis(0.5),
        "thrust": lambda: from_axis(2),
        "leading_fraction": lambda: max(z),
        "leading_fraction_2": lambda: sum(falling[:2]),
        "leading_fraction_3": lambda: sum(falling[:3]),
        "leading_fraction_5": lambda: sum(falling[:5]),
        "leading_fraction_10": lambda: sum(falling[:10]),
        "smallest_fraction": lambda: min(z),
        "soft_constituents": lambda: sum(share < 0.005 for share in z),
        "correlator_0.2": lambda: between(0.2),
        "correlator_0.5": lambda: between(0.5),
        "correlator_1": lambda: between(1),
        "correlator_2": lambda: between(2),
        "subjets_0.05": lambda: subjets(0.05),
        "subjets_0.1": lambda: subjets(0.1),
        "subjets_0.2": lambda: subjets(0.2),
        "subjets_0.4": lambda: subjets(0.4),
        "hard_subjets_0.1_0.01": lambda: hard_subjets(0.1, 0.01),
        "hard_subjets_0.1_0.03": lambda: hard_subjets(0.1, 0.03),
        "hard_subjets_0.1_0.1": lambda: hard_subjets(0.1, 0.1),
        "hard_subjets_0.2_0.01": lambda: hard_subjets(0.2, 0.01),
        "hard_subjets_0.2_0.03": lambda: hard_subjets(0.2, 0.03),
        "hard_subjets_0.2_0.1": lambda: hard_subjets(0.2, 0.1),
        "lund_emissions_0.002": lambda: emissions(lambda soft, hard, angle: soft * angle / sum(pt) > 0.002),
        "lund_emissions_0.005": lambda: emissions(lambda soft, hard, angle: soft * angle / sum(pt) > 0.005),
        "lund_emissions_0.02": lambda: emissions(lambda soft, hard, angle: soft * angle / sum(pt) > 0.02),
        "hard_splittings": lambda: emissions(lambda soft, hard, angle: soft / (soft + hard) > 0.1),
    }[name]()


@pytest.mark.parametrize("name", OBSERVABLES)
def test_observables_agree_with_a_loop_over_jets(jets, name):
    expected = [by_hand(jets, name, at) for at in range(len(jets))]
    np.testing.assert_allclose(OBSERVABLES[name](jets), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OBSERVABLES)
def test_a_jet_does_not_depend_on_the_jets_around_it(jets, name):
    order = np.random.default_rng(2).permutation(len(jets))
    np.testing.assert_array_equal(OBSERVABLES[name](jets.take(order)), OBSERVABLES[name](jets)[order])
    assert OBSERVABLES[name](jets.take(np.array([7])))[0] == OBSERVABLES[name](jets)[7]
    assert OBSERVABLES[name](jets.take(slice(0, 0))).shape == (0,)


def changed(jets, constituents):
    return Jets(constituents.astype(np.float32), jets.offsets, jets.ids, jets.events, jets.kinematics)


@pytest.mark.parametrize("name", ViewsObservablesSettings().observables)
def test_no_observable_of_constituents_has_a_unit(jets, name):
    scaled = changed(jets, jets.constituents * np.float32([2, 1, 1]))
    np.testing.assert_allclose(OBSERVABLES[name](scaled), OBSERVABLES[name](jets), rtol=1e-12)


@pytest.mark.parametrize("name", OBSERVABLES)
def test_observables_do_not_change_under_rotations_about_the_axis(jets, name):
    turned = jets.constituents.astype(np.float64)
    turned[:, 1:] @= np.array([[np.cos(1.0), np.sin(1.0)], [-np.sin(1.0), np.cos(1.0)]])
    np.testing.assert_allclose(OBSERVABLES[name](changed(jets, turned)), OBSERVABLES[name](jets), rtol=1e-5, atol=1e-6)


def test_n_equal_constituents_have_the_smallest_dispersion():
    jets = Jets.from_lists([[[3.0, 0.0, 0.1 * at] for at in range(9)]])
    assert OBSERVABLES["pt_dispersion"](jets)[0] == pytest.approx(1.0 / 3.0)


def test_thrust_about_the_centroid_is_the_correlator_at_beta_2(jets):
    """The sum of z_i z_j (x_i - x_j)^2 over pairs is that of z_i x_i^2 for positions x with pT-weighted mean 0."""
    thrust, pairs = (OBSERVABLES[name](centred(jets)) for name in ("thrust", "correlator_2"))
    np.testing.assert_allclose(thrust, pairs, rtol=1e-5, atol=1e-8)


def test_many_jets_go_through_the_pairs_in_parts(monkeypatch, jets):
    whole = OBSERVABLES["correlator_1"](jets)
    monkeypatch.setattr("darkclr_ray.jets.observables.AT_ONCE", 7)
    np.testing.assert_array_equal(OBSERVABLES["correlator_1"](jets), whole)


def test_table_has_a_column_for_each_name(jets):
    table = observable_table(jets, ("width", "multiplicity"))
    assert table.shape == (len(jets), 2)
    np.testing.assert_array_equal(table[:, 1], jets.multiplicity)
    with pytest.raises(ValueError, match="unknown observable 'girth'"):
        observable_table(jets, ("girth",))
