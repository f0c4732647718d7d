"""The searcher driven as Tune drives it, killed and taken up again; and once through a real run of Tune."""

from __future__ import annotations

import errno
import json
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from darkclr_ray.presets import preset
from darkclr_ray.randomness import digest
from darkclr_ray.settings import SearchSettings, StudySettings
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.records import State, TrialRecord
from darkclr_ray.study.samplers import REDUCTION, SharedEncoderSampler, rungs
from darkclr_ray.study.search import PruningScheduler, StudySearch, TrialResult, open_storage
from darkclr_ray.study.space import Space
from darkclr_ray.study.tuning import Tuning, to_be_followed

SETTINGS = preset("laptop").updated(
    {"contrastive": {"epochs": 12}, "search": {"trials": 12, "step_sizes_per_encoder": 3, "delay": 1}}
)


def at_once(count: int) -> StudySettings:
    """Settings of a search in which ``count`` trials may run at a time."""
    return SETTINGS.updated({"search": {"delay": count}})


class Scan:
    """A searcher on a folder, and the endings that it told."""

    def __init__(self, folder: Path, settings: StudySettings = SETTINGS) -> None:
        self.endings: list[TrialResult] = []
        space = Space(settings)
        sampler = SharedEncoderSampler(settings.search, space, settings.seed)
        self.searcher = StudySearch(settings, space, open_storage(folder / "optuna.log"), sampler, self.on_ending)

    def on_ending(self, ending: TrialResult) -> Mapping[str, Any]:
        self.endings.append(ending)
        return {"seconds": {"total": 1.0}}

    def finish(
        self,
        trial: str,
        objective: float | None = 1.0,
        state: str = "finished",
        reason: str | None = None,
        further: Sequence[float] = (),
    ) -> None:
        outcome = {"state": state, "reason": reason, "objective": objective, "further": further}
        value = math.nan if objective is None else objective
        result = {"objective": value, "epoch": 12, "outcome": json.dumps(outcome)}
        self.searcher.on_trial_result(trial, result)
        self.searcher.on_trial_complete(trial, result)

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.searcher.study.get_trials()


def encoder(suggestion: dict[str, Any] | None) -> tuple[int, float]:
    assert suggestion is not None
    return suggestion["parameters"]["d_z"], suggestion["parameters"]["p_drop"]


def test_the_papers_point_comes_first_and_encoders_are_shared(tmp_path: Path) -> None:
    scan = Scan(tmp_path)
    suggestions = []
    for number in range(9):
        suggestion = scan.searcher.suggest(f"t{number}")
        assert suggestion is not None
        assert suggestion["number"] == number
        assert suggestion == scan.searcher.suggest(f"t{number}")  # Tune may ask twice
        suggestions.append(suggestion)
        scan.finish(f"t{number}", objective=float(number))
    assert suggestions[0]["parameters"] == Space(SETTINGS).first_point() == {"d_z": 64, "p_drop": 0.7, "step_size": 0.2}
    for first in (0, 3, 6):
        assert len({encoder(s) for s in suggestions[first : first + 3]}) == 1
        assert len({s["parameters"]["step_size"] for s in suggestions[first : first + 3]}) == 3
    assert len({encoder(s) for s in suggestions}) == 3
    assert [trial.value for trial in scan.trials] == [float(number) for number in range(9)]
    for suggestion in suggestions:
        assert suggestion["parameters"]["d_z"] in SETTINGS.search.d_z
        steps = (suggestion["parameters"]["p_drop"] - 0.1) / 0.05
        assert steps == pytest.approx(round(steps), abs=1e-9)
        assert repr(suggestion["parameters"]["p_drop"]) == f"{suggestion['parameters']['p_drop']:.10g}"


