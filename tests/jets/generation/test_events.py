"""Pythia's events: the batch against the record read particle by particle, and the dark sector against its numbers."""

import re

import numpy as np
import pytest

ak = pytest.importorskip("awkward")
pythia8mc = pytest.importorskip("pythia8mc")

from darkclr_ray.jets.generation.events import DARK_MESONS, Collisions, Variation, pythia_settings  # noqa: E402
from darkclr_ray.jets.generation.samples import (  # noqa: E402
    GRID_MASSES,
    GRID_R_INV,
    NAMED,
    SIGNALS,
    DarkShower,
    PythiaProcess,
    Qcd,
    grid_point,
)


def one_by_one(sample: Qcd | DarkShower, seed: int, events: int) -> list[dict[str, list[tuple[float, ...]]]]:
    """Pythia's own event loop and its own kinematics."""
    pythia = pythia8mc.Pythia("", False)
    for line in [*pythia_settings(sample), "Random:setSeed = on", f"Random:seed = {seed}"]:
        pythia.readString(line)
    pythia.init()
    found = []
    for _ in range(events):
        assert pythia.next()
        record = list(pythia.event)
        visible = [p for p in record if p.isFinal() and p.isVisible() and abs(p.eta()) < 5]
        mesons = [p for p in record if p.idAbs() in DARK_MESONS and 81 <= p.statusAbs() <= 89]
        found.append(
            {
                "particles": [(p.pT(), p.eta(), p.phi(), p.e(), p.idAbs(), p.charge()) for p in visible],
                "partons": [(p.pT(), p.eta(), p.phi(), p.e()) for p in record if p.statusAbs() == 23],
                "mesons": [
                    (p.pT(), p.eta(), p.phi(), p.e(), p.isFinal() or record[p.daughter1()].idAbs() == 53)
                    for p in mesons
                ],
            }
        )
    return found


@pytest.mark.parametrize("name", ["qcd", "aachen", "rinv_0.5"])
def test_a_batch_holds_what_the_event_record_holds(name: str) -> None:
    batch = Collisions(NAMED[name], seed=12).batch(8).to_list()
    for got, expected in zip(batch, one_by_one(NAMED[name], seed=12, events=8), strict=True):
        assert len(got["partons"]) == 2
        for field, rows in expected.items():
            assert len(got[field]) == len(rows)
            np.testing.assert_allclose([list(row.values()) for row in got[field]], rows, rtol=1e-6, atol=1e-9)
    assert any(event["mesons"] for event in batch) == (name != "qcd")


def test_jets_are_matched_to_no_lepton() -> None:
    # Pythia's own words for what leaves the hard process: the quarks of t -> b W -> b q qbar, and W -> l nu
    tops = PythiaProcess(
        name="tops", settings=("Top:gg2ttbar = on", "PhaseSpace:pTHatMin = 100", "PartonLevel:MPI = off")
    )
    pythia = pythia8mc.Pythia("", False)
    for line in [*pythia_settings(tops), "Random:setSeed = on", "Random:seed = 2"]:
        pythia.readString(line)
    pythia.init()
    leptons = 0
    for event in Collisions(tops, seed=2).batch(12).partons.to_list():
        assert pythia.next()
        outgoing = [p for p in pythia.event if p.statusAbs() == 23]
        quarks = [(p.pT(), p.eta(), p.phi(), p.e()) for p in outgoing if p.isParton()]
        np.testing.assert_allclose([list(parton.values()) for parton in event], quarks, rtol=1e-6, atol=1e-9)
        leptons += sum(p.isLepton() for p in outgoing)
    assert leptons > 4


def test_batches_cut_one_and_the_same_stream() -> None:
    whole = Collisions(NAMED["aachen"], seed=4).batch(12)
    pieces = Collisions(NAMED["aachen"], seed=4)
    assert ak.concatenate([pieces.batch(5), pieces.batch(7)]).to_list() == whole.to_list()
    assert Collisions(NAMED["aachen"], seed=5).batch(12).to_list() != whole.to_list()


