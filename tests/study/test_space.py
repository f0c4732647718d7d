"""Search spaces by dotted names and by functions, and the samplers and pruners that draw from them."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from darkclr_ray.presets import preset
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.jobs import trial_settings
from darkclr_ray.study.samplers import make_pruner
from darkclr_ray.study.scan import EmbeddingScan
from darkclr_ray.study.space import ImpossiblePoint, Space
from tests.study.test_search import Scan

SPACE = {
    "encoder.layers": [1, 2, 4],
    "contrastive.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "nae.step_size": {"low": 0.01, "high": 0.5, "log": True},
    "nae.steps": {"low": 10, "high": 30, "step": 10},
}


def settings(space: Any, **search: Any) -> StudySettings:
    return preset("laptop").updated({"search": {"space": space, "delay": 1, **search}})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's module of search spaces."""
    (tmp_path / "my_spaces.py").write_text(
        "import optuna\n"
        "def conditional(trial):\n"
        "    layers = trial.suggest_int('layers', 1, 6)\n"
        "    found = {'encoder.layers': layers, 'nae.step_size': trial.suggest_float('step', 0.01, 0.1, log=True)}\n"
        "    if layers > 2:\n"
        "        found['encoder.dropout'] = trial.suggest_float('dropout', 0.0, 0.3)\n"
        "    if layers == 4:\n"
        "        raise optuna.TrialPruned('four layers are too many for one head')\n"
        "    return found\n"
        "def never(trial):\n"
        "    raise optuna.TrialPruned('nothing fits')\n"
        "def unknown(trial):\n"
        "    return {'encoder.layer': 2}\n"
        "def broken(trial):\n"
        "    return 1 / 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_spaces"
    sys.modules.pop("my_spaces", None)


def test_any_setting_is_searched_by_its_name(tmp_path: Path) -> None:
    scan = Scan(tmp_path, settings(SPACE, step_sizes_per_encoder=1))
    first = scan.searcher.suggest("t0")
    assert first is not None
    assert first["parameters"] == {
        "encoder.layers": 2,
        "contrastive.learning_rate": 1e-3,
        "nae.step_size": 0.2,
        "nae.steps": 20,
    }  # the preset's own values
    scan.finish("t0", 1.0)
    for number in range(1, 8):
        suggestion = scan.searcher.suggest(f"t{number}")
        assert suggestion is not None
        found = trial_settings(settings(SPACE), suggestion["parameters"])
        assert found.encoder.layers in (1, 2, 4)
        assert 1e-4 <= found.contrastive.learning_rate <= 1e-2
        assert found.nae.steps in (10, 20, 30)
        assert found.views == preset("laptop").views  # nothing else is changed
        scan.finish(f"t{number}", 1.0)


def test_parameters_that_no_encoder_depends_on_are_varied_on_one_encoder(tmp_path: Path) -> None:
    scan = Scan(tmp_path, settings(SPACE, step_sizes_per_encoder=3))
    points = []
    for number in range(6):
        suggestion = scan.searcher.suggest(f"t{number}")
        assert suggestion is not None
        points.append(suggestion["parameters"])
        scan.finish(f"t{number}", float(number))
    encoders = [(point["encoder.layers"], point["contrastive.learning_rate"]) for point in points]
    assert len(set(encoders[:3])) == len(set(encoders[3:])) == 1
    assert encoders[0] != encoders[3]
    assert len({(point["nae.step_size"], point["nae.steps"]) for point in points[:3]}) == 3


@pytest.mark.parametrize(
    ("changes", "shares"),
    [
        ({"encoder.dropout": [0.0, 0.2]}, False),
        ({"nae.hidden": [[16], [32, 16]]}, True),
        ({"views.p_drop": [0.3, 0.5]}, False),
        ({"views.hardness": [0.5, 1.0]}, False),
        ({"views_classifier.layer": ["head", "pooled"]}, True),
    ],
)
def test_what_shares_an_encoder_is_found_from_its_key(changes: dict[str, Any], shares: bool) -> None:
    space = Space(settings(changes))
    trial = optuna.create_study().ask(space.distributions(space.first_point()))
    frozen = trial.study.get_trials()[0]
    assert (space.encoder_params(frozen) == {}) == shares


def test_without_training_views_do_not_matter_to_an_encoder() -> None:
    untrained = settings({"views.p_drop": [0.3, 0.5]}).updated({"contrastive": {"epochs": 0}})
    space = Space(untrained)
    assert space.encoder({"views.p_drop": 0.3}) == space.encoder({"views.p_drop": 0.5})


def test_lists_are_categories() -> None:
    space = Space(settings({"views.anomalous": [["dropping"], ["branch_dropping", "rotation"]]}))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    found = {json.dumps(space.draw(study.ask())["views.anomalous"]) for _ in range(20)}
    assert found == {'["dropping"]', '["branch_dropping", "rotation"]'}
    assert trial_settings(preset("laptop"), {"views.anomalous": ["dropping"]}).views.anomalous == ("dropping",)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"encoder.layer": [2]}, "search.space.encoder.layer: unknown setting; did you mean"),
        ({"encoder.layers": [2, 400]}, "search.space.encoder.layers = 400: input should be less than or equal to 48"),
        ({"encoder.layers": [2, 2]}, "a value is there twice"),
        ({"encoder.layers": {"low": 1.5, "high": 3}}, "search.space.encoder.layers: the setting is an integer"),
        ({"encoder.layers": [True]}, "search.space.encoder.layers = true: expected INTEGER"),
        ({"encoder.heads": [2, 3]}, r"search.space.encoder.heads = 3: .* does not divide"),
        ({"nae.step_size": {"low": 0.0, "high": 1.0}}, "search.space.nae.step_size = 0: input should be greater"),
        ({"nae.activation": {"low": 0.0, "high": 1.0}}, "a range needs a number"),
        ({"nae.activation": ["relu", "tanh"]}, "search.space.nae.activation = tanh: input should be 'prelu'"),
        ({"compute.workers": [1, 2]}, "no trial depends on this setting"),
        ({"seed": [1, 2]}, "no trial depends on this setting"),
        ("my_spaces", "expected names and values"),
        ("my_spaces:absent", "cannot|no attribute|expected module:name"),
        ("my_spaces:never", "none of 20 points is possible: nothing fits"),
        ("my_spaces:unknown", "unknown setting; did you mean"),
        ("my_spaces:broken", "ZeroDivisionError"),
    ],
)
def test_spaces_are_refused_before_anything_starts(module: str, tmp_path: Path, space: Any, message: str) -> None:
    refused = settings(space).updated({"out": str(tmp_path)})
    with pytest.raises(ValueError, match=message):
        EmbeddingScan(refused, "laptop", ["embedding_scan"]).check()


