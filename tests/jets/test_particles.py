"""Visibility and charges, against Pythia's own table and the numbers of the Review of Particle Physics."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pythia8mc = pytest.importorskip("pythia8mc")

from darkclr_ray.jets.particles import ParticleTable, is_composite  # noqa: E402

NEUTRINOS, FOURTH, DARK_MATTER = (12, 14, 16), (18,), tuple(range(51, 61))
SUPERSYMMETRIC = (1000012, 1000014, 1000016, 2000012, 1000022, 1000023, 1000025, 1000035, 1000039)
HIDDEN_VALLEY = (4900101, 4900111, 4900113, 4900211, 4900021)
UNKNOWN = (5000521, 4900999, 61)


@pytest.fixture(scope="module")
def data() -> Any:
    return pythia8mc.Pythia("", False).particleData


def known(data: Any) -> Iterator[int]:
    number = data.nextId(1)
    while number:
        yield number
        number = data.nextId(number)


def test_charges_are_those_of_the_particle_data_group(data: Any) -> None:
    charge, visible = ParticleTable(data)(np.array([211, -211, 22, 11, 2212, 2112, 321, 3222, 3334, 1000020040]))
    assert charge.tolist() == [1, -1, 0, -1, 1, 0, 1, 1, -1, 2]
    assert visible.all()


def test_what_no_detector_sees(data: Any) -> None:
    table = ParticleTable(data)
    unseen = np.array([*NEUTRINOS, *FOURTH, *DARK_MATTER, *SUPERSYMMETRIC, *HIDDEN_VALLEY, *UNKNOWN])
    assert not table(unseen)[1].any()
    assert not table(-unseen)[1].any()
    assert table.take_unknown() == dict.fromkeys(UNKNOWN, 2)
    assert not table.take_unknown()
    # selectron, chargino, two R-hadrons, a nucleus and a hadron outside Pythia's table
    assert table(np.array([1000011, 1000024, 1000612, 1000993, 1000791970, 9000553]))[1].all()
    assert not table.take_unknown()


def test_the_rule_is_that_of_pythia_for_all_that_it_knows(data: Any) -> None:
    numbers = list(known(data))
    assert len(numbers) > 500
    _, visible = ParticleTable(data)(np.array(numbers))
    differs = [number for number, seen in zip(numbers, visible, strict=True) if seen != data.isVisible(number)]
    # neutral and without colour, and not in Pythia's list, which it calls incomplete itself
    assert all(number > 1_000_000 and data.charge(number) == 0 and data.colType(number) == 0 for number in differs)
    assert not any(data.isHadron(number) and not is_composite(number) for number in numbers if number < 4_000_000)


def test_numbers_that_the_user_names(data: Any) -> None:
    table = ParticleTable(data, [5000521, -211])
    assert table(np.array([211, -211, 5000521, 321]))[1].tolist() == [False, False, False, True]
    assert not table.take_unknown()


def test_a_neutral_particle_that_a_file_defines_is_invisible() -> None:
    pythia = pythia8mc.Pythia("", False)
    for number, charge in ((5000521, 0), (5000522, 3)):
        assert pythia.readString(f"{number}:new = chi{number} chi{number}bar 2 {charge} 0 10.")
    assert pythia.particleData.isVisible(5000521)  # Pythia's default
    assert ParticleTable(pythia.particleData)(np.array([5000521, 5000522]))[1].tolist() == [False, True]