def invisible_fraction(sample: Qcd | DarkShower, events: int) -> tuple[float, float]:
    """The fraction over primary dark mesons, and its standard error from the scatter between events."""
    mesons = Collisions(sample, Variation(interactions=False), seed=3).batch(events).mesons
    total, invisible = ak.to_numpy(ak.num(mesons)), ak.to_numpy(ak.sum(mesons.invisible, axis=1))
    fraction = invisible.sum() / total.sum()
    return fraction, float(np.sqrt(np.sum((invisible - fraction * total) ** 2)) / total.sum())


@pytest.mark.parametrize("name", ["aachen", "rinv_0.5", "rinv_0.2"])
def test_the_invisible_fraction_is_r_inv(name: str) -> None:
    # 600 events hold 11k mesons: within 0.01 or 2.5 standard errors, whatever is more. The starter set's 0.1M mesons a
    # sample (test_starter.py) and the slow test below allow 0.01 alone.
    fraction, error = invisible_fraction(NAMED[name], 600)
    assert error < 0.006
    assert abs(fraction - NAMED[name].r_inv) < max(0.01, 2.5 * error)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_the_invisible_fraction_is_r_inv_within_a_hundredth(name: str) -> None:
    fraction, error = invisible_fraction(NAMED[name], 5000)
    assert error < 0.0035
    assert abs(fraction - NAMED[name].r_inv) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("r_inv", GRID_R_INV)
@pytest.mark.parametrize("mass", GRID_MASSES)
def test_the_invisible_fraction_is_r_inv_on_the_whole_grid(r_inv: float, mass: float) -> None:
    # heavy mesons are few; of 25 points one is beyond three standard errors once in fifteen times, beyond four never
    fraction, error = invisible_fraction(grid_point(r_inv, mass), 1500)
    assert error < 0.007
    assert abs(fraction - r_inv) < 4 * error


def channels(sample: DarkShower, meson: int) -> dict[int, float]:
    pattern = re.compile(rf"{meson}:(?:oneChannel|addChannel) = 1 (\S+) \S+ (\d+) -\d+")
    matches = [pattern.fullmatch(line) for line in pythia_settings(sample)]
    return {int(found[2]): float(found[1]) for found in matches if found}


@pytest.mark.parametrize(
    ("mass", "flavours"), [(3.0, {1, 2, 3}), (4.0, {1, 2, 3, 4}), (10.0, {1, 2, 3, 4}), (20.0, {1, 2, 3, 4, 5})]
)
def test_flavours_open_at_their_thresholds(mass: float, flavours: set[int]) -> None:
    shower = DarkShower(r_inv=0.4, pion_mass=mass, rho_mass=mass)
    for meson in DARK_MESONS:
        ratios = channels(shower, meson)
        assert set(ratios) == {53} | flavours
        assert ratios.pop(53) == 0.4
        assert len(set(ratios.values())) == 1
        assert sum(ratios.values()) == pytest.approx(0.6)


def test_only_the_neutral_rho_of_the_benchmark_decays() -> None:
    assert channels(NAMED["aachen"], 4900113) == dict.fromkeys((1, 2, 3, 4), 0.25)
    settings = pythia_settings(NAMED["aachen"])
    assert all(f"{meson}:mayDecay = off" in settings for meson in DARK_MESONS if meson != 4900113)


def test_the_ends_of_r_inv_have_no_channel_of_weight_zero() -> None:
    assert set(channels(DarkShower(r_inv=1), 4900113)) == {53}
    assert 53 not in channels(DarkShower(r_inv=0), 4900113)


def test_variations_reach_the_generator() -> None:
    quarks = Collisions(NAMED["qcd"], Variation(processes="quarks", interactions=False), seed=1)
    nominal = Collisions(NAMED["qcd"], seed=1)
    # without further interactions an event has far fewer particles
    assert ak.mean(ak.num(quarks.batch(40).particles)) < 0.6 * ak.mean(ak.num(nominal.batch(40).particles))
    assert "TimeShower:renormMultFac = 4.0" in pythia_settings(NAMED["qcd"], Variation(final_scale=2))
    with pytest.raises(ValueError, match="other samples have one process"):
        pythia_settings(NAMED["aachen"], Variation(processes="gluons"))
