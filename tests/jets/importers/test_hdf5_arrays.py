"""Files that h5py writes."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from darkclr_ray.jets.importers import CannotImport, ImportOptions, detect_format, hdf5_arrays


def block(truth, names: tuple[str, ...]) -> np.ndarray:
    parts = truth.constituents()
    return truth.padded([getattr(parts, name) for name in names])


def write(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array, compression="gzip")
    return path


@pytest.mark.parametrize(
    "order", [("px", "py", "pz", "E"), ("E", "px", "py", "pz"), ("pt", "eta", "phi", "mass")], ids=",".join
)
def test_four_vectors_are_recognised(
    order: tuple[str, ...], truth, run: Callable, compare: Callable, tmp_path: Path
) -> None:
    jets, summary = run(write(tmp_path / "a.h5", constituents=block(truth, order)))
    compare(jets, truth)
    assert summary.files[0].understood["order"] == list(order)


def test_pt_eta_phi_and_axes_turned_round(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    array = block(truth, ("pt", "eta", "phi")).astype(np.float32).transpose(0, 2, 1)
    jets, summary = run(write(tmp_path / "a.h5", array=array))
    compare(jets, truth, massless=True, tolerance=1e-3)
    assert summary.files[0].understood["order"] == ["pt", "eta", "phi"]


def test_phi_from_zero_to_two_pi(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    array = block(truth, ("pt", "eta", "phi", "mass"))
    array[..., 2] %= 2 * np.pi
    compare(run(write(tmp_path / "a.h5", array=array))[0], truth)


def test_degrees_are_refused(truth, run: Callable, tmp_path: Path) -> None:
    array = block(truth, ("pt", "eta", "phi"))
    array[..., 2] *= 180 / np.pi
    with pytest.raises(CannotImport, match="degrees"):
        run(write(tmp_path / "a.h5", array=array), order=("pt", "eta", "phi"))


def test_an_unknown_order_is_asked_for(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    array = block(truth, ("eta", "phi", "pt", "mass"))
    array[..., 3] = array[..., 2] > 0  # a mask, as JetNet has one
    path = write(tmp_path / "a.h5", array=array)
    with pytest.raises(CannotImport, match="what are the 4 numbers"):
        run(path)
    compare(run(path, order=("eta", "phi", "pt", "_"))[0], truth, massless=True)


@pytest.mark.parametrize("values", [(22, 211, -211, 130, 11), (1,), (-1, 0, 1)], ids=["PDG ids", "mask", "charges"])
def test_a_fourth_number_that_is_no_mass_is_asked_for(values: tuple[int, ...], run: Callable, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    pt = random.exponential(10.0, (200, 20))
    pt *= 220 / pt.sum(axis=1, keepdims=True)
    eta = random.uniform(-1, 1, (200, 1)) + random.normal(0, 0.1, (200, 20))
    phi = (random.uniform(0, 6.28, (200, 1)) + random.normal(0, 0.1, (200, 20))) % (2 * np.pi)
    path = write(tmp_path / "a.h5", X=np.stack([pt, eta, phi, random.choice(values, (200, 20))], axis=-1))
    with pytest.raises(CannotImport, match=r"what are the 4 numbers.*--order.*an id, a charge or a mask"):
        run(path)
    jets, _ = run(path, order=("pt", "eta", "phi", "_"))
    assert jets.kinematics[:, 3].mean() == pytest.approx(29.6, abs=0.1)


def test_relative_angles_are_asked_for(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    axes = truth.axes()
    jet = np.repeat(np.arange(40), truth.sizes)
    parts = truth.constituents()
    columns = [parts.pt, parts.deltaeta(axes[jet]), parts.deltaphi(axes[jet]), parts.mass]
    jet_columns = np.stack([axes.pt, axes.eta, axes.phi, axes.mass], axis=1)
    path = write(tmp_path / "a.h5", particles=truth.padded(columns), jets__features=jet_columns)
    with pytest.raises(CannotImport, match="--angles relative"):
        run(path)
    named = {f"jet_{name}": f"jets/features:{i}" for i, name in enumerate(("pt", "eta", "phi", "mass"))}
    jets, _ = run(path, angles="relative", columns=named)
    compare(jets, truth)


def test_cartesian_constituents_have_no_relative_angles(truth, run: Callable, tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="px, py, pz, not by angles"):
        run(write(tmp_path / "a.h5", array=block(truth, ("px", "py", "pz", "E"))), angles="relative")


def test_without_an_axis_pt_and_mass_survive(truth, run: Callable, tmp_path: Path) -> None:
    axes = truth.axes()
    jet = np.repeat(np.arange(40), truth.sizes)
    parts = truth.constituents()
    columns = [parts.pt, parts.deltaeta(axes[jet]), parts.deltaphi(axes[jet])]
    massless = np.stack([parts.pt * np.cos(parts.phi), parts.pt * np.sin(parts.phi)], axis=1)
    jets, _ = run(write(tmp_path / "a.h5", particles=truth.padded(columns)), angles="relative")
    expected = np.hypot(*np.add.reduceat(massless, np.cumsum(truth.sizes) - truth.sizes, axis=0).T)
    np.testing.assert_allclose(jets.pt, expected, rtol=1e-5)
    assert np.abs(jets.kinematics[:, 1:3]).max() < 0.1


def test_one_array_a_quantity_labels_and_events(truth, run: Callable, compare: Callable, tmp_path: Path) -> None:
    parts = truth.constituents()
    arrays = {f"c__{name}": truth.padded([getattr(parts, name)])[..., 0] for name in ("px", "py", "pz", "E")}
    path = write(tmp_path / "a.h5", **arrays, kind=np.arange(40) % 3, number=np.arange(40) // 2)
    columns = {name: f"c/{name}" for name in ("px", "py", "pz", "E")} | {"label": "kind", "event": "number"}
    jets, summary = run(path, columns=columns, sample=None, labels={"0": "mine"})
    compare(jets, truth.take(np.arange(0, 40, 3)))
    assert summary.dropped == {f"a label that was not asked for ({label})": 13 for label in (1, 2)}
    # rows 0, 3, 6, 9, ...: no two of one event
    assert len(np.unique(jets.events)) == len(jets) == 14


def test_which_array(truth, run: Callable, tmp_path: Path) -> None:
    array = block(truth, ("px", "py", "pz", "E"))
    path = write(tmp_path / "a.h5", train=array, test=array)
    with pytest.raises(CannotImport, match=r"which array of constituents\? .*usable here: test, train"):
        run(path)


def test_a_column_that_is_none(truth, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", array=block(truth, ("px", "py", "pz", "E")), kind=np.zeros((40, 2)))
    for place in ("kind", "kind:2", "none"):
        with pytest.raises(CannotImport, match=r"it has array \(40, 15, 4\), kind \(40, 2\)"):
            run(path, columns={"label": place})


@pytest.mark.parametrize(
    ("rows", "chunk", "stretches"),
    [(9, None, [9, 9, 9, 9, 4]), (9, 5, [9, 9, 9, 9, 4]), (9, 20, [20, 20]), (1, 20, [10, 10, 10, 10])],
    ids=["contiguous", "short chunks", "whole chunks", "parts of long chunks"],
)
def test_stretches_do_not_matter(
    rows: int,
    chunk: int | None,
    stretches: list[int],
    truth,
    run: Callable,
    compare: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hdf5_arrays, "ROWS", rows)
    path, array = tmp_path / "a.h5", block(truth, ("px", "py", "pz", "E"))
    with h5py.File(path, "w") as file:
        file.create_dataset("array", data=array, chunks=chunk and (chunk, *array.shape[1:]))
    assert [len(raw) for raw in detect_format(path, ImportOptions()).stream("")] == stretches
    compare(run(path)[0], truth)


def test_truncated(truth, run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", constituents=block(truth, ("px", "py", "pz", "E")))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CannotImport, match=r"a.h5: damaged or truncated"):
        run(path)
    assert not list((tmp_path / "jets").glob("*"))


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_ids_said_to_be_masses_are_refused(
    scale: float, truth, run: Callable, compare: Callable, tmp_path: Path
) -> None:
    """PDG ids, and EnergyFlow's small numbers in their place, under an order that says mass."""
    array = block(truth, ("pt", "eta", "phi", "pt"))
    ids = np.array([22, 211, -211, 130, 321]) if scale == 1 else np.array([0.0, 0.1, 0.2, 0.5, 0.3])
    array[..., 3] = np.where(array[..., 0] > 0, np.resize(ids, array.shape[:2]), 0)
    path = write(tmp_path / "a.h5", array=array)
    with pytest.raises(CannotImport, match="what are the 4 numbers"):
        run(path)
    with pytest.raises(CannotImport, match=r"the numbers named as mass are .* are PDG ids"):
        run(path, order=("pt", "eta", "phi", "mass"))
    compare(run(path, order=("pt", "eta", "phi", "_"))[0], truth, massless=True, tolerance=1e-3)


