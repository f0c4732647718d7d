"""The vectorised detector against one that goes through particles and towers one by one."""

import itertools
import math

import numpy as np
import pytest

ak = pytest.importorskip("awkward")

from darkclr_ray.jets.generation.detector_response import (  # noqa: E402
    ETA_EDGES,
    TOWERS,
    DetectorResponse,
    energy_flow,
    point_in_tower,
    smear,
    tower_index,
    track_efficiency,
    track_resolution,
)

KINDS = {11: 1, 13: -1, 22: 0, 130: 0, 211: 1, 310: 0, 321: -1, 2112: 0, 2212: 1, 3122: 0}


def random_particles(seed: int, sizes: list[int], spread: float = 1.5) -> "ak.Array":
    random = np.random.default_rng(seed)
    n = sum(sizes)
    kind = random.choice(list(KINDS), n, p=[0.05, 0.05, 0.3, 0.05, 0.35, 0.05, 0.05, 0.04, 0.03, 0.03])
    pt, eta = random.exponential(4, n) + 0.05, random.normal(0, spread, n)
    columns = {"pt": pt, "eta": eta, "phi": random.uniform(-np.pi, np.pi, n), "energy": pt * np.cosh(eta)}
    columns |= {"id": kind, "charge": np.array([KINDS[k] for k in kind.tolist()], dtype=float)}
    return ak.unflatten(ak.zip(columns), sizes)


def ecal_sigma(eta: float, energy: float) -> float:
    if abs(eta) <= 3:
        return math.sqrt((0.007 * energy) ** 2 + 0.07**2 * energy + 0.35**2)
    return math.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)


def hcal_sigma(eta: float, energy: float) -> float:
    constant, stochastic = (0.05, 1.5) if abs(eta) <= 3 else (0.13, 2.7)
    return math.sqrt((constant * energy) ** 2 + stochastic**2 * energy)


