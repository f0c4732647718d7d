"""Conventions against `vector`."""

from pathlib import Path

import numpy as np
import pytest
import vector
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from darkclr_ray.jets.importers.momenta import (
    ORDERS,
    check_angles,
    check_energies,
    check_jets,
    check_masses,
    four_momenta,
    look_relative,
    polar,
    possible_orders,
)
from darkclr_ray.jets.importers.unselected import CannotImport

FILE = Path("file")
numbers = st.floats(-500, 500, allow_nan=False)


@given(st.lists(st.tuples(st.floats(0.1, 500), st.floats(-4, 4), st.floats(-9, 9), st.floats(0, 50)), min_size=1))
def test_polar_input_is_what_vector_makes_of_it(rows: list[tuple[float, ...]]) -> None:
    pt, eta, phi, mass = np.array(rows).T
    expected = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": mass})
    columns = np.stack([expected.px, expected.py, expected.pz, expected.E], axis=1)
    found = four_momenta({"pt": pt, "eta": eta, "phi": phi, "mass": mass})
    np.testing.assert_allclose(found, columns, rtol=1e-9, atol=1e-9)
    given_energy = four_momenta({"pt": pt, "eta": eta, "phi": phi, "E": expected.E})
    np.testing.assert_allclose(given_energy, columns, rtol=1e-9, atol=1e-9)


@given(st.lists(st.tuples(numbers, numbers, numbers, st.floats(0, 50)), min_size=1))
def test_cartesian_input_is_what_vector_makes_of_it(rows: list[tuple[float, ...]]) -> None:
    px, py, pz, mass = np.array(rows).T
    expected = vector.array({"px": px, "py": py, "pz": pz, "mass": mass})
    found = polar(four_momenta({"px": px, "py": py, "pz": pz, "mass": mass}))
    visible = expected.pt > 1e-3
    np.testing.assert_allclose(found[visible, 0], expected.pt[visible])
    np.testing.assert_allclose(found[visible, 1], expected.eta[visible], atol=1e-9)
    assert np.all(found[visible, 1] * pz[visible] >= 0)
    turned = found[visible, 2] - expected.phi[visible]
    np.testing.assert_allclose(np.cos(turned), 1, atol=1e-12)
    assert np.all((found[:, 2] >= -np.pi) & (found[:, 2] < np.pi))
    np.testing.assert_allclose(found[visible, 3] ** 2, mass[visible] ** 2, atol=1e-12 * expected.E.max() ** 2 + 1e-9)


def test_phi_is_wrapped_to_the_lower_end() -> None:
    momenta = np.array([[-1.0, 0.0, 0.0, 1.0], [-1.0, -0.0, 0.0, 1.0]])
    assert polar(momenta)[:, 2].tolist() == [-np.pi, -np.pi]


def test_units_and_masslessness() -> None:
    columns = {"pt": np.array([3000.0]), "eta": np.array([0.5]), "phi": np.array([1.0])}
    momenta = four_momenta(columns, 1e-3)
    np.testing.assert_allclose(polar(momenta), [[3.0, 0.5, 1.0, 0.0]], atol=1e-7)


def test_a_negative_pt_is_no_direction() -> None:
    columns = {"pt": np.array([-3.0]), "eta": np.array([0.0]), "phi": np.array([0.0])}
    assert np.isnan(four_momenta(columns)).any()


def test_too_few_and_too_many_quantities() -> None:
    one = np.ones(1)
    with pytest.raises(ValueError, match="pt, eta, phi or px, py, pz"):
        four_momenta({"pt": one, "eta": one})
    with pytest.raises(ValueError, match="pt, eta, phi or px, py, pz"):
        four_momenta(dict.fromkeys(("pt", "eta", "phi", "px", "py", "pz"), one))


