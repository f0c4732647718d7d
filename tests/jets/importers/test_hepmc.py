"""Records that pyhepmc writes, in both versions of HepMC."""

import gzip
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pyhepmc
import pytest
import pythia8mc

from darkclr_ray.jets.clustering import Selection, cluster, select, wrap
from darkclr_ray.jets.generation.detector_response import DetectorResponse, energy_flow
from darkclr_ray.jets.generation.events import Collisions, pythia_settings
from darkclr_ray.jets.generation.samples import Qcd
from darkclr_ray.jets.importers import CannotImport, hepmc
from darkclr_ray.jets.packed import Jets

PARTONS = ((220.0, 0.3, 1.0), (220.0, -0.9, 1.0 - np.pi))
PION, NEUTRINO, ELECTRON, GLUON = 211, 12, 11, 21
FINAL = 1


def momentum(pt: float, eta: float, phi: float, mass: float, scale: float) -> pyhepmc.FourVector:
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    return pyhepmc.FourVector(*(scale * np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy])))


def record(
    number: int, unit: str = "GeV", status: int = 23, weight: float = 1.0, kinds: tuple[int, int] = (GLUON, GLUON)
) -> pyhepmc.GenEvent:
    """Two partons of some kinds, 15 pions of about 14 GeV close to each, and a hard neutrino between."""
    random = np.random.default_rng(number)
    scale = 1000.0 if unit == "MeV" else 1.0
    event = pyhepmc.GenEvent(getattr(pyhepmc.Units, unit.upper()), pyhepmc.Units.MM)
    event.event_number = number
    event.weights = [weight]
    vertex = pyhepmc.GenVertex()
    vertex.add_particle_in(pyhepmc.GenParticle(momentum(1.0, 0.0, 0.0, 0.0, scale), 2212, 4))
    for parton, kind in zip(PARTONS, kinds, strict=True):
        vertex.add_particle_out(pyhepmc.GenParticle(momentum(*parton, 0.0, scale), kind, status))
        for i in range(15):
            eta, phi = random.normal(parton[1:], 0.05)
            pt = 14.7 - 0.1 * i
            pion = pyhepmc.GenParticle(momentum(pt, eta, phi, 0.14, scale), PION * (-1) ** i, 1)
            vertex.add_particle_out(pion)
    vertex.add_particle_out(pyhepmc.GenParticle(momentum(250.0, 0.0, 2.5, 0.0, scale), NEUTRINO, 1))
    event.add_vertex(vertex)
    return event


def write(path: Path, events: int = 12, form: str = "hepmc3", **how: object) -> Path:
    with pyhepmc.open(path, "w", format=form) as file:
        for number in range(events):
            file.write(record(number, **how))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("form", ["hepmc3", "hepmc2"])
def test_visible_jets_point_along_the_partons(form: str, run: Callable, tmp_path: Path) -> None:
    jets, summary = run(write(tmp_path / "a.txt", form=form))
    assert (summary.files[0].format, summary.files[0].read, summary.files[0].holds) == ("hepmc", 12, "events")
    # tracks are lost and smeared, their calorimeter energy is not: the jets stay near 15 x 14 GeV, the neutrino unseen
    assert 20 <= len(jets) <= 24
    assert np.all(np.abs(jets.pt - 210) < 60)
    distance = [np.hypot(jets.kinematics[:, 1] - eta, wrap(jets.kinematics[:, 2] - phi)) for _, eta, phi in PARTONS]
    assert np.all(np.min(distance, axis=0) < 0.15)
    assert len(np.unique(jets.events)) == 12


PERFECT = {"track_efficiency": 10, "track_resolution": 0, "calorimeter_resolution": 1e-9}
"""A detector without dice: pions are tracks of their own pT, and leave no energy beside."""