def test_trials_at_the_same_time_do_not_wait_for_one_encoder(tmp_path: Path) -> None:
    scan = Scan(tmp_path, at_once(3))  # three trials an encoder
    own = [encoder(scan.searcher.suggest(f"t{number}")) for number in range(3)]
    assert len(set(own)) == 3  # none is complete yet
    scan.finish("t1", 1.0)
    assert scan.searcher.suggest("t3") is None  # the first trial counts for it
    scan.finish("t0", 2.0)
    assert encoder(scan.searcher.suggest("t3")) == own[0]
    assert encoder(scan.searcher.suggest("t4")) == own[0]
    assert scan.searcher.suggest("t5") is None
    scan.finish("t2", None, "failed", "the loss became nan")
    assert encoder(scan.searcher.suggest("t5")) == own[1]
    for name in ("t3", "t4", "t5"):
        scan.finish(name, 1.0)
    assert encoder(scan.searcher.suggest("t6")) == own[1]
    assert encoder(scan.searcher.suggest("t7")) not in own  # both are used up, and the third trial failed


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_points_do_not_depend_on_how_many_run_at_a_time_and_in_which_order_they_end(tmp_path: Path, delay: int) -> None:
    """More trials than TPE draws at random; some are pruned, some fail."""
    found = []
    for at_a_time, seed in ((1, 0), (2, 1), (5, 2), (5, 3)):
        draws = random.Random(seed)
        folder = tmp_path / f"{at_a_time} {seed}"
        folder.mkdir()
        scan, running = Scan(folder, at_once(delay)), list[str]()
        asked: list[Any] = []
        while len(asked) < 30 or running:
            suggestion = scan.searcher.suggest(f"t{len(asked)}") if len(asked) < 30 else None
            if suggestion is not None and len(running) < at_a_time:
                running.append(f"t{len(asked)}")
                asked.append(suggestion)
                continue
            name = running.pop(draws.randrange(len(running)))
            number = int(name[1:])
            value = math.sin(number)
            if number % 5 == 4:
                scan.finish(name, None, "failed", "the loss became nan")
            elif scan.searcher.prunes(name, result(1, value)):
                scan.searcher.on_trial_complete(name, result(1, value))
            else:
                scan.searcher.on_trial_result(name, result(1, value))
                scan.finish(name, value)
        assert scan.searcher.fault is None
        found.append((asked, [trial.state.name for trial in scan.trials]))
    assert {"COMPLETE", "PRUNED", "FAIL"} == set(found[0][1])
    assert found == [found[0]] * len(found)


def test_nobody_follows_a_trial_that_came_to_nothing(tmp_path: Path) -> None:
    scan = Scan(tmp_path, at_once(2))
    first = scan.searcher.suggest("t0")
    scan.finish("t0", None, "failed", "the loss became nan")
    scan.searcher.suggest("t1")
    scan.finish("t1", None, "failed", "the loss became nan")
    others = [encoder(scan.searcher.suggest(f"t{number}")) for number in (2, 3)]
    assert any(other != encoder(first) for other in others)


def test_states(tmp_path: Path) -> None:
    scan = Scan(tmp_path, at_once(6))
    for name in "abcdef":
        scan.searcher.suggest(name)
    scan.finish("a", 1.5)
    scan.finish("b", None, "failed", "energy: the loss became nan")
    scan.finish("c", None)
    scan.searcher.on_trial_result("d", {"objective": 0.25, "epoch": 4, "training_iteration": 1})
    scan.searcher.on_trial_result("d", {"objective": 0.5, "epoch": 4, "training_iteration": 2})  # said twice
    scan.searcher.on_trial_result("d", {"objective": math.nan, "epoch": 6, "training_iteration": 3})
    scan.searcher.on_trial_complete("d", {"objective": 0.25, "epoch": 4})  # the scheduler stopped it
    scan.searcher.on_trial_complete("e", None, error=True)
    scan.finish("f", None, "stopped")  # interrupted
    states = [trial.state for trial in scan.trials]
    expected = [TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL, TrialState.PRUNED, TrialState.FAIL]
    assert states == [*expected, TrialState.RUNNING]
    assert scan.trials[3].intermediate_values == {4: 0.25}
    assert [(ending.number, ending.state) for ending in scan.endings] == [
        (number, state.name) for number, state in enumerate(expected)
    ]
    reasons = [ending.reason for ending in scan.endings]
    assert reasons[0] is None
    assert reasons[1] == "energy: the loss became nan"
    assert "not a finite number" in str(reasons[2])
    assert "after epoch 4" in str(reasons[3])
    assert scan.trials[0].user_attrs == {"seconds": {"total": 1.0}}