def test_values_that_only_fit_together_are_accepted() -> None:
    space = Space(settings({"encoder.heads": [2, 3], "encoder.d_r": [32, 48]}))
    space.check()
    assert space.draw(optuna.trial.FixedTrial({"encoder.heads": 3, "encoder.d_r": 48})) == {
        "encoder.heads": 3,
        "encoder.d_r": 48,
    }
    with pytest.raises(ImpossiblePoint, match="does not divide"):
        space.draw(optuna.trial.FixedTrial({"encoder.heads": 3, "encoder.d_r": 32}))


def test_a_function_has_conditions_and_constraints(module: str, tmp_path: Path) -> None:
    study = settings(f"{module}:conditional", trials=30, step_sizes_per_encoder=1)
    Space(study).check()
    scan, points = Scan(tmp_path, study), []
    for number in itertools.count():
        suggestion = scan.searcher.suggest(f"t{number}")
        if suggestion == "FINISHED":
            break
        assert isinstance(suggestion, dict)
        points.append(suggestion["parameters"])
        scan.finish(f"t{number}", -float(number))
    assert len(points) + scan.searcher.impossible >= 30
    assert all(("encoder.dropout" in point) == (point["encoder.layers"] > 2) for point in points)
    refused = [ending for ending in scan.endings if ending.state == "PRUNED"]
    assert len(refused) == scan.searcher.impossible > 0
    assert {ending.reason for ending in refused} == {"not possible: four layers are too many for one head"}
    assert not any(point["encoder.layers"] == 4 for point in points)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "gp", "cmaes", "nsga2", "qmc"])
