"""Who takes part in a comparison, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkclr_ray.detectors import registry
from darkclr_ray.presets import preset
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.comparison import chosen_epochs
from darkclr_ray.study.jobs import DetectorJob
from darkclr_ray.study.linear_test import LinearClassifierStudy
from darkclr_ray.study.method_comparison import MethodComparison
from darkclr_ray.study.robustness import Robustness
from darkclr_ray.study.run_specs import deduplicate, expand_runs

SETTINGS = preset("laptop").updated({"comparison": {"encoder_seeds": 3, "autoencoder_seeds": 2, "d_z": (16, 64)}})


def test_a_network_for_each_seed_that_matters() -> None:
    everybody = expand_runs(SETTINGS, registry.names(), ["methods"], encoders=3, autoencoders=2)
    count = {name: sum(name in run_spec.detectors for run_spec in everybody) for name in registry.names()}
    assert count["multiplicity"] == count["jet_pt"] == 1
    assert count["s_CLR"] == count["views_classifier"] == count["supervised"] == 3
    assert count["s_NAE"] == count["JetCLR s_NAE"] == 6
    assert count["raw_nae"] == 2
    assert all(count.values())
    energies = [run_spec for run_spec in everybody if "s_NAE" in run_spec.detectors]
    assert len({run_spec.autoencoder_seed for run_spec in energies}) == 6  # nested in encoders, none shared
    for run_spec in energies:
        assert run_spec.job.settings.seed == run_spec.encoder_seed
        assert run_spec.job.settings.nae.seed == run_spec.autoencoder_seed
        assert isinstance(run_spec.job, DetectorJob)
        assert run_spec.job.seed == SETTINGS.seed  # all are judged by the same draws


def test_labels_keep_to_themselves() -> None:
    for run_spec in expand_runs(SETTINGS, registry.names(), ["methods"]):
        assert len({detector["labels"] for detector in run_spec.detectors.values()}) == 1
    (trees,) = expand_runs(SETTINGS, ["boosted_trees"], ["methods"])
    assert trees.labels
    assert not expand_runs(SETTINGS, ["isolation_forest"], ["methods"])[0].labels


def test_a_run_that_answers_two_questions_is_trained_once() -> None:
    once = expand_runs(SETTINGS, ["s_CLR"], ["methods"])
    again = expand_runs(SETTINGS, ["s_CLR"], ["dimensions"])
    (run_spec,) = deduplicate([*once, *again])
    assert run_spec.sections == ("methods", "dimensions")


def test_words_on_what_chose_an_epoch_follow_what_was_trained() -> None:
    plain = SETTINGS.updated({"nae": {"views_p_drop": (), "divergence_selection": "energy_difference"}})
    held_out = plain.updated({"supervised": {"validation": 0.2}, "nae": {"views_p_drop": (0.5,)}})

    def words(settings: StudySettings, entry: str) -> str:
        (run_spec,) = expand_runs(settings, [entry], ["methods"])
        return "; ".join(chosen_epochs(run_spec))

    assert words(SETTINGS, "multiplicity") == words(SETTINGS, "untrained s_CLR") == ""
    assert words(SETTINGS, "s_CLR") == "of an encoder that of lowest loss on validation background"
    assert "anomalous views" in words(held_out, "untrained s_NAE")
    assert "pre-training the last" in words(plain, "s_NAE")
    assert "anomalous views" in words(held_out, "raw_nae")
    assert "pre-training the last" in words(held_out, "JetCLR s_NAE")  # whose recipe has no anomalous views
    assert "closest to zero" in words(plain, "s_NAE")
    assert "closest to zero" not in words(plain.updated({"nae": {"divergence_epochs": 0}}), "s_NAE")
    assert "of largest area" in words(held_out.updated({"nae": {"divergence_selection": "views"}}), "s_NAE")
    assert "closest to zero" in words(SETTINGS.updated({"nae": {"divergence_selection": "views"}}), "JetCLR s_NAE")
    assert "20% of its jets" in words(held_out, "supervised")


@pytest.mark.parametrize("study", [MethodComparison, Robustness, LinearClassifierStudy])
def test_the_studies_line_up(study: type[Robustness]) -> None:
    runs = study(SETTINGS, "laptop", ["run"]).runs
    assert len({run_spec.key for run_spec in runs}) == len(runs)
    followers = [run_spec.autoencoder_seed is not None for run_spec in runs]
    assert followers == sorted(followers)  # whoever trains an encoder comes first
    trained = {name for run_spec in runs for stage, name in run_spec.trains.items() if stage == "representation"}
    encoders = {MethodComparison: 2 * 2 * 3 + 3 * 3, Robustness: 3 + 4, LinearClassifierStudy: 2 * 3}
    assert len(trained) == encoders[study]


def test_methods_are_all_of_them() -> None:
    runs = MethodComparison(SETTINGS, "laptop", ["run"]).runs
    methods = {name for run_spec in runs if "methods" in run_spec.sections for name in run_spec.detectors}
    assert methods == set(registry.names())
    dimensions = {run_spec.parameters["d_z"] for run_spec in runs if "dimensions" in run_spec.sections}
    assert dimensions == {16, 64}


def test_the_scan_beside_a_comparison_is_looked_at(tmp_path: Path) -> None:
    def scan(**comparison: str) -> Path | None:
        changes = {"out": str(tmp_path), "name": "robustness", "comparison": comparison}
        return Robustness(SETTINGS.updated(changes), "laptop", ["run"]).scan

    assert scan() is None
    (tmp_path / "embedding_scan" / "trials").mkdir(parents=True)
    assert scan() is None
    (tmp_path / "embedding_scan" / "trials" / "0000.json").touch()
    assert scan() == tmp_path / "embedding_scan"
    assert scan(scan="elsewhere") == Path("elsewhere")
