"""Energy-flow polynomials: against direct sums over constituents, and their infrared and collinear safety."""

from __future__ import annotations

from itertools import product
from math import hypot, prod

import numpy as np
import pytest

from darkclr_ray.jets import energy_flow
from darkclr_ray.jets.energy_flow import GRAPHS, energy_flow_polynomials
from darkclr_ray.jets.packed import Jets
from darkclr_ray.testing import toy_jets


def by_direct_sum(constituents, graph, beta):
    """The definition: a sum over one constituent for each vertex."""
    pt, eta, phi = constituents.astype(np.float64).T
    z = pt / pt.sum()
    vertices = 1 + max(max(edge) for edge in graph)
    total = 0.0
    for chosen in product(range(len(z)), repeat=vertices):
        angles = (hypot(eta[chosen[a]] - eta[chosen[b]], phi[chosen[a]] - phi[chosen[b]]) ** beta for a, b in graph)
        total += prod(z[number] for number in chosen) * prod(angles)
    return total


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_closed_forms_are_the_direct_sums(beta):
    jets = toy_jets(6, seed=1, most=6)
    expected = [
        [by_direct_sum(jets.constituents[a:b], graph, beta) for graph in GRAPHS]
        for a, b in zip(jets.offsets[:-1], jets.offsets[1:], strict=True)
    ]
    np.testing.assert_allclose(energy_flow_polynomials(jets, beta), expected, rtol=1e-9, atol=1e-14)


def test_the_graphs_are_all_connected_multigraphs_of_up_to_three_edges():
    vertices = [1 + max(max(edge) for edge in graph) for graph in GRAPHS]
    assert [len(graph) for graph in GRAPHS] == [1, 2, 2, 3, 3, 3, 3, 3]
    assert vertices == [2, 2, 3, 2, 3, 4, 4, 3]
    degrees = [sorted(np.bincount(np.ravel(graph)).tolist()) for graph in GRAPHS]
    assert len({tuple(degree) for degree in degrees}) == len(GRAPHS)  # no two are the same graph


def test_collinear_splitting_and_soft_constituents_change_nothing():
    jet = [[50.0, 0.1, 0.2], [30.0, -0.1, 0.1], [20.0, 0.0, -0.3]]
    split = [[30.0, 0.1, 0.2], [30.0, -0.1, 0.1], [20.0, 0.1, 0.2], [20.0, 0.0, -0.3]]
    soft = [*jet, [1e-6, 0.5, 0.5]]
    values = energy_flow_polynomials(Jets.from_lists([jet, split, soft]))
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)
    np.testing.assert_allclose(values[2], values[0], rtol=1e-5)


def test_a_jet_has_the_same_values_in_any_company(monkeypatch):
    jets = toy_jets(200, seed=2, least=1, most=40)
    values = energy_flow_polynomials(jets)
    assert energy_flow_polynomials(jets) is values  # cached
    monkeypatch.setattr(energy_flow, "ELEMENTS", 3000)
    np.testing.assert_allclose(energy_flow_polynomials(jets.take(slice(0, 200))), values, rtol=1e-9, atol=1e-15)
    alone = energy_flow_polynomials(jets.take(np.array([7])))
    np.testing.assert_allclose(alone, values[[7]], rtol=1e-9, atol=1e-15)
    assert energy_flow_polynomials(jets.take(slice(0, 0))).shape == (0, 8)
    assert (values[jets.multiplicity == 1] == 0).all()