@pytest.mark.parametrize("order", ORDERS)
def test_order_is_found_from_the_numbers(order: tuple[str, ...]) -> None:
    random = np.random.default_rng(3)
    size = 300
    parts = vector.array(
        {
            "pt": 0.5 + random.exponential(9, size),
            "eta": random.uniform(-2, 2, size),
            "phi": random.uniform(-3, 3, size),
            "mass": np.full(size, 0.14),
        }
    )
    columns = np.stack([getattr(parts, name) for name in order], axis=1)
    padded = np.concatenate([columns, np.zeros((50, len(order)))])
    assert possible_orders(padded) == [order]


def test_first_jets_tell_the_unit_and_whether_columns_belong_together() -> None:
    sums = np.tile([200.0, 0.5, 1.0, 20.0], (5, 1))
    check_jets(FILE, sums, sums, "GeV")
    with pytest.raises(CannotImport, match="--unit MeV"):
        check_jets(FILE, sums * [1000, 1, 1, 1000], None, "GeV")
    with pytest.raises(CannotImport, match="--unit GeV"):
        check_jets(FILE, sums * [0.001, 1, 1, 1], None, "MeV")
    with pytest.raises(CannotImport, match="flipped sign"):
        check_jets(FILE, sums, sums * [1, -1, 1, 1], "GeV")
    with pytest.raises(CannotImport, match="same unit"):
        check_jets(FILE, sums, sums * [1000, 1, 1, 1], "GeV")


def test_angles_and_energies() -> None:
    check_angles(FILE, np.array([0.1, 6.2, np.nan]))
    with pytest.raises(CannotImport, match="degrees"):
        check_angles(FILE, np.array([0.1, 180.0]))
    with pytest.raises(CannotImport, match="another order"):
        check_energies(FILE, np.array([[3.0, 0.0, 4.0, 1.0]]))
    random = np.random.default_rng(1)
    assert look_relative(random.normal(0, 0.2, 300), jets=30)
    assert not look_relative(random.normal(0, 0.2, 30), jets=3)
    assert not look_relative(random.uniform(0, 2 * np.pi, 300), jets=30)


IDS = np.array([22.0, 211, -211, 130, 321, 2212, 11, -13])
ENERGYFLOW = np.array([0.0, 0.1, 0.2, 0.5, 0.3, 0.8, 1.0, 1.3])


@pytest.mark.parametrize(
    "numbers",
    [IDS, ENERGYFLOW, ENERGYFLOW.astype(np.float32), ENERGYFLOW.astype(np.float16), np.ones(8), np.sign(IDS)],
)
def test_ids_charges_and_masks_are_no_masses(numbers: NDArray[np.floating]) -> None:
    fourth = np.tile(numbers, 40).astype(np.float64)
    random = np.random.default_rng(2)
    columns = (0.5 + random.exponential(9, 320), random.uniform(-2, 2, 320), random.uniform(-3, 3, 320))
    assert possible_orders(np.stack([*columns, fourth], axis=1)) == []
    with pytest.raises(CannotImport, match=r"the numbers named as mass are .*say _ for them in --order"):
        check_masses(FILE, fourth, columns[0] * np.cosh(columns[1]))


MASSES = np.array([0.0, 0.13957, 0.49368, 0.497611, 0.93827, 0.93957, 0.10566, 0.000511])


@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_masses_of_particles_are_masses(unit: int, kind: type) -> None:
    masses = (unit * MASSES).astype(kind).astype(np.float64)
    check_masses(FILE, masses, np.full(8, 20.0 * unit))
    check_masses(FILE, np.zeros(8), np.full(8, 20.0 * unit))
    check_masses(FILE, np.full(8, -1.37e-3 * unit), np.full(8, 20.0 * unit))  # rounding of E^2 - p^2
    for mass in masses[1:] if (unit, kind) != (1000, np.float16) else ():  # the kaon's becomes 497.5
        check_masses(FILE, np.array([mass, np.nan]), np.full(2, 20.0 * unit))