def assert_same_jets(found: Jets, expected: Jets) -> None:
    """But for their ids, which come from the file's content."""
    assert found.multiplicity.tolist() == expected.multiplicity.tolist() == [15] * 24
    np.testing.assert_allclose(found.kinematics, expected.kinematics, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.constituents, expected.constituents, rtol=1e-5, atol=1e-5)
    assert np.unique(found.events, return_counts=True)[1].tolist() == [2] * 12
    np.testing.assert_array_equal(np.diff(found.events) == 0, np.diff(expected.events) == 0)


def test_the_same_record_gives_the_same_jets_in_any_unit(tmp_path: Path, run: Callable) -> None:
    in_gev, in_mev = (write(tmp_path / f"{unit}.txt", unit=unit) for unit in ("GeV", "MeV"))
    with pytest.raises(CannotImport, match="the record itself says MeV"):
        run(in_mev, unit="GeV")
    assert_same_jets(*(run(path, sample=path.stem, detector=PERFECT)[0] for path in (in_mev, in_gev)))


def test_compressed_and_cut_into_other_stretches(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.txt")
    whole, _ = run(path, detector=PERFECT)
    monkeypatch.setattr(hepmc, "EVENTS", 5)
    compressed = tmp_path / "a.hepmc"
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    assert_same_jets(run(compressed, sample="compressed", detector=PERFECT)[0], whole)


def test_dark_matter_is_invisible_and_unknown_numbers_are_named(run: Callable, tmp_path: Path) -> None:
    """Two more particles of 220 GeV in each event, along the pions: they would double the pT of the jets."""
    window = {"match": "none", "detector": PERFECT, "selection": {"pt_max": 600}}
    for number, unknown in ((52, 0), (1000022, 0), (1000012, 0), (5000521, 24), (-4900999, 24)):
        path = write(tmp_path / f"{number}.txt", kinds=(number, number), status=FINAL)
        jets, summary = run(path, sample=f"x{abs(number)}", **window)
        np.testing.assert_allclose(jets.pt, 210, atol=5)
        assert len(jets) == 24
        assert list(summary.files[0].notes.values()) == [unknown] * (unknown > 0)
        assert all(str(abs(number)) in note for note in summary.files[0].notes)
    renamed = write(tmp_path / "named.txt", 11, kinds=(5000521, 5000521), status=FINAL)
    assert run(renamed, sample="named", invisible=[5000521], **window)[1].files[0].notes == {}
    jets, _ = run(write(tmp_path / "muon.txt", kinds=(13, 13), status=FINAL), sample="muon", **window)
    assert jets.pt.min() > 400


@pytest.mark.parametrize("lepton", [ELECTRON, -NEUTRINO])
def test_no_jet_belongs_to_a_lepton(lepton: int, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", kinds=(lepton, -4900101))
    jets, summary = run(path, detector=PERFECT)
    assert len(jets) == 12
    np.testing.assert_allclose(jets.kinematics[:, 1], PARTONS[1][1], atol=0.1)
    assert summary.dropped == {"no parton within 0.8": 12}


def test_no_partons_weights_and_damage(run: Callable, tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="no outgoing partons"):
        run(write(tmp_path / "a.txt", status=2))
    with pyhepmc.open(tmp_path / "w.txt", "w") as file:
        for number in range(3):
            file.write(record(number, weight=1.0 + number))
    with pytest.raises(CannotImport, match=r"carry weights \(1, 2"):
        run(tmp_path / "w.txt")
    lines = write(tmp_path / "whole.txt").read_text().splitlines(keepends=True)
    (tmp_path / "cut.txt").write_text("".join(lines[: len(lines) // 2]))
    with pytest.raises(CannotImport, match=r"cut.txt: truncated, it ends without END_EVENT_LISTING"):
        run(tmp_path / "cut.txt")
    starts = [i for i, line in enumerate(lines) if line.startswith("E ")]
    lines[starts[4] + 2] = "P garbage\n"
    (tmp_path / "broken.txt").write_text("".join(lines))
    with pytest.raises(CannotImport, match=r"broken.txt: damaged"):
        run(tmp_path / "broken.txt")


ORPHAN = """
HepMC::Version 2.06.09
HepMC::IO_GenEvent-START_EVENT_LISTING
E 0 -1 -1.0 -1.0 -1.0 0 -1 2 1 2 0 1 1.0
N 1 "0"
U GEV MM
V -1 0 0 0 0 0 2 2 1 1.0
P 1 11 0 0 100 100 0 4 0 0 -1 0
P 2 -11 0 0 -100 100 0 4 0 0 -1 0
P 3 211 60 0 0 60 0 1 0 0 0 0
P 4 -211 -60 0 0 60 0 1 0 0 0 0
V -2 0 0 0 0 0 0 1 1 1.0
P 5 22 10 5 0 11.18034 0 1 0 0 0 0
HepMC::IO_GenEvent-END_EVENT_LISTING
"""
"""A vertex that nothing enters, with a weight: pyhepmc 2.16 dies of it by a segmentation fault."""


def test_a_reader_that_crashes_names_its_file(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "weighted.hepmc").write_text(ORPHAN)
    (tmp_path / "plain.hepmc").write_text(ORPHAN.replace(" 1 1.0\nP", " 0\nP"))
    window = {"match": "none", "selection": {"pt_min": 20, "pt_max": 300}, "detector": PERFECT}
    assert run(tmp_path / "plain.hepmc", sample="plain", **window)[0].pt.round(4).tolist() == [60, 60]
    files = write(tmp_path / "good.hepmc"), tmp_path / "weighted.hepmc"
    with pytest.raises(CannotImport, match=r"weighted.hepmc: the process that read it crashed \(Segmentation fault\)"):
        run(*files, **window)
    assert sorted(path.name for path in (tmp_path / "jets").glob("[!.]*")) == ["imports", "test"]


@pytest.mark.slow
def test_a_record_of_our_own_collisions_gives_the_jets_that_generation_makes(run: Callable, tmp_path: Path) -> None:
    settings = [*pythia_settings(Qcd(pt_hat_min=150)), "Random:setSeed = on", "Random:seed = 11"]
    pythia = pythia8mc.Pythia("", False)
    assert all(pythia.readString(line) for line in settings)
    assert pythia.init()
    particles = pythia.nextBatch(250).prt
    with pyhepmc.open(tmp_path / "a.txt", "w") as file:
        for number, event in enumerate(particles):
            file.write(as_record(number, event))
    imported, _ = run(tmp_path / "a.txt")

    collisions = Collisions(Qcd(pt_hat_min=150), seed=11).batch(250)
    objects = energy_flow(collisions.particles, DetectorResponse(), np.random.default_rng(1))
    jets = ak.flatten(select(cluster(objects, 0.8, 150.0), collisions.partons, Selection()))
    # the same collisions, other draws of the detector: jets near the window's ends come and go
    assert abs(len(imported) - len(jets)) < 15
    assert abs(imported.multiplicity.mean() / ak.mean(ak.num(jets.constituents)) - 1) < 0.03
    assert abs(imported.mass.mean() / ak.mean(jets.mass) - 1) < 0.05


def as_record(number: int, particles: ak.Array) -> pyhepmc.GenEvent:
    """Final particles and outgoing partons of an event of Pythia, at one vertex."""
    event = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    event.event_number = number
    vertex = pyhepmc.GenVertex()
    vertex.add_particle_in(pyhepmc.GenParticle(momentum(1.0, 0.0, 0.0, 0.0, 1.0), 2212, 4))
    status, pid = np.asarray(particles.status), np.asarray(particles.id)
    momenta = np.stack([np.asarray(particles.p[name]) for name in ("px", "py", "pz", "e")], axis=1)
    for i in np.flatnonzero((status > 0) | (np.abs(status) == 23)):
        code = 1 if status[i] > 0 else 23
        vertex.add_particle_out(pyhepmc.GenParticle(pyhepmc.FourVector(*momenta[i]), int(pid[i]), code))
    event.add_vertex(vertex)
    return event
