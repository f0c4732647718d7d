"""Settings from presets, files and words; what is refused is in tests/test_bad_input.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.cli.program import cli_errors
from darkclr_ray.field_types import leaves
from darkclr_ray.messages import suggestion
from darkclr_ray.presets import PRESETS
from darkclr_ray.settings import Range, StudySettings

LINE = CommandLine(StudySettings, PRESETS, "laptop", "A study.", {"trials": "search.trials"})


def read(*arguments: str) -> StudySettings:
    return LINE.read(arguments)[0]


def test_later_sources_win(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("encoder: {d_z: 32, d_r: 16}\nsearch: {trials: 9}\n")
    settings = read("--config", str(path), "--encoder.d_z", "128", "--trials", "4")
    assert settings.encoder.d_z == 128  # command line
    assert settings.encoder.d_r == 16  # file
    assert settings.encoder.layers == PRESETS["laptop"]["encoder"]["layers"]  # preset
    assert settings.contrastive.temperature == StudySettings().contrastive.temperature  # default
    assert settings.search.trials == 4


def test_values_are_read_as_they_are_meant() -> None:
    settings = read(
        *("--search.d_z", "16,32", "--nae.hidden", "[9, 7]", "--views.p_drop", "0.3,0.5", "--name", "12"),
        *(
            "--nae.gradient_clip",
            "none",
            "--compute.address",
            "auto",
            "--search.prune",
            "false",
            "--views.anomalous",
            "",
            "--contrastive.loss",
            "nt_xent",
        ),
    )
    assert settings.search.d_z == (16, 32)
    assert settings.nae.hidden == (9, 7)
    assert settings.views.p_drop == (0.3, 0.5)
    assert settings.views.anomalous == ()
    assert settings.name == "12"
    assert settings.nae.gradient_clip is None
    assert settings.compute.address == "auto"
    assert not settings.search.prune
    assert read("--views.p_drop", "0.3").views.p_drop == 0.3
    without = read("--views.anomalous", "none", "--contrastive.loss", "nt_xent")
    assert without.views.anomalous == ()
    assert read("--comparison.d_z", "none").comparison.d_z == ()
    folders = ("2024", "/data/[x]", "a b", "c: d")
    assert read("--comparison.further_jets", ",".join(folders)).comparison.further_jets == folders


def test_a_study_s_own_settings_are_a_valid_file(tmp_path: Path) -> None:
    settings = read("--search.d_z", "16,32")
    path = tmp_path / "settings.yaml"
    path.write_text(settings.model_dump_json())  # JSON is YAML
    assert read("--preset", "paper", "--config", str(path)) == settings


def test_help_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        read("--help")
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, field in leaves(StudySettings):
        assert f"--{name} " in text
        assert field.description, name
    assert "[default: 64; paper: 512]" in text


def test_suggestions_are_silent_where_nothing_is_near() -> None:
    assert suggestion("xylophone", ["seed", "encoder.d_z"]) == "; --help lists them all"


def test_ctrl_c_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, cli_errors("darkclr train"):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "darkclr train: interrupted\n"


def test_members_of_a_mapping_are_options(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("search: {space: {nae: {steps: [10, 20]}, encoder.layers: [2]}}\n")
    settings = read(
        *("--config", str(path), "--search.space.encoder.layers", "[2, 4, 6]"),
        *("--search.space.contrastive.learning_rate={low: 1e-5, high: 1e-3, log: true}",),
        *("--search.sampler_arguments.multivariate", "true"),
    )
    assert settings.search.space == {
        "nae.steps": (10, 20),
        "encoder.layers": (2, 4, 6),
        "contrastive.learning_rate": Range(low=1e-5, high=1e-3, log=True),
    }
    assert settings.search.sampler_arguments == {"multivariate": True}
    assert read("--search.space", "my_spaces:mine").search.space == "my_spaces:mine"
    assert read("--search.space", "{encoder.layers: [2]}").search.space == {"encoder.layers": (2,)}
    with pytest.raises(ValueError, match=r"search.space.nae.steps = .*from the command line.*low = 2 is larger"):
        read("--search.space.nae.steps", "{low: 2, high: 1}")
    with pytest.raises(ValueError, match=r"--search.space.nae.steps \[1: expected"):
        read("--search.space.nae.steps", "[1")


def test_weights_are_given_as_a_mapping() -> None:
    settings = read("--views_observables.families", "{branch_dropping: 3, donor_branches: 1}")
    assert settings.views_observables.families == (("branch_dropping", 3.0), ("donor_branches", 1.0))
    with pytest.raises(ValueError, match="d_z"):
        read("--search.d_z", "{16: 32}")


def test_a_group_that_is_set_in_part_keeps_the_defaults_of_its_place(tmp_path: Path) -> None:
    defaults = StudySettings()
    partial = {"views_observables": {"views": {"p_drop": 0.3}}, "kmeans": {"images": {"pixels": 20}}}
    settings = StudySettings.model_validate(partial)
    assert settings.views_observables.views == defaults.views_observables.views.model_copy(update={"p_drop": 0.3})
    assert settings.kmeans.images == defaults.kmeans.images.model_copy(update={"pixels": 20})
    assert settings == defaults.updated(partial)
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(partial))
    assert read("--config", str(file), "--preset", "paper").views_observables == settings.views_observables
    with pytest.raises(ValueError, match="Extra inputs"):
        StudySettings.model_validate({"kmeans": {"images": {"pixel": 20}}})
