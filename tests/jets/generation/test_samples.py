from pathlib import Path

import pytest

from darkclr_ray.jets.generation.events import pythia_settings
from darkclr_ray.jets.generation.samples import (
    AACHEN,
    GRID_MASSES,
    GRID_R_INV,
    NAMED,
    SIGNALS,
    DarkShower,
    PythiaProcess,
    Qcd,
    fingerprint,
    grid_point,
    parse_sample,
    sample_name,
)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_sample_is_found_by_its_name(name: str) -> None:
    assert parse_sample(name) == NAMED[name]
    assert sample_name(NAMED[name]) == name


def test_the_points_of_the_paper() -> None:
    assert SIGNALS == ("aachen", "rinv_0.5", "rinv_0.2", "mass_10", "mass_20")
    assert (AACHEN.r_inv, AACHEN.pion_mass, AACHEN.rho_mass, AACHEN.z_prime_mass) == (0.75, 4.0, 5.0, 2000.0)


def test_any_point_by_its_numbers() -> None:
    text = "dark:rinv=0.3,pion=8,rho=9,lambda=7,zprime=1500,quark=0.7,decays=all_mesons"
    point = parse_sample(text)
    assert point == DarkShower(
        r_inv=0.3, pion_mass=8, rho_mass=9, confinement_scale=7, z_prime_mass=1500, dark_quark_mass=0.7
    )
    name = sample_name(point)
    assert name == "dark_rinv0.3_pion8_rho9_lambda7_zprime1500_quark0.7_all_mesons"
    assert not set(name) & set("=/\\: ")


def test_numbers_of_a_named_point_give_the_named_point() -> None:
    assert sample_name(parse_sample("dark:rinv=0.5")) == "rinv_0.5"
    assert sample_name(parse_sample("dark:decays=neutral_rho")) == "aachen"


@pytest.mark.parametrize("r_inv", GRID_R_INV)
@pytest.mark.parametrize("mass", GRID_MASSES)
def test_a_grid_point_is_found_by_its_name(r_inv: float, mass: float) -> None:
    point = grid_point(r_inv, mass)
    assert parse_sample(f"rinv_{r_inv:g}_mass_{mass:g}") == parse_sample(sample_name(point)) == point


def test_the_grid_meets_the_points_of_the_paper() -> None:
    """Exactly for r_inv at 4 GeV; where the paper varies the mass, in everything but how mesons decay."""
    assert sample_name(grid_point(0.5, 4)) == "rinv_0.5"
    assert sample_name(grid_point(0.2, 4)) == "rinv_0.2"
    for name in ("aachen", "mass_10", "mass_20"):
        paper = NAMED[name].model_dump()
        ours = grid_point(0.75, paper["pion_mass"]).model_dump()
        assert {key for key in ours if ours[key] != paper[key]} == {"decays"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acchen", "unknown sample 'acchen': give one of qcd, aachen"),
        ("dark:", "unknown sample"),
        ("dark:mass=4", "expected each of rinv, pion"),
        ("dark:rinv=0.1,rinv=0.2", "at most once"),
        ("dark:rinv=1.5", "r_inv: Input should be less than or equal to 1"),
        ("rinv_1.5_mass_4", "impossible sample 'rinv_1.5_mass_4': r_inv: Input should be less"),
        ("dark:pion=heavy", "pion_mass: Input should be a valid number"),
        ("dark:rinv=0.5,decays=neutral_rho", "use decays = all_mesons"),
    ],
)
def test_an_impossible_sample_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_sample(text)


def test_fingerprints_tell_samples_apart() -> None:
    samples = [*NAMED.values(), DarkShower(), Qcd(pt_hat_min=100)]
    assert len({fingerprint(sample) for sample in samples}) == len(samples)


def test_a_process_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_samples.py").write_text(
        "from darkclr_ray.jets.generation.samples import DarkShower, PythiaProcess\n"
        "TOPS = PythiaProcess(name='tops', settings=('Top:gg2ttbar = on',))\n"
        "LIGHT = DarkShower(pion_mass=2, rho_mass=3)\n"
        "NONE = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    tops = parse_sample("own_samples:TOPS")
    assert sample_name(tops) == "tops"
    assert "Top:gg2ttbar = on" in pythia_settings(tops)
    assert PythiaProcess.model_validate(tops.model_dump()) == tops
    assert parse_sample("own_samples:LIGHT") == DarkShower(pion_mass=2, rho_mass=3)
    for text, words in (
        ("own_samples:NONE", "a int; expected a Qcd, DarkShower or PythiaProcess"),
        ("own_samples:TOP", "has no attribute 'TOP'"),
        ("nowhere:TOPS", "No module named 'nowhere'"),
    ):
        with pytest.raises(ValueError, match=words):
            parse_sample(text)
    for name in ("qcd", "rinv_0.3_mass_12", "../up"):
        with pytest.raises(ValueError):
            PythiaProcess(name=name, settings=("Top:gg2ttbar = on",))
