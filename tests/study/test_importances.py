"""Importances of parameters on functions whose importances are known, and the timeline of trials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from darkclr_ray.settings import StudySettings
from darkclr_ray.study.importances import importances
from darkclr_ray.study.records import Execution, State, TrialRecord
from darkclr_ray.study.timeline import timeline

SEARCH = {"d_z": [16, 32, 64], "p_drop": [0.1, 0.7, 0.05], "step_size": [0.01, 1.0]}


def trials(function: Any, count: int = 40, seed: int = 1) -> list[TrialRecord]:
    """Complete trials at random points, with the value of a function of the three parameters."""
    random, found = np.random.default_rng(seed), []
    for number in range(count):
        p_drop = round(0.1 + 0.05 * int(random.integers(13)), 10)
        point = {"d_z": int(random.choice([16, 32, 64])), "p_drop": p_drop, "step_size": 10 ** random.uniform(-2, 0)}
        found.append(TrialRecord(number=number, state="COMPLETE", parameters=point, objective=float(function(**point))))
    return found


@pytest.fixture(scope="module")
def settings() -> StudySettings:
    return StudySettings(search=SEARCH)


def test_a_function_of_one_parameter_gives_all_importance_to_it(settings: StudySettings) -> None:
    found = importances(trials(lambda d_z, p_drop, step_size: 5 * p_drop), settings)
    assert found[0].parameter == "p_drop"
    assert found[0].mean > 0.95
    assert sum(one.mean for one in found) == pytest.approx(1.0)
    assert all(one.low <= one.mean <= one.high for one in found)


def test_two_parameters_of_equal_weight(settings: StudySettings) -> None:
    """p_drop and ln(step_size) are uniform; divided by their ranges, 0.6 and ln 100, their variances are equal."""

    def function(d_z: int, p_drop: float, step_size: float) -> float:
        return p_drop / 0.6 + np.log(step_size) / np.log(100)

    found = {one.parameter: one for one in importances(trials(function, 80), settings)}
    assert found["p_drop"].mean == pytest.approx(0.5, abs=0.15)
    assert found["step_size"].mean == pytest.approx(0.5, abs=0.15)
    assert found["d_z"].mean < 0.1


def test_nothing_to_estimate(settings: StudySettings) -> None:
    assert importances(trials(lambda **point: 1.0), settings) == []
    assert importances(trials(lambda d_z, **rest: d_z, 3), settings) == []
    one_parameter = [trial.model_copy(update={"parameters": {"d_z": 16}}) for trial in trials(lambda **point: 1.0)]
    assert importances(one_parameter, settings) == []
    narrow = settings.updated({"search": {"p_drop": [0.4, 0.7, 0.05]}})
    outside = [one for one in trials(lambda p_drop, **rest: p_drop, 80) if one.parameters["p_drop"] < 0.4]
    assert importances(outside, narrow) == []
    missing = settings.updated({"search": {"space": "module_that_is_missing:space"}})
    assert importances(trials(lambda d_z, **rest: d_z), missing) == []


def ran(number: int, start: float, seconds: float, group: int, state: State = "COMPLETE") -> TrialRecord:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start)
    execution = Execution(started=began, ended=began + timedelta(seconds=seconds), worker_group=group)
    return TrialRecord(number=number, state=state, execution=execution)


def test_interruptions_have_no_length() -> None:
    """Two groups, an hour's pause, and one trial after it; trials without a time are left out."""
    records = [ran(0, 0, 30, 0), ran(1, 1, 10, 1), ran(2, 12, 25, 1, "PRUNED"), ran(3, 3700, 20, 0)]
    found = timeline([*records[::-1], TrialRecord(number=4, state="FAIL")])
    assert [(bar.number, bar.start, bar.end, bar.worker_group) for bar in found.bars] == [
        (0, 0.0, 30.0, 0),
        (1, 1.0, 11.0, 1),
        (2, 12.0, 37.0, 1),
        (3, 37.0, 57.0, 0),
    ]
    assert found.bars[2].state == "PRUNED"
    assert found.interruptions == [37.0]
    assert timeline([]).bars == []


def test_the_time_of_a_trial_is_kept_in_its_file(tmp_path: Any) -> None:
    record = ran(7, 1.25, 3.5, 1)
    record.write(tmp_path / "0007.json")
    assert TrialRecord.read(tmp_path / "0007.json") == record
