import numpy as np
import pytest

from darkclr_ray.evaluation.observables import OBSERVABLES, observable_table
from darkclr_ray.jets.packed import Jets
from darkclr_ray.testing import toy_jets


@pytest.fixture(scope="module")
def jets():
    return toy_jets(60, 1, least=1)


def by_hand(jets, name, at):
    pt, eta, phi = jets.constituents[jets.offsets[at] : jets.offsets[at + 1]].astype(float).T
    return {
        "multiplicity": lambda: len(pt),
        "mass": lambda: jets.kinematics[at, 3],
        "pt": lambda: jets.kinematics[at, 0],
        "pt_dispersion": lambda: sum(p**2 for p in pt) ** 0.5 / sum(pt),
        "width": lambda: sum(p * (e**2 + f**2) ** 0.5 for p, e, f in zip(pt, eta, phi, strict=True)) / sum(pt),
        "leading_fraction": lambda: max(pt) / sum(pt),
    }[name]()


@pytest.mark.parametrize("name", OBSERVABLES)
def test_observables_agree_with_a_loop_over_jets(jets, name):
    expected = [by_hand(jets, name, at) for at in range(len(jets))]
    np.testing.assert_allclose(OBSERVABLES[name](jets), expected, rtol=1e-12)


@pytest.mark.parametrize("name", OBSERVABLES)
def test_a_jet_does_not_depend_on_the_jets_around_it(jets, name):
    order = np.random.default_rng(2).permutation(len(jets))
    np.testing.assert_array_equal(OBSERVABLES[name](jets.take(order)), OBSERVABLES[name](jets)[order])
    assert OBSERVABLES[name](jets.take(np.array([7])))[0] == OBSERVABLES[name](jets)[7]


def test_shares_of_pt_have_no_unit(jets):
    scaled = Jets(jets.constituents * np.float32([2, 1, 1]), jets.offsets, jets.ids, jets.events, jets.kinematics)
    for name in ("pt_dispersion", "width", "leading_fraction"):
        np.testing.assert_allclose(OBSERVABLES[name](scaled), OBSERVABLES[name](jets), rtol=1e-12)


def test_n_equal_constituents_have_the_smallest_dispersion():
    jets = Jets.from_lists([[[3.0, 0.0, 0.1 * at] for at in range(9)]])
    assert OBSERVABLES["pt_dispersion"](jets)[0] == pytest.approx(1.0 / 3.0)


def test_table_has_a_column_for_each_name(jets):
    table = observable_table(jets, ("width", "multiplicity"))
    assert table.shape == (len(jets), 2)
    np.testing.assert_array_equal(table[:, 1], jets.multiplicity)
    with pytest.raises(ValueError, match="unknown observable 'girth'"):
        observable_table(jets, ("girth",))
