"""A tiny Les Houches file, written by hand: gg -> gg, and q qbar -> dark quarks."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from darkclr_ray.jets.clustering import wrap
from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.importers import CannotImport, ImportOptions, import_jets, lhe

GLUONS = {"incoming": (21, 21), "outgoing": (21, 21), "colours": ((501, 502), (502, 503), (501, 504), (504, 503))}
DARK = {
    "incoming": (2, -2),
    "outgoing": (4900101, -4900101),
    "colours": ((501, 0), (0, 501), (0, 0), (0, 0)),
}

ELECTRONS = {"incoming": (2, -2), "outgoing": (11, -11), "colours": ((501, 0), (0, 501), (0, 0), (0, 0))}


RECOIL = {
    "incoming": (2, -2),
    "outgoing": (21, 52, -52),
    "colours": ((501, 0), (0, 502), (501, 502), (0, 0), (0, 0)),
}
"""A gluon and two particles that share its recoil."""


def event(number: int, kind: dict, weight: float = 1.0) -> str:
    random = np.random.default_rng(number)
    pt, mass, phi = 230.0, (0.5 if kind is DARK else 0.0), random.uniform(-np.pi, np.pi)
    momenta = []
    directions = [(1.0, phi, random.uniform(-1, 1)), (1.0, phi + np.pi, random.uniform(-1, 1))]
    if len(kind["outgoing"]) == 3:
        directions[1:] = [(0.5, *directions[1][1:])] * 2
    for share, angle, eta in directions:
        p = share * pt * np.array([np.cos(angle), np.sin(angle), np.sinh(eta)])
        momenta.append((*p, np.sqrt(p @ p + mass**2), mass))
    energy, pz = sum(p[3] for p in momenta), sum(p[2] for p in momenta)
    plus, minus = (energy + pz) / 2, (energy - pz) / 2
    rows = [(0, 0, plus, plus, 0.0), (0, 0, -minus, minus, 0.0), *momenta]
    ids, status = (*kind["incoming"], *kind["outgoing"]), (-1, -1, 1, 1, 1)[: 2 + len(kind["outgoing"])]
    lines = [f"{len(ids)} 1 {weight:.6e} {pt:.6e} 7.8e-03 1.18e-01"]
    for pid, code, colour, row in zip(ids, status, kind["colours"], rows, strict=True):
        mothers = "0 0" if code < 0 else "1 2"
        lines.append(f"{pid} {code} {mothers} {colour[0]} {colour[1]} " + " ".join(f"{x:.10e}" for x in row) + " 0 9")
    return "<event>\n" + "\n".join(lines) + "\n</event>\n"


def write(
    path: Path, events: int = 8, kind: dict = GLUONS, meaning: int = 3, weights: tuple[float, ...] = (1.0,)
) -> Path:
    beams = f"2212 2212 6500. 6500. 0 0 247000 247000 {meaning} 1\n1.0 0.0 1.0 1\n"
    body = "".join(event(i, kind, weights[i % len(weights)]) for i in range(events))
    path.write_text(f'<LesHouchesEvents version="1.0">\n<init>\n{beams}</init>\n{body}</LesHouchesEvents>\n')
    return path


def test_gluons_are_showered_into_jets(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    path = write(tmp_path / "a folder" / "events.lhe")
    jets, summary = run(path)
    assert (summary.files[0].format, summary.files[0].read, summary.files[0].jets >= len(jets)) == ("lhe", 8, True)
    assert 4 <= len(jets) <= 16
    assert jets.multiplicity.min() >= 5
    assert len(np.unique(jets.events)) <= 8
    # each jet near one of the two directions of its event, as long as no radiation of the initial state turned them far
    directions = [
        [float(x) for x in line.split()[6:8]] for line in path.read_text().splitlines() if line.startswith("21 1 ")
    ]
    phis = np.array([np.arctan2(py, px) for px, py in directions])
    nearest = np.abs(wrap(jets.kinematics[:, 2, None] - phis)).min(axis=1)
    assert np.median(nearest) < 0.3


def test_no_jet_belongs_to_an_electron(run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "events.lhe", kind=ELECTRONS)
    with pytest.raises(CannotImport, match=r"no jet kept.*no parton within 0\.8"):
        run(path)
    assert len(run(path, match="none")[0]) >= 8


def test_compressed_file_and_seed(tmp_path: Path, quiet: Console) -> None:
    path = tmp_path / "events.lhe.gz"
    path.write_bytes(gzip.compress(write(tmp_path / "events.lhe", 4).read_bytes()))
    found = {}
    for out, seed in (("first", 3), ("again", 3), ("other", 4)):
        options = ImportOptions(sample="mine", splits={"test": 1.0}, seed=seed)
        import_jets([path], tmp_path / out, options, console=quiet)
        found[out] = open_jets(tmp_path / out).fingerprint("test", "mine")
    assert found["first"] == found["again"] != found["other"]


def test_dark_quarks_need_a_dark_sector(run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "dark.lhe", kind=DARK)
    found = lhe.survey(path)
    assert (found.events, found.dark, found.kinds) == (8, True, {2, 4900101})
    with pytest.raises(CannotImport, match="which dark sector showers them"):
        run(path)
    with pytest.raises(CannotImport, match="has no dark sector"):
        run(path, shower="qcd")
    jets, summary = run(path, shower="rinv_0.2")
    assert len(jets) >= 1
    assert summary.files[0].understood["shower"]["r_inv"] == 0.2


def test_weighted_and_damaged_files(run: Callable, tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match=r"carry weights \(1, 2"):
        run(write(tmp_path / "w.lhe", meaning=-4, weights=(1.0, 2.0)))
    with pytest.raises(CannotImport, match="carry weights"):
        run(write(tmp_path / "s.lhe", weights=(1.0, -1.0)))
    text = write(tmp_path / "whole.lhe").read_text()
    (tmp_path / "cut.lhe").write_text(text[: len(text) // 2])
    with pytest.raises(CannotImport, match=r"cut.lhe: (truncated|damaged)"):
        run(tmp_path / "cut.lhe")
    (tmp_path / "broken.lhe").write_text(text.replace("21 1 1 2", "gluon", 1))
    with pytest.raises(CannotImport, match=r"broken.lhe: damaged: event 0"):
        run(tmp_path / "broken.lhe")


def test_dark_matter_makes_no_jets(run: Callable, tmp_path: Path) -> None:
    """The jets point along the gluon, as in the events with neutrinos, and not along what recoils."""
    for number, partner in ((12, -12), (18, -18), (52, -52), (1000022, 1000022), (1000012, -1000012)):
        path = write(tmp_path / f"{number}.lhe", 20, RECOIL | {"outgoing": (21, number, partner)})
        jets, _ = run(path, sample=f"x{number}", match="none", selection={"pt_min": 160, "pt_max": 400})
        phis = [
            np.arctan2(float(row[7]), float(row[6]))
            for row in map(str.split, path.read_text().splitlines())
            if row[:2] == ["21", "1"]
        ]
        distance = np.abs(wrap(jets.kinematics[:, 2, None] - phis)).min(axis=1)
        assert 10 <= len(jets) <= 22
        assert np.mean(distance < 0.8) > 0.9


def test_particles_that_pythia_does_not_know(run: Callable, tmp_path: Path) -> None:
    path = write(tmp_path / "a.lhe", 20, RECOIL | {"outgoing": (21, 5000521, -5000521)})
    with pytest.raises(CannotImport, match=r"Pythia does not know the particles 5000521 .*--invisible 5000521"):
        run(path, match="none")
    window = {"match": "none", "selection": {"pt_min": 160, "pt_max": 400}}
    jets, _ = run(path, invisible=[5000521], **window)
    neutrinos, _ = run(write(tmp_path / "b.lhe", 20, RECOIL), sample="other", **window)
    assert abs(len(jets) - len(neutrinos)) <= 3


@pytest.mark.parametrize(
    ("setting", "merged"),
    [
        ("1 = ickkw ! 0 no matching, 1 MLM", True),
        ("30.0\t= ktdurham ! CKKW-L", True),
        ("3d1 = ptlund", True),
        ("3 = ickkw", True),
        ("0 = ickkw", False),
        ("-1.0 = ktdurham", False),
        ("-1.0 = ptlund", False),
        ("auto = ktdurham", False),
    ],
)
def test_merged_with_the_shower(setting: str, merged: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.lhe", 2)
    path.write_text(path.read_text().replace("<init>", f"<header>\n<MGRunCard>\n  {setting}\n</header>\n<init>", 1))
    if merged:
        with pytest.raises(CannotImport, match=r"a.lhe: was made to be merged with the shower \("):
            lhe.survey(path)
    else:
        assert lhe.survey(path).events == 2


@pytest.mark.parametrize(("attributes", "merged"), [(' npLO=" 2 " npNLO=" -1 "', True), (' id="3"', False)])
def test_events_that_count_their_partons_for_merging(attributes: str, merged: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.lhe", 2)
    path.write_text(path.read_text().replace("<event>", f"<event{attributes}>"))
    if merged:
        with pytest.raises(CannotImport, match="was made to be merged"):
            lhe.survey(path)
    else:
        assert lhe.survey(path).events == 2