def test_a_killed_study_asks_for_the_same_points_with_every_sampler(tmp_path: Path, sampler: str) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes", reason="needs the extra [search]")
    space = {
        "contrastive.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "nae.steps": {"low": 10, "high": 30, "step": 10},
        "nae.step_size": {"low": 0.01, "high": 0.5},
    }
    if sampler == "grid":
        space = {"encoder.layers": [1, 2, 4], "nae.steps": [10, 20, 30, 40, 50]}  # type: ignore[dict-item]
    arguments = {"tpe": {"multivariate": True, "n_startup_trials": 4}, "gp": {"n_startup_trials": 4}}
    arguments |= {"cmaes": {"n_startup_trials": 2}, "nsga2": {"population_size": 4}}  # type: ignore[dict-item]
    study = settings(space, sampler=sampler, sampler_arguments=arguments.get(sampler, {}))
    asked: dict[bool, list[Any]] = {}
    for killed in (False, True):
        folder = tmp_path / str(killed)
        folder.mkdir()
        scan = Scan(folder, study)
        asked[killed] = []
        for number in range(10):
            if killed and number % 3 == 1:
                scan.searcher.suggest(f"lost {number}")
                scan = Scan(folder, study)
            asked[killed].append(scan.searcher.suggest(f"t{number}"))
            scan.finish(f"t{number}", objective=math.sin(number))
    assert asked[True] == asked[False]
    points = [json.dumps(suggestion["parameters"]) for suggestion in asked[True]]
    assert len(set(points)) > (9 if sampler == "grid" else 7)


def test_a_grid_has_every_point_once(tmp_path: Path) -> None:
    study = settings({"encoder.layers": [1, 2], "nae.steps": {"low": 10, "high": 30, "step": 10}}, sampler="grid")
    scan = Scan(tmp_path, study)
    found = []
    for number in range(6):
        suggestion = scan.searcher.suggest(f"t{number}")
        assert suggestion is not None
        found.append(tuple(suggestion["parameters"].values()))
        scan.finish(f"t{number}", 1.0)
    assert sorted(found) == [(layers, steps) for layers in (1, 2) for steps in (10, 20, 30)]


@pytest.mark.parametrize("pruner", ["asha", "halving", "hyperband", "median"])
def test_every_pruner_stops_what_is_behind(tmp_path: Path, pruner: str) -> None:
    arguments = {"median": {"n_startup_trials": 3}, "halving": {"min_resource": 1}}
    study = settings(SPACE, pruner=pruner, pruner_arguments=arguments.get(pruner, {}))
    scan = Scan(tmp_path, study.updated({"contrastive": {"epochs": 9}}))
    stopped = 0
    for number in range(24):
        scan.searcher.suggest(f"t{number}")
        for epoch in (1, 3, 9):
            report = {"epoch": epoch, "objective": -float(number)}
            if scan.searcher.prunes(f"t{number}", report):
                scan.searcher.on_trial_complete(f"t{number}", report)
                stopped += 1
                break
            scan.searcher.on_trial_result(f"t{number}", report)
        else:
            scan.finish(f"t{number}", -float(number))
    assert scan.searcher.fault is None
    assert [trial.state.name for trial in scan.trials].count("PRUNED") == stopped
    assert 3 < stopped < 24


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"sampler_arguments": {"startups": 3}}, "search.sampler_arguments: .*startups"),
        ({"pruner": "median", "pruner_arguments": {"warm": 3}}, "search.pruner_arguments: .*warm"),
        ({"sampler": "grid"}, "step_size has a continuous range"),
    ],
)
def test_arguments_are_refused_before_anything_starts(tmp_path: Path, search: dict[str, Any], message: str) -> None:
    refused = preset("laptop").updated({"search": search})
    with pytest.raises(ValueError, match=message):
        EmbeddingScan(refused.updated({"out": str(tmp_path)}), "laptop", ["embedding_scan"]).check()


def test_without_a_pruner_nothing_is_stopped() -> None:
    off = preset("laptop").updated({"search": {"pruner": "none"}})
    assert isinstance(make_pruner(off.search, (1, 3)), optuna.pruners.NopPruner)
