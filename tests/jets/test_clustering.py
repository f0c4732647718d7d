"""The batch clustering against anti-kT written out by hand, and the selection against loops."""

import subprocess
import sys

import numpy as np
import pytest

ak = pytest.importorskip("awkward")
pytest.importorskip("fastjet")

from darkclr_ray.jets.clustering import Selection, cluster, select, wrap  # noqa: E402


def four_momentum(pt: float, eta: float, phi: float) -> np.ndarray:
    return pt * np.array([np.cosh(eta), np.cos(phi), np.sin(phi), np.sinh(eta)])


def rapidity_and_phi(p: np.ndarray) -> tuple[float, float]:
    return float(0.5 * np.log((p[0] + p[3]) / (p[0] - p[3]))), float(np.arctan2(p[2], p[1]))


def antikt_by_hand(objects: list[tuple[float, float, float]], radius: float) -> list[tuple[np.ndarray, frozenset[int]]]:
    """Smallest of d_ij = min(pt^-2) Delta^2 / R^2 and d_iB = pt^-2, again and again (arXiv:0802.1189, Eq. 1)."""
    live = [(four_momentum(*o), frozenset([i])) for i, o in enumerate(objects)]
    jets = []
    while live:
        inverse = [1 / (p[1] ** 2 + p[2] ** 2) for p, _ in live]
        best = min((d, (i, None)) for i, d in enumerate(inverse))
        for i in range(len(live)):
            for j in range(i):
                (yi, fi), (yj, fj) = rapidity_and_phi(live[i][0]), rapidity_and_phi(live[j][0])
                dphi = abs(fi - fj)
                dphi = min(dphi, 2 * np.pi - dphi)
                d = min(inverse[i], inverse[j]) * ((yi - yj) ** 2 + dphi**2) / radius**2
                best = min(best, (d, (i, j)), key=lambda x: x[0])
        i, j = best[1]
        if j is None:
            jets.append(live.pop(i))
        else:
            merged = (live[i][0] + live[j][0], live[i][1] | live[j][1])
            live = [o for k, o in enumerate(live) if k not in (i, j)] + [merged]
    return jets


def random_events(seed: int, sizes: list[int]) -> list[list[tuple[float, float, float]]]:
    random = np.random.default_rng(seed)
    return [
        [
            (float(pt), float(eta), float(phi))
            for pt, eta, phi in zip(
                random.exponential(20, n) + 0.5, random.normal(0, 1, n), random.uniform(-np.pi, np.pi, n), strict=True
            )
        ]
        for n in sizes
    ]


def as_objects(events: list[list[tuple[float, float, float]]]) -> "ak.Array":
    flat = np.array([o for event in events for o in event]).reshape(-1, 3)
    columns = dict(zip(("pt", "eta", "phi"), flat.T, strict=True))
    return ak.unflatten(ak.zip(columns), [len(event) for event in events])


def test_clustering_agrees_with_antikt_by_hand() -> None:
    events = random_events(3, [25, 0, 1, 18, 30])
    found = cluster(as_objects(events), radius=0.8, pt_min=10.0)
    assert len(found) == len(events)
    for event, jets in zip(events, found, strict=True):
        expected = {
            tuple(sorted((event[i] for i in members), reverse=True)): p
            for p, members in antikt_by_hand(event, 0.8)
            if np.hypot(p[1], p[2]) > 10.0
        }
        got = {
            tuple((c.pt, c.eta, c.phi) for c in jet.constituents): (jet.pt, jet.eta, jet.phi, jet.mass) for jet in jets
        }
        assert got.keys() == expected.keys()
        for members, p in expected.items():
            pt = np.hypot(p[1], p[2])
            mass = np.sqrt(max(p[0] ** 2 - p[1] ** 2 - p[2] ** 2 - p[3] ** 2, 0))
            assert got[members] == pytest.approx((pt, np.arcsinh(p[3] / pt), np.arctan2(p[2], p[1]), mass), abs=1e-5)


def test_constituents_come_hardest_first() -> None:
    jets = cluster(as_objects(random_events(5, [60, 60])), radius=0.8, pt_min=5.0)
    pt = ak.flatten(jets.constituents.pt)
    assert ak.all(pt[:, 1:] <= pt[:, :-1])


def test_a_turned_event_has_the_same_jets() -> None:
    # every jet crosses phi = pi for some of these angles
    event = random_events(7, [40])[0]
    turned = [[(pt, eta, float(wrap(phi + angle))) for pt, eta, phi in event] for angle in np.linspace(0, 6, 13)]
    jets = cluster(as_objects(turned), radius=0.8, pt_min=20.0)
    for other in jets[1:]:
        assert ak.num(jets)[0] == len(other)
        np.testing.assert_allclose(ak.sort(jets[0].mass), ak.sort(other.mass), atol=1e-6)
        np.testing.assert_allclose(ak.sort(jets[0].pt), ak.sort(other.pt))


def test_selection_agrees_with_loops() -> None:
    random = np.random.default_rng(11)

    def draw(sizes: list[int], pt: tuple[float, float]) -> "ak.Array":
        n = sum(sizes)
        columns = {
            "pt": random.uniform(*pt, n),
            "eta": random.uniform(-3, 3, n),
            "phi": random.uniform(-np.pi, np.pi, n),
        }
        return ak.unflatten(ak.zip(columns), sizes)

    jets, partons = draw([40, 0, 30, 5], (100, 350)), draw([8, 2, 0, 8], (0, 500))
    kept = select(jets, partons, Selection())
    expected = []
    for js, ps in zip(jets.to_list(), partons.to_list(), strict=True):
        close = [
            any(np.hypot(j["eta"] - p["eta"], min(d := abs(j["phi"] - p["phi"]), 2 * np.pi - d)) < 0.8 for p in ps)
            for j in js
        ]
        expected.append(
            [j for j, near in zip(js, close, strict=True) if near and 150 < j["pt"] < 300 and abs(j["eta"]) < 2]
        )
    assert kept.to_list() == expected
    assert sum(map(len, expected)) > 3


def test_wrapped_angles_stay_in_their_window() -> None:
    angles = np.concatenate([np.arange(-20, 21) * np.pi, np.random.default_rng(1).uniform(-100, 100, 1000)])
    for kind in (np.float64, np.float32):
        wrapped = wrap(angles.astype(kind))
        assert wrapped.min() >= kind(-np.pi)
        assert wrapped.max() < np.pi
        np.testing.assert_allclose(np.cos(wrapped), np.cos(angles.astype(kind)), atol=2e-5)


def test_fastjet_prints_nothing() -> None:
    code = """if True:
        import awkward as ak
        from darkclr_ray.jets.clustering import cluster
        cluster(ak.Array([[{"pt": 1.0, "eta": 0.0, "phi": 0.0}]]), 0.8, 0.1)
        print("ours")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("ours\n", "")