def test_a_killed_study_goes_on_where_it_was(tmp_path: Path) -> None:
    scan = Scan(tmp_path, at_once(3))
    before = [scan.searcher.suggest(f"t{number}") for number in range(3)]
    scan.finish("t0", 1.0)
    scan.searcher.on_trial_result("t1", {"objective": 0.3, "epoch": 1})
    del scan  # killed: nobody told Optuna

    scan = Scan(tmp_path, at_once(3))
    assert [scan.searcher.suggest(f"u{number}") for number in range(2)] == before[1:]
    new = scan.searcher.suggest("u2")
    assert new is not None
    assert new["number"] == 3
    assert new["parameters"] != before[0]  # the first point is not enqueued again
    scan.searcher.on_trial_result("u0", {"objective": 0.3, "epoch": 1})  # a resumed trial says it again
    for name in ("u0", "u1", "u2"):
        scan.finish(name, 2.0)
    assert [trial.state.name for trial in scan.trials] == ["COMPLETE"] * 4
    assert scan.trials[1].intermediate_values == {1: 0.3}


def test_a_study_that_was_killed_asks_for_the_same_points(tmp_path: Path) -> None:
    asked: dict[bool, list[Any]] = {}
    for killed in (False, True):
        folder = tmp_path / str(killed)
        folder.mkdir()
        scan = Scan(folder)
        asked[killed] = []
        for number in range(14):  # more than TPE's random start
            if killed and number % 3 == 1:
                scan.searcher.suggest(f"lost {number}")
                scan = Scan(folder)
            asked[killed].append(scan.searcher.suggest(f"t{number}"))
            scan.finish(f"t{number}", objective=math.sin(number))
    assert asked[True] == asked[False]


def test_points_are_those_of_optunas_tpe_seeded_by_the_number_of_the_trial(tmp_path: Path) -> None:
    settings = SETTINGS.updated({"search": {"step_sizes_per_encoder": 1, "delay": 3}})
    scan = Scan(tmp_path, settings)
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(Space(settings).first_point())
    for number in range(20):
        suggestion = scan.searcher.suggest(f"t{number}")
        scan.finish(f"t{number}", objective=math.sin(number))
        if number >= 3:
            study.tell(number - 3, math.sin(number - 3))
        study.sampler = optuna.samplers.TPESampler(
            seed=digest("search", settings.seed, number) % 2**32, constant_liar=True
        )
        trial = study.ask()
        assert suggestion == {"number": number, "parameters": Space(settings).draw(trial)}


def test_a_journal_that_was_cut_off_is_mended(tmp_path: Path) -> None:
    scan = Scan(tmp_path)
    scan.searcher.suggest("t0")
    scan.finish("t0", 1.0)
    journal = tmp_path / "optuna.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines(keepends=True)[-1][:30])
    (tmp_path / "optuna.log.lock").symlink_to(journal)  # left by a killed process
    scan = Scan(tmp_path)
    assert journal.read_bytes().startswith(whole)
    assert journal.read_bytes().endswith(b"\n")
    scan.searcher.suggest("t1")
    scan.finish("t1", 2.0)
    assert [trial.value for trial in Scan(tmp_path).trials] == [1.0, 2.0]


def test_a_paused_search_suggests_nothing_and_keeps_what_runs(tmp_path: Path) -> None:
    scan = Scan(tmp_path)
    scan.searcher.suggest("t0")
    scan.searcher.paused = True
    assert scan.searcher.suggest("t1") == Searcher.FINISHED
    scan.searcher.on_trial_complete("t0", None, error=True)  # whatever Tune makes of the end of its processes
    assert scan.trials[0].state == TrialState.RUNNING
    assert not scan.endings