def find_tower(eta: float, phi: float) -> tuple[int, float, float, float, float]:
    """Number and bounds of a tower: rings from eta = -5 on, cells from phi = -pi on."""
    number = 0
    for low, high in itertools.pairwise(ETA_EDGES):
        middle = abs(low + high) / 2
        cells = 72 if middle < 1.74 else 36 if middle < 4.525 else 18
        if low <= eta < high:
            width = 2 * math.pi / cells
            cell = min(int((phi + math.pi) // width), cells - 1)
            return number + cell, low, high, -math.pi + cell * width, -math.pi + (cell + 1) * width
        number += cells
    raise AssertionError


def flow_by_hand(
    particles: list[list[dict[str, float]]], detector: DetectorResponse, random: np.random.Generator
) -> list:
    """The same draws in the same order, used one by one."""
    inside = [(e, p) for e, event in enumerate(particles) for p in event if abs(p["eta"]) < 5]
    found, normal = random.random(len(inside)), random.standard_normal(len(inside))
    seen: list[list[tuple[float, float, float]]] = [[] for _ in particles]
    deposits: list[dict[tuple[int, int], dict]] = [{}, {}]
    for (event, p), uniform, gauss in zip(inside, found, normal, strict=True):
        pt, eta, kind = p["pt"], p["eta"], p["id"]
        one = tuple(np.array([x]) for x in (pt, eta, kind))
        resolution = float(track_resolution(*one)[0]) * detector.track_resolution
        track = None
        if p["charge"] != 0 and uniform < detector.track_efficiency * float(track_efficiency(*one)[0]):
            track = max(pt + resolution * pt * gauss, 0.0)
            seen[event].append((track, eta, p["phi"]))
        share = 1.0 if kind in (11, 22) else 0.3 if kind in (310, 3122) else 0.0
        for calorimeter, part in enumerate((share, 0.0 if kind == 13 else 1 - share)):
            if part == 0:
                continue
            number, *bounds = find_tower(eta, p["phi"])
            empty = {"energy": 0.0, "tracks": 0.0, "errors": 0.0, "bounds": bounds}
            tower = deposits[calorimeter].setdefault((event, number), empty)
            tower["energy"] += part * p["energy"]
            if track is not None:
                tower["tracks"] += part * track * math.cosh(eta)
                tower["errors"] += (part * track * math.cosh(eta) * resolution) ** 2
    for sigma, scale, smallest, towers in (
        (ecal_sigma, detector.ecal_scale, detector.ecal_min, deposits[0]),
        (hcal_sigma, detector.hcal_scale, detector.hcal_min, deposits[1]),
    ):
        normal, (u, v) = random.standard_normal(len(towers)), random.random((2, len(towers)))
        for i, (event, number) in enumerate(sorted(towers)):
            tower = towers[event, number]
            low, high, start, stop = tower["bounds"]
            middle = (low + high) / 2
            resolution = detector.calorimeter_resolution * sigma(middle, tower["energy"])
            energy = scale * max(tower["energy"] + resolution * normal[i], 0.0)
            noise = detector.calorimeter_resolution * sigma(middle, energy)
            excess = energy - tower["tracks"]
            error = math.sqrt(noise**2 + tower["errors"])
            if energy > detector.significance * noise and excess > max(smallest, detector.significance * error):
                eta = low + u[i] * (high - low)
                seen[event].append((excess / math.cosh(eta), eta, start + v[i] * (stop - start)))
    return [[o for o in event if o[0] > detector.pt_min] for event in seen]


@pytest.mark.parametrize(
    "detector",
    [
        DetectorResponse(),
        DetectorResponse(significance=0, ecal_min=0, hcal_min=0, pt_min=0),
        DetectorResponse(significance=2),
        DetectorResponse(
            track_efficiency=0.8, track_resolution=3, ecal_scale=1.1, hcal_scale=0.9, calorimeter_resolution=0.5
        ),
    ],
)
def test_batch_agrees_with_particles_one_by_one(detector: DetectorResponse) -> None:
    particles = random_particles(2, [120, 0, 1, 200])
    got = energy_flow(particles, detector, np.random.default_rng(9)).to_list()
    expected = flow_by_hand(particles.to_list(), detector, np.random.default_rng(9))
    assert [len(event) for event in got] == [len(event) for event in expected]
    flat = [(o["pt"], o["eta"], o["phi"]) for event in got for o in event]
    np.testing.assert_allclose(flat, [o for event in expected for o in event], rtol=1e-9, atol=1e-9)


def test_every_direction_lies_in_its_tower() -> None:
    random = np.random.default_rng(4)
    eta, phi = random.uniform(-5, 5, 5000), random.uniform(-np.pi, np.pi, 5000)
    phi[:2] = [-np.pi, np.pi]
    tower = tower_index(eta, phi)
    low, high = (point_in_tower(tower, np.full((2, 5000), edge)) for edge in (0.0, 1.0))
    assert np.all((low[0] <= eta) & (eta <= high[0]))
    assert np.all(((low[1] - 1e-12 <= phi) & (phi <= high[1] + 1e-12))[2:])
    assert set(tower_index(*point_in_tower(np.arange(TOWERS), np.full((2, TOWERS), 0.5)))) == set(range(TOWERS))


def test_a_lone_photon_keeps_its_energy_and_place() -> None:
    photon = ak.Array([[{"pt": 50.0, "eta": 0.4, "phi": 3.1, "energy": 50 * np.cosh(0.4), "id": 22, "charge": 0.0}]])
    perfect = DetectorResponse(calorimeter_resolution=1e-9)
    (seen,) = energy_flow(photon, perfect, np.random.default_rng(1)).to_list()[0]
    assert seen["pt"] * np.cosh(seen["eta"]) == pytest.approx(50 * np.cosh(0.4))
    assert tower_index(np.array([seen["eta"]]), np.array([seen["phi"]])) == tower_index(
        np.array([0.4]), np.array([3.1])
    )


def test_energy_is_not_counted_twice() -> None:
    # charged hadrons alone: what tracks carry is taken off their towers, and the total stays that of the particles
    particles = random_particles(6, [400] * 40, spread=0.8)
    particles = particles[(particles.charge != 0) & (particles.id != 13) & (np.abs(particles.eta) < 2.4)]
    perfect = DetectorResponse(track_efficiency=10, track_resolution=0, calorimeter_resolution=1e-9, pt_min=0)
    seen = energy_flow(particles[particles.pt > 0.1], perfect, np.random.default_rng(1))
    true = particles[particles.pt > 0.1]
    assert ak.num(seen).to_list() == ak.num(true).to_list()
    np.testing.assert_allclose(ak.sum(seen.pt, axis=1), ak.sum(true.pt, axis=1))


def test_tracks_are_found_with_the_stated_efficiency() -> None:
    # muons leave no energy in the towers, so that every object is a track; 4 standard deviations of a binomial
    n = 20_000
    for pt, eta, probability in [(0.8, 1.0, 0.75), (5.0, 1.0, 0.99), (0.8, 2.0, 0.70), (5.0, 2.0, 0.98), (5.0, 2.6, 0)]:
        muon = {"pt": pt, "eta": eta, "phi": 0.0, "energy": pt * np.cosh(eta), "id": 13, "charge": 1.0}
        muons = ak.unflatten(ak.zip({key: np.full(n, value) for key, value in muon.items()}), n // 10)
        found = ak.sum(ak.num(energy_flow(muons, DetectorResponse(), np.random.default_rng(8)))) / n
        assert abs(found - probability) <= 4 * np.sqrt(probability * (1 - probability) / n)


def test_smearing_has_the_stated_mean_and_width() -> None:
    drawn = smear(np.full(100_000, 10.0), np.full(100_000, 1.5), np.random.default_rng(3))
    assert drawn.mean() == pytest.approx(10, abs=4 * 1.5 / np.sqrt(100_000))
    assert drawn.std() == pytest.approx(1.5, rel=4 / np.sqrt(2 * 100_000))
    assert smear(np.full(1000, 0.1), np.full(1000, 5.0), np.random.default_rng(3)).min() == 0


def test_an_event_without_particles_stays_in_its_place() -> None:
    seen = energy_flow(random_particles(3, [0, 30, 0]), DetectorResponse(), np.random.default_rng(1))
    assert len(seen) == 3
    assert ak.num(seen).to_list()[0] == ak.num(seen).to_list()[2] == 0