def test_constituents_in_units_of_the_jets_pt(truth, run: Callable, tmp_path: Path) -> None:
    """JetNet: eta, phi and pT relative to the jet, a mask, and the jet's pT, eta and mass, without its phi."""
    axes, parts = truth.axes(), truth.constituents()
    jet = np.repeat(np.arange(40), truth.sizes)
    relative = [parts.deltaeta(axes[jet]), parts.deltaphi(axes[jet]), parts.pt / axes.pt[jet], np.ones(len(jet))]
    features = np.stack([axes.pt, axes.eta, axes.mass, truth.sizes], axis=1)
    path = write(tmp_path / "a.h5", particle_features=truth.padded(relative), jet_features=features)
    given: dict = {"order": ("eta", "phi", "pt", "_"), "angles": "relative"}
    with pytest.raises(CannotImport, match=r"scaled to the jet's pT \(--unit jet_pt and --columns jet_pt=NAME\)"):
        run(path, **given)
    with pytest.raises(CannotImport, match=r"where is the jets' pT \[GeV\]\? Say --columns jet_pt=NAME"):
        run(path, unit="jet_pt", **given)
    jets, _ = run(path, unit="jet_pt", columns={"jet_pt": "jet_features:0", "jet_eta": "jet_features:1"}, **given)
    expected = np.stack([axes.pt, axes.eta, np.zeros(40), axes.mass], axis=1)
    np.testing.assert_allclose(jets.kinematics[:, :3], expected[:, :3], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(jets.mass, axes.mass, rtol=0.05)
    hardest = np.array([values.max() for values in np.split(np.asarray(parts.pt), np.cumsum(truth.sizes)[:-1])])
    np.testing.assert_allclose(jets.constituents[jets.offsets[:-1], 0], hardest, rtol=1e-5)