def test_where_the_surroundings_fail_nothing_more_is_drawn(tmp_path: Path) -> None:
    scan = Scan(tmp_path)
    scan.searcher.suggest("t0")
    scan.finish("t0", None, "broken", "No space left on device")
    assert scan.searcher.suggest("t1") == Searcher.FINISHED
    assert [trial.state for trial in scan.trials] == [TrialState.RUNNING]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"d_z": 512, "p_drop": 0.5, "step_size": 0.05}),
        ({"encoder": {"d_z": 100}}, {"d_z": 128, "p_drop": 0.5, "step_size": 0.05}),
        ({"views": {"p_drop": 0.9}}, {"d_z": 512, "p_drop": 0.7, "step_size": 0.05}),
        ({"views": {"p_drop": (0.2, 0.35)}}, {"d_z": 512, "p_drop": 0.3, "step_size": 0.05}),
        ({"nae": {"step_size": 3.0}}, {"d_z": 512, "p_drop": 0.5, "step_size": 0.5}),
        ({"search": {"p_drop": (0.3, 0.45, 0.1)}}, {"d_z": 512, "p_drop": 0.4, "step_size": 0.05}),
    ],
)
def test_the_first_point_lies_in_the_space(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = StudySettings().updated(changes)
    assert Space(settings).first_point() == expected
    study = optuna.create_study()
    study.enqueue_trial(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of a point outside of the space, and takes it
        assert Space(settings).draw(study.ask()) == expected


def test_the_space_of_p_drop_ends_on_a_step() -> None:
    trial = optuna.create_study().ask()
    Space(StudySettings(search=SearchSettings(p_drop=(0.3, 0.45, 0.1)))).draw(trial)
    distribution = trial.distributions["p_drop"]
    assert isinstance(distribution, optuna.distributions.FloatDistribution)
    assert distribution.high == 0.4


def test_a_trial_that_was_cut_off_while_it_was_drawn_is_drawn_to_its_end(tmp_path: Path) -> None:
    whole = Scan(tmp_path)
    whole.searcher.suggest("t0")
    expected = whole.searcher.suggest("t1")
    journal = tmp_path / "optuna.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in (1, 2, 3):  # of the last trial: its creation, and one line a parameter
        journal.write_bytes(b"".join(lines[: len(lines) - 4 + kept]))
        again = Scan(tmp_path).searcher
        assert again.suggest("u0") == whole.searcher.suggest("t0")
        assert again.suggest("u1") == expected


def result(epoch: int, value: float) -> dict[str, Any]:
    return {"epoch": epoch, "objective": value}


def test_halving_stops_what_is_behind_the_best_third_and_remembers(tmp_path: Path) -> None:
    assert rungs(12) == (1, 4, 12)
    scan = Scan(tmp_path, at_once(2))
    scheduler = PruningScheduler(scan.searcher)

    def decision(name: str, epoch: int, value: float) -> str:
        trial = SimpleNamespace(trial_id=name)
        action = scheduler.on_trial_result(None, trial, result(epoch, value))
        if action == "CONTINUE":
            scan.searcher.on_trial_result(name, result(epoch, value))
        return action

    for name, value in (("a", 0.3), ("b", 0.2), ("c", 0.1)):
        scan.searcher.suggest(name)
        assert decision(name, 1, value) == "CONTINUE"  # those before it are too few to judge by
        assert decision(name, 4, math.nan) == "CONTINUE"
        scan.finish(name, 1.0)
    for name in "de":
        scan.searcher.suggest(name)
    assert decision("d", 1, 0.15) == "CONTINUE"  # a and b count; c may still run
    assert decision("e", 1, 0.2) == "STOP"  # of 0.1, 0.2, 0.3 the best third is above
    scan.finish("d", 1.0)
    scan.searcher.suggest("f")
    assert decision("f", 1, 0.9) == "CONTINUE"
    assert decision("f", 4, -5.0) == "CONTINUE"  # no other has been there
    last = {"epoch": 12, "objective": -5.0, "outcome": "{}"}
    assert scheduler.on_trial_result(None, SimpleNamespace(trial_id="f"), last) == "CONTINUE"
    assert [trial.intermediate_values for trial in scan.trials[2:]] == [{1: 0.1}, {1: 0.15}, {}, {1: 0.9, 4: -5.0}]

    scan = Scan(tmp_path, at_once(2))  # killed before Tune ended the trial that is to be stopped
    scheduler = PruningScheduler(scan.searcher)
    for name in "ef":
        scan.searcher.suggest(name)
    assert decision("e", 1, 0.2) == "STOP"
    assert decision("f", 1, 0.9) == "CONTINUE"


@pytest.mark.parametrize(("state", "decision"), [("failed", "CONTINUE"), ("finished", "STOP")])
def test_values_of_a_trial_that_failed_later_stop_no_other(tmp_path: Path, state: str, decision: str) -> None:
    """An encoder that collapses in its second epoch has reported a value after its first."""
    scan = Scan(tmp_path)
    for name, value in (("a", 0.3), ("b", 0.2), ("c", 0.9)):
        scan.searcher.suggest(name)
        scan.searcher.on_trial_result(name, result(1, value))
        if name == "c" and state == "failed":
            scan.finish(name, None, state, "the encoder collapsed")
        else:
            scan.finish(name, value)
    scan.searcher.suggest("d")
    scheduler = PruningScheduler(scan.searcher)
    assert scheduler.on_trial_result(None, SimpleNamespace(trial_id="d"), result(1, 0.1)) == decision


def halved(values: dict[int, dict[int, float]], delay: int) -> list[tuple[int, int]]:
    """Trials and the epochs at which they stop: the rule of Ray Tune 2.60's `ASHAScheduler`, where a trial is compared
    with those that are ``delay`` or more numbers before it."""
    recorded: dict[int, dict[int, float]] = {mark: {} for mark in sorted(rungs(12), reverse=True)}
    stopped = []
    for number, reports in values.items():
        for epoch, value in reports.items():
            mark = next((mark for mark in recorded if epoch >= mark), None)
            if mark is None or number in recorded[mark] or math.isnan(value):
                continue
            before = sorted(other for n, other in recorded[mark].items() if n <= number - delay)
            recorded[mark][number] = value
            if len(before) < REDUCTION:
                continue
            place = (1 - 1 / REDUCTION) * (len(before) - 1)
            low, part = int(place), place - int(place)
            above = before[min(low + 1, len(before) - 1)]
            if value < before[low] + part * (above - before[low]):
                stopped.append((number, epoch))
                break
    return stopped


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("every", [False, True], ids=["at rungs", "every epoch"])
def test_decisions_are_those_of_asynchronous_halving(tmp_path: Path, killed: bool, every: bool) -> None:
    """Whatever trial is next to report, and however often the study is killed."""
    draws, delay = random.Random(f"{killed} {every}"), 4
    epochs = range(1, 13) if every else rungs(12)
    values = {n: {epoch: draws.choice((draws.random(), math.nan)) for epoch in epochs} for n in range(60)}
    scan, starts, asked = Scan(tmp_path, at_once(delay)), 0, 0
    left: dict[int, list[int]] = {}
    stopped = []
    while asked < 60 or left:
        if asked < 60 and scan.searcher.suggest(f"{starts} {asked}") is not None:
            left[asked] = list(epochs)
            asked += 1
            continue
        number = draws.choice(list(left))
        epoch = left[number].pop(0)
        said = result(epoch, values[number][epoch])
        stops = scan.searcher.prunes(f"{starts} {number}", said)
        if killed and draws.random() < 0.1:
            scan, starts = Scan(tmp_path, at_once(delay)), starts + 1
            for trial in sorted(left):
                suggestion = scan.searcher.suggest(f"{starts} {trial}")
                assert suggestion is not None
                assert suggestion["number"] == trial
            assert scan.searcher.prunes(f"{starts} {number}", said) == stops
        if stops:
            stopped.append((number, epoch))
            scan.searcher.on_trial_complete(f"{starts} {number}", said)
        else:
            scan.searcher.on_trial_result(f"{starts} {number}", said)
        if not left[number] and not stops:
            scan.finish(f"{starts} {number}", 1.0)
        if stops or not left[number]:
            del left[number]
    assert scan.searcher.fault is None
    assert sorted(stopped) == halved(values, delay)
    assert 15 < len(stopped) < 60
    states = [trial.state.name for trial in scan.trials]
    assert states.count("PRUNED") == len(stopped) == 60 - states.count("COMPLETE")


@pytest.mark.usefixtures("ray_session")
def test_through_a_real_run_of_tune(tmp_path: Path) -> None:
    from ray import tune

    scan = Scan(tmp_path)

    def trainable(config: dict[str, Any]) -> None:
        number = config["number"]
        for epoch in (1, 4):
            tune.report({"objective": -float(number), "epoch": epoch})
        outcome = {"state": "finished" if number != 2 else "failed", "reason": "on purpose", "objective": float(number)}
        tune.report({"objective": float(number), "epoch": 12, "outcome": json.dumps(outcome)})

    tuner = tune.Tuner(
        tune.with_resources(trainable, {"CPU": 0, "node:__internal_head__": 0.001}),
        tune_config=tune.TuneConfig(
            search_alg=scan.searcher,
            scheduler=PruningScheduler(scan.searcher),
            num_samples=6,
            max_concurrent_trials=1,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="tune", verbose=0),
    )
    tuner.fit()
    states = ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "PRUNED", "PRUNED"]  # values of the failed one do not count
    assert [trial.state.name for trial in scan.trials] == states
    assert [trial.intermediate_values for trial in scan.trials][:2] == [{1: 0.0, 4: 0.0}, {1: -1.0, 4: -1.0}]
    assert [ending.number for ending in scan.endings] == list(range(6))


@pytest.mark.usefixtures("ray_session")
def test_an_end_that_cannot_be_written_is_not_lost(tmp_path: Path) -> None:
    """Tune swallows what a searcher raises, and goes on as if the trial had been heard."""
    from ray import tune

    class FullDisk(Scan):
        def on_ending(self, ending: TrialResult) -> Mapping[str, Any]:
            if ending.number == 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().on_ending(ending)

    scan = FullDisk(tmp_path)

    def trainable(config: dict[str, Any]) -> None:
        outcome = {"state": "finished", "reason": None, "objective": 1.0}
        tune.report({"objective": 1.0, "epoch": 12, "outcome": json.dumps(outcome)})

    tuner = tune.Tuner(
        tune.with_resources(trainable, {"CPU": 0, "node:__internal_head__": 0.001}),
        tune_config=tune.TuneConfig(search_alg=scan.searcher, num_samples=4, max_concurrent_trials=1),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="tune", verbose=0),
    )
    tuner.fit()
    assert isinstance(scan.searcher.fault, OSError)
    assert scan.searcher.fault.errno == errno.ENOSPC
    assert [trial.state.name for trial in scan.trials] == ["COMPLETE", "RUNNING"]  # nothing new was begun
    again = Scan(tmp_path)
    assert [trial.number for trial in again.searcher.interrupted] == [1]


