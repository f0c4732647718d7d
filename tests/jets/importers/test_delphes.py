"""Delphes-like trees that uproot writes: jagged branches by Delphes' names."""

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import vector

from darkclr_ray.jets.clustering import wrap
from darkclr_ray.jets.importers import CannotImport, delphes

KINDS = ("EFlowTrack", "EFlowPhoton", "EFlowNeutralHadron")
PT = {"EFlowTrack": "PT", "EFlowPhoton": "ET", "EFlowNeutralHadron": "ET", "Particle": "PT"}


def tree(truth) -> dict[str, ak.Array]:
    """Jets 2 i and 2 i + 1 in event i, their constituents dealt out to the three kinds of objects, massless."""
    parts, axes = truth.constituents(), truth.axes()
    event = np.repeat(np.arange(40) // 2, truth.sizes)
    arrays = {}
    for number, kind in enumerate(KINDS):
        chosen = np.arange(len(event)) % 3 == number
        sizes = np.bincount(event[chosen], minlength=20)
        columns = {PT[kind]: parts.pt, "Eta": parts.eta, "Phi": parts.phi}
        arrays[kind] = ak.zip(
            {name: ak.unflatten(values[chosen].astype(np.float32), sizes) for name, values in columns.items()}
        )
    # a beam parton along the first jet, then the outgoing partons of the hard process
    status = np.tile([21, 23, 23], 20)
    eta, phi = (np.asarray(getattr(axes, name)) for name in ("eta", "phi"))
    along = np.stack([np.arange(0, 40, 2), np.arange(0, 40, 2), np.arange(1, 40, 2)], axis=1).ravel()
    particles = {
        "PID": np.full(60, 21),
        "Status": status,
        "PT": np.full(60, 200.0),
        "Eta": eta[along],
        "Phi": phi[along],
    }
    arrays["Particle"] = ak.zip({name: ak.unflatten(values, np.full(20, 3)) for name, values in particles.items()})
    return arrays


def write(path: Path, arrays: dict[str, ak.Array], weight: np.ndarray | None = None) -> Path:
    with uproot.recreate(path) as file:
        columns = dict(arrays) | (
            {} if weight is None else {"Event": ak.zip({"Weight": ak.unflatten(weight, np.ones(20, dtype=np.int64))})}
        )
        file.mktree(
            "Delphes",
            {name: array.type.content for name, array in columns.items()},
            field_name=lambda outer, inner: inner if outer == "" else f"{outer}.{inner}",
            counter_name=lambda name: f"{name}_size",
        )
        file["Delphes"].extend(columns)
    return path


@pytest.fixture
def far_apart(truth):
    """The jets, turned so that the two of an event are opposite in phi."""
    momenta = []
    for i, jet in enumerate(truth.momenta):
        angle = 0.0
        if i % 2:
            first, second = truth.momenta[i - 1].sum(axis=0), jet.sum(axis=0)
            angle = np.arctan2(first[1], first[0]) + np.pi - np.arctan2(second[1], second[0])
        px, py = jet[:, 0], jet[:, 1]
        turned = [
            px * np.cos(angle) - py * np.sin(angle),
            px * np.sin(angle) + py * np.cos(angle),
            jet[:, 2],
            jet[:, 3],
        ]
        momenta.append(np.stack(turned, axis=1))
    return type(truth)(momenta)


def test_jets_of_events(far_apart, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delphes, "EVENTS", 6)
    jets, summary = run(write(tmp_path / "a.root", tree(far_apart)))
    assert (summary.files[0].format, summary.files[0].read, summary.files[0].holds) == ("delphes", 20, "events")
    assert len(jets) == 40
    assert np.array_equal(jets.events[::2], jets.events[1::2])
    assert len(np.unique(jets.events)) == 20
    # a clustering orders the two jets of an event by pT: compare each with the truth that lies nearest
    parts, axes = far_apart.constituents(), far_apart.axes()
    nearest = np.argmin(
        np.abs(wrap(jets.kinematics[:, 2, None] - axes.phi)) + 9 * (np.arange(40)[:, None] // 2 != np.arange(40) // 2),
        axis=1,
    )
    assert sorted(nearest) == list(range(40))
    starts = np.cumsum(far_apart.sizes) - far_apart.sizes
    for i, found in enumerate(nearest):
        mine = parts[starts[found] : starts[found] + far_apart.sizes[found]]
        massless = vector.array({"pt": mine.pt, "eta": mine.eta, "phi": mine.phi, "mass": np.zeros(len(mine))})
        px, py, pz, energy = (np.sum(getattr(massless, name)) for name in ("px", "py", "pz", "E"))
        whole = vector.obj(px=px, py=py, pz=pz, E=energy)
        np.testing.assert_allclose(
            jets.kinematics[i, [0, 1, 3]], [whole.pt, whole.eta, whole.mass], rtol=1e-4, atol=1e-3
        )
        own = jets.constituents[jets.offsets[i] : jets.offsets[i + 1]]
        order = np.argsort(-massless.pt)
        np.testing.assert_allclose(own[:, 0], massless.pt[order], rtol=1e-5)
        np.testing.assert_allclose(own[:, 2], massless.deltaphi(whole)[order], atol=1e-4)


def test_unmatched_jets_are_dropped(far_apart, run: Callable, tmp_path: Path) -> None:
    arrays = tree(far_apart)
    status = ak.to_numpy(arrays["Particle"]["Status"]).copy()
    status[3, 1] = 71  # the first jet of event 3 keeps no parton but the beam's
    arrays["Particle"] = ak.with_field(arrays["Particle"], ak.from_regular(ak.Array(status)), "Status")
    path = write(tmp_path / "a.root", arrays)
    jets, summary = run(path)
    assert len(jets) == 39
    assert summary.dropped == {"no parton within 0.8": 1}


@pytest.mark.parametrize(("pid", "kept"), [(-5, 40), (4900102, 40), (11, 39), (-14, 39), (15, 39), (22, 39)])
def test_no_jet_belongs_to_a_lepton(far_apart, run: Callable, tmp_path: Path, pid: int, kept: int) -> None:
    arrays = tree(far_apart)
    number = ak.to_numpy(arrays["Particle"]["PID"]).copy()
    number[3, 1] = pid  # along the first jet of event 3
    arrays["Particle"] = ak.with_field(arrays["Particle"], ak.from_regular(ak.Array(number)), "PID")
    assert len(run(write(tmp_path / "a.root", arrays))[0]) == kept


def test_events_without_jets(far_apart, run: Callable, tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="no jet kept: there are none"):
        run(write(tmp_path / "a.root", tree(far_apart)), selection={"pt_min": 5000, "pt_max": 6000})


def test_without_partons(far_apart, run: Callable, tmp_path: Path) -> None:
    arrays = tree(far_apart)
    del arrays["Particle"]
    path = write(tmp_path / "a.root", arrays)
    with pytest.raises(CannotImport, match=r"lacks Particle.PID, Particle.Status.*say --match none"):
        run(path)
    assert len(run(path, match="none")[0]) == 40


def test_events_without_outgoing_partons(far_apart, run: Callable, tmp_path: Path) -> None:
    arrays = tree(far_apart)
    arrays["Particle"] = ak.with_field(arrays["Particle"], arrays["Particle"]["Status"] * 0 + 1, "Status")
    with pytest.raises(CannotImport, match="no outgoing partons of the hard process"):
        run(write(tmp_path / "a.root", arrays))


def test_missing_branches_and_weights(far_apart, run: Callable, tmp_path: Path) -> None:
    arrays = tree(far_apart)
    weighted = np.linspace(1, 2, 20)
    with pytest.raises(CannotImport, match=r"carry weights \(1, 1.05"):
        run(write(tmp_path / "w.root", arrays, weighted))
    del arrays["EFlowPhoton"]
    with pytest.raises(CannotImport, match=r"lacks EFlowPhoton.ET, EFlowPhoton.Eta, EFlowPhoton.Phi"):
        run(write(tmp_path / "a.root", arrays))


def test_truncated(far_apart, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", tree(far_apart))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CannotImport, match=r"a.root: damaged or truncated"):
        run(path)
    assert not list((tmp_path / "jets").glob("*"))
