"""Generation: the same jets whatever makes them, in what order and after what interruption."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

for module in ("awkward", "fastjet", "pythia8mc"):
    pytest.importorskip(module)

from darkclr_ray.jets.clustering import Selection  # noqa: E402
from darkclr_ray.jets.folder import open_jets  # noqa: E402
from darkclr_ray.jets.generation import generate as module_under_test  # noqa: E402
from darkclr_ray.jets.generation.detector_response import DetectorResponse  # noqa: E402
from darkclr_ray.jets.generation.events import Variation  # noqa: E402
from darkclr_ray.jets.generation.generate import (  # noqa: E402
    JETS_A_SHARD,
    Generation,
    ShardTask,
    generate,
    make_jets,
    plan,
)
from darkclr_ray.jets.generation.presets import PRESETS, counts_for  # noqa: E402
from darkclr_ray.jets.generation.samples import NAMED, SIGNALS, Qcd  # noqa: E402
from darkclr_ray.jets.generation.systematics import SYSTEMATICS  # noqa: E402
from darkclr_ray.jets.packed import vector_pt  # noqa: E402
from darkclr_ray.jets.shards import SPLITS, read_metadata  # noqa: E402
from darkclr_ray.messages import os_error_message  # noqa: E402
from darkclr_ray.runtime.generation import on_ray  # noqa: E402

# without further interactions an event costs half
QUICK = Generation(seed=5, variation=Variation(interactions=False))


def tasks(shards: int, jets: int = 20, generation: Generation = QUICK) -> list[ShardTask]:
    """Small shards of the sample that gives the most jets an event."""
    return [ShardTask(NAMED["rinv_0.5"], "test", shard, jets, generation) for shard in range(shards)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_jets_lie_in_the_window_and_are_made_of_their_constituents() -> None:
    jets, counts = make_jets(tasks(1)[0])
    assert len(jets) == 20
    assert counts["events"] == 250
    assert counts["jets"] >= 20
    pt, eta, _, mass = jets.kinematics.T
    assert np.all((pt > 150) & (pt < 300) & (np.abs(eta) < 2) & (mass > 0))
    np.testing.assert_allclose(vector_pt(jets.constituents, jets.offsets), pt, rtol=1e-5)
    assert np.abs(jets.constituents[:, 1:]).max() < 1.2
    assert jets.constituents[:, 0].min() > 0.5
    assert len(set(jets.ids.tolist())) == 20
    assert jets.ids.min() >= 0


def test_events_without_jets_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "FRUITLESS", 250)
    nowhere = QUICK.model_copy(update={"selection": Selection(pt_min=9000, pt_max=9001)})
    with pytest.raises(ValueError, match=r"rinv_0\.5: 250 events gave no jet with pT from 9000 to 9001 GeV"):
        make_jets(tasks(1, generation=nowhere)[0])


def test_a_longer_shard_begins_with_the_shorter_one() -> None:
    short, long = (make_jets(tasks(1, jets)[0])[0] for jets in (10, 20))
    np.testing.assert_array_equal(long.take(np.arange(10)).constituents, short.constituents)
    np.testing.assert_array_equal(long.ids[:10], short.ids)


def test_another_detector_sees_the_same_collisions() -> None:
    nominal = make_jets(tasks(1)[0])[0]
    fewer = make_jets(
        tasks(1, generation=QUICK.model_copy(update={"detector": DetectorResponse(track_efficiency=0.9)}))[0]
    )[0]
    assert len(set(nominal.events.tolist()) & set(fewer.events.tolist())) > 8
    assert not set(nominal.ids.tolist()) & set(fewer.ids.tolist())


def test_samples_splits_shards_and_seeds_are_different_collisions() -> None:
    base = tasks(1)[0]
    others = [
        ShardTask(NAMED["rinv_0.2"], "test", 0, 20, base.generation),
        ShardTask(base.sample, "train", 0, 20, base.generation),
        ShardTask(base.sample, "test", 1, 20, base.generation),
        ShardTask(base.sample, "test", 0, 20, Generation(seed=6, variation=QUICK.variation)),
    ]
    made = [make_jets(task)[0] for task in [base, *others]]
    events = np.concatenate([np.unique(jets.events) for jets in made])
    assert len(set(events.tolist())) == len(events)
    assert len({jets.constituents.tobytes() for jets in made}) == len(made)


def test_finished_shards_are_kept(tmp_path: Path) -> None:
    generate(tasks(1), tmp_path)
    before = contents(tmp_path)
    made = generate(tasks(2), tmp_path)
    assert [path.name for path in made] == ["shard-00001.parquet"]
    assert contents(tmp_path).items() > before.items()
    assert generate(tasks(2), tmp_path) == []
    notes = open_jets(tmp_path).metadata("test", "rinv_0.5")
    assert notes["jets"] == 40
    assert notes["counts"]["events"] == 500
    assert notes["generation"]["seed"] == 5


def test_jets_of_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    generate(tasks(1), tmp_path)
    with pytest.raises(ValueError, match=r"holds jets of another generation than asked for.*choose another --out"):
        generate(tasks(1, generation=Generation(seed=6, variation=QUICK.variation)), tmp_path)


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_shard_is_made_again_once_it_is_removed(tmp_path: Path, kept: float) -> None:
    [path] = generate(tasks(1), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match=rf"{path}: .*; remove it, then fetch or generate it again"):
        generate(tasks(1), tmp_path)
    path.unlink()
    assert generate(tasks(1), tmp_path) == [path]
    assert path.read_bytes() == whole


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    code = f"""if True:
        from pathlib import Path
        from darkclr_ray.jets.generation.events import Variation
        from darkclr_ray.jets.generation.generate import Generation, ShardTask, generate
        from darkclr_ray.jets.generation.samples import NAMED
        made_by = Generation(seed=5, variation=Variation(interactions=False))
        tasks = [ShardTask(NAMED["rinv_0.5"], "test", shard, 20, made_by) for shard in range(50)]
        generate(tasks, Path({str(tmp_path / "killed")!r}))
    """
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    part = tmp_path / "killed" / "test" / "rinv_0.5"
    while not (part / "shard-00000.parquet").exists():
        assert run.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    run.send_signal(signal.SIGKILL)
    run.wait()
    finished = sorted(part.glob("*.parquet"))
    assert len(open_jets(tmp_path / "killed").load("test", "rinv_0.5")) == 20 * len(finished)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in finished}
    (part / ".shard-00001.parquet.x.partial").write_bytes(b"half a shard")

    wanted = tasks(len(finished) + 1)
    generate(wanted, tmp_path / "killed")
    generate(wanted, tmp_path / "undisturbed")
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in finished} == before
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")


@pytest.mark.usefixtures("ray_session")
def test_what_stops_a_shard_on_ray_is_said_as_in_this_process(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "rinv_0.5").write_text("in the way")
    for run in (None, on_ray):
        with pytest.raises(FileExistsError) as refusal:
            generate(tasks(1), tmp_path, run)
        assert refusal.type is FileExistsError
        assert os_error_message(refusal.value).startswith(f"{tmp_path / 'test' / 'rinv_0.5'}: file exists;")


@pytest.mark.usefixtures("ray_session")
def test_a_worker_that_is_lost_again_and_again_is_named(tmp_path: Path) -> None:
    class Deadly(ShardTask):
        """A shard that no process survives but the one that plans it."""

        @property
        def key(self) -> tuple[str | int, ...]:
            os._exit(1)

    [task] = tasks(1)
    deadly = Deadly(task.sample, task.split, task.shard, task.jets, task.generation)
    with pytest.raises(ValueError, match=r"shard-00000\.parquet: its worker was lost again and again \(.*same command"):
        generate([deadly], tmp_path, on_ray)


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    generate(tasks(4), tmp_path / "one")
    generate(tasks(4), tmp_path / "two", partial(on_ray, workers=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def size(preset: str, split: str, sample: str) -> int:
    chosen = [t for t in plan(PRESETS[preset], Generation()) if (t.split, t.sample) == (split, NAMED[sample])]
    assert [task.shard for task in chosen] == list(range(len(chosen)))
    assert all(task.jets <= JETS_A_SHARD for task in chosen)
    return sum(task.jets for task in chosen)


def test_presets_have_the_sizes_that_they_promise() -> None:
    assert [size("paper", split, "qcd") for split in SPLITS] == [100_000, 20_000, 40_000]
    assert [size("paper", split, "aachen") for split in SPLITS] == [50_000, 20_000, 20_000]
    assert [size("starter", split, "qcd") for split in SPLITS] == [10_000, 3_000, 6_000]
    assert [size("starter", split, "aachen") for split in SPLITS] == [4_000, 500, 1_500]
    for signal_name in SIGNALS[1:]:
        assert [size("starter", split, signal_name) for split in SPLITS] == [0, 500, 1_500]
        assert [size("paper", split, signal_name) for split in SPLITS] == [0, 20_000, 20_000]


def test_grid_and_systematics_are_signals_and_backgrounds_to_judge() -> None:
    for preset, points, splits in (("grid", 25, {"validation", "test"}), ("systematics", len(SYSTEMATICS), {"test"})):
        assert set(PRESETS[preset]) == splits
        assert all(len(of) == points for of in PRESETS[preset].values())
        folders = {task.path(Path("jets")).parent for task in plan(PRESETS[preset], Generation())}
        assert len(folders) == points * len(splits)


def test_each_variant_is_another_simulation() -> None:
    made = {task.systematic: task.generation for task in plan(PRESETS["systematics"], Generation())}
    changes = {name: (how.variation, how.detector) for name, how in made.items()}
    assert len({*changes.values(), (Variation(), DetectorResponse())}) == len(SYSTEMATICS) + 1
    assert changes["significance_double"] == (Variation(), DetectorResponse(significance=2))


def test_a_variant_of_the_background_is_made_by_name(tmp_path: Path) -> None:
    [task] = plan({"test": {"qcd_tracks_lost": 12}}, Generation(seed=5))
    [nominal] = plan({"test": {"qcd": 12}}, Generation(seed=5))
    assert (task.sample, task.generation.detector.track_efficiency) == (Qcd(), 0.95)
    assert task.key == nominal.key  # the same collisions
    generate([task], tmp_path)
    jets = open_jets(tmp_path)
    assert jets.samples("test") == ("qcd_tracks_lost",)
    assert jets.metadata("test", "qcd_tracks_lost")["variation"] == "tracks_lost"
    assert generate([task], tmp_path) == []
    with pytest.raises(ValueError, match="qcd_gluons is a variation itself"):
        plan({"test": {"qcd_gluons": 1}}, QUICK)
    with pytest.raises(ValueError, match="unknown variant 'qcd_gluon' of the background: qcd_quarks, qcd_gluons"):
        plan({"test": {"qcd_gluon": 1}}, QUICK)


def test_custom_sizes() -> None:
    assert counts_for("grid", ["rinv_0.3_mass_12"]) == {
        "validation": {"rinv_0.3_mass_12": 150},
        "test": {"rinv_0.3_mass_12": 2000},
    }
    assert set(counts_for("systematics", None, {"test": 5})["test"].values()) == {5}
    assert counts_for("starter", ["qcd", "dark:rinv=0.3"])["train"] == {"qcd": 10_000}
    assert counts_for("starter", None, {"test": 7}) == {"test": dict.fromkeys(("qcd", *SIGNALS), 7)}
    with pytest.raises(ValueError, match=r"unknown splits \['tset'\]"):
        plan({"tset": {"qcd": 1}}, Generation())
    with pytest.raises(ValueError, match="a count cannot be negative"):
        plan({"test": {"qcd": -1}}, Generation())


def test_a_missing_generator_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = module_under_test.importlib.util.find_spec
    monkeypatch.setattr(
        module_under_test.importlib.util, "find_spec", lambda name: None if name == "fastjet" else find(name)
    )
    with pytest.raises(ImportError, match=r"needs fastjet: pip install 'darkclr_ray\[generate\]'"):
        generate(tasks(1), tmp_path)


def test_the_script_generates_and_goes_on(tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "studies" / "generate_jets.py"
    command = [sys.executable, str(script), "--samples", "rinv_0.5", "--jets-per-sample", "test=12", "--workers", "1"]
    command += ["--out", str(tmp_path), "--vary", "variation.interactions=off"]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ) for _ in range(2)
    )
    assert "12 of 12 jets" in first.stdout
    assert "1 new shards" in first.stdout
    assert "0 new shards" in second.stdout
    assert first.stderr == second.stderr == ""
    assert read_metadata(tmp_path / "test" / "rinv_0.5" / "shard-00000.parquet")["jets"] == 12
    for extra, message in [
        (["--samples", "acchen"], "generate_jets.py: unknown sample 'acchen'"),
        (["--vary", "detector.track=1"], "detector.track"),
        (["--jets-per-sample", "test"], "expected a name and a value"),
        (["--seed", "7"], "holds jets of another generation than asked for"),
    ]:
        refused = subprocess.run([*command, *extra], capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