def test_representations_are_kept_for_those_who_may_follow() -> None:
    def ending(encoder: str, state: State = "COMPLETE") -> TrialRecord:
        stages = {"representation": encoder} if state == "COMPLETE" else {}
        parameters = {"d_z": 64, "p_drop": encoder, "step_size": 0.1}
        return TrialRecord(number=0, state=state, parameters=parameters, stages=stages)

    full = [ending("full") for _ in range(3)]
    pruned = [ending(f"pruned {number}", "PRUNED") for number in range(9)]
    endings = [
        *full,
        ending("two users"),
        *pruned,
        ending("two users"),
        ending("failed once"),
        ending("failed once", "FAIL"),
    ]

    def kept(records: list[TrialRecord]) -> set[str]:
        return to_be_followed(records, 3, lambda trial: trial.parameters["p_drop"])

    assert kept(endings) == {"two users", "failed once"}
    assert kept([*endings, ending("two users")]) == {"failed once"}


def test_a_journal_is_opened_without_its_lock_and_with_its_backups(tmp_path: Path) -> None:
    lock, backup = tmp_path / "optuna.log.lock", tmp_path / "optuna.log.bak"
    for path in (lock, backup):
        path.touch()
    open_storage(tmp_path / "optuna.log")
    assert not lock.exists()
    assert backup.exists()


def test_arrays_are_dropped_that_no_trial_can_use_any_more(tmp_path: Path) -> None:
    """Also those that were dropped and made again, for a trial that began while they were there."""
    folder = StudyFolder(tmp_path)
    folder.store.folder.mkdir()
    jets = SimpleNamespace(fingerprints={"train": {SETTINGS.background: ""}})
    tuning = Tuning(SimpleNamespace(settings=SETTINGS, folder=folder, jets=jets))  # type: ignore[arg-type]
    shared = SETTINGS.search.step_sizes_per_encoder
    arrays = {}

    def end(number: int, encoder: str, objective: float) -> set[str]:
        stage = folder.store.stage("representation", {"encoder": encoder})
        arrays[encoder] = stage.folder / "z.npy"
        stage.folder.mkdir(parents=True, exist_ok=True)
        arrays[encoder].write_bytes(b"z")
        stages = {"representation": stage.hash}
        parameters = {"d_z": 64, "p_drop": 0.1 * len(encoder), "step_size": 0.1}
        folder.write_trial(
            TrialRecord(number=number, state="COMPLETE", parameters=parameters, objective=objective, stages=stages)
        )
        tuning._drop_arrays(stages)
        return {name for name, path in arrays.items() if path.exists()}

    for number in range(shared - 1):
        assert end(number, "first", float(number)) == {"first"}
    assert end(shared, "best", 99.0) == {"first", "best"}
    assert end(shared + 1, "first", 0.0) == {"best"}
    assert end(shared + 2, "first", 0.0) == {"best"}
    for number in range(2 * shared, 3 * shared):
        assert "best" in end(number, "best", 0.0)
    tuning = Tuning(SimpleNamespace(settings=SETTINGS, folder=folder, jets=jets))  # type: ignore[arg-type]
    assert end(3 * shared, "better", 100.0) == {"better"}
