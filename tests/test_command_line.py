"""Every way to say something impossible on the command line, and what the answer must name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from darkclr_ray.command_line import CommandLine, leaves, suggestion
from darkclr_ray.settings import PRESETS, StudySettings

SCRIPT = Path(__file__).parents[1] / "studies" / "embedding_scan.py"
LINE = CommandLine(StudySettings, PRESETS, "laptop", "A study.", {"trials": "search.trials"})


def read(*arguments: str) -> StudySettings:
    return LINE.read(arguments)[0]


REFUSED = [
    (["--encoder.dz", "3"], ["--encoder.dz", "did you mean --encoder.d_z?"]),
    (["--d_z", "3"], ["--encoder.d_z or --search.d_z"]),
    (["--trails", "3"], ["did you mean --trials?"]),
    (["--bogus", "3"], ["--bogus", "--help"]),
    (["5"], ["'5'", "needs its name"]),
    (["--trials"], ["--trials", "expected one argument"]),
    (["--trials", "true"], ["--trials", "INTEGER", "true"]),
    (["--trials", "1.5"], ["search.trials = 1.5", "integer"]),
    (["--trials", "0"], ["search.trials = 0", "greater than or equal to 1"]),
    (["--trials", "-3"], ["search.trials = -3"]),
    (["--trials", "1e99"], ["search.trials"]),
    (["--trials", "[3]"], ["search.trials = [3]"]),
    (["--encoder.d_z", "abc"], ["encoder.d_z = abc", "command line"]),
    (["--encoder.d_z", ""], ["encoder.d_z"]),
    (["--encoder.heads", "3"], ["encoder.heads = 3 does not divide encoder.d_r = 32"]),
    (["--preset", "lapto"], ["did you mean 'laptop'", "paper"]),
    (["--inputs.pt", "gevv"], ["inputs.pt = gevv", "did you mean 'gev'"]),
    (["--contrastive.loss", "ntxent"], ["nt_xent"]),
    (["--compute.precision", "float64"], ["float32", "bfloat16"]),
    (["--contrastive.learning_rate", "nan"], ["contrastive.learning_rate = nan", "finite"]),
    (["--contrastive.learning_rate", "inf"], ["contrastive.learning_rate = inf"]),
    (["--contrastive.learning_rate", "fast"], ["contrastive.learning_rate = fast"]),
    (["--contrastive.learning_rate", "0"], ["greater than 0"]),
    (["--views.p_drop", "1.5"], ["views.p_drop = 1.5", "less than 1"]),
    (["--views.p_drop", "-0.1"], ["views.p_drop = -0.1"]),
    (["--views.p_drop", "0.5,0.3"], ["runs backwards"]),
    (["--views.p_drop", "0.1,0.2,0.3"], ["views.p_drop"]),
    (["--search.p_drop", "0.1,0.2"], ["search.p_drop = [0.1, 0.2]", "more numbers"]),
    (["--search.p_drop", "0.7,0.1,0.05"], ["low <= high"]),
    (["--search.step_size", "0,1"], ["two positive numbers"]),
    (["--search.d_z", "[16"], ["--search.d_z [16", "LIST"]),
    (["--search.d_z", ""], ["search.d_z"]),
    (["--search.d_z", "1,16"], ["from 2 to 4096"]),
    (["--search.prune", "maybe"], ["search.prune = maybe"]),
    (["--name", "a/b"], ["name = a/b"]),
    (["--name", "../up"], ["name = ../up"]),
    (["--name", ""], ["name"]),
    (["--seed", "-1"], ["seed = -1"]),
    (["--seed", "99999999999"], ["seed"]),
    (["--nae.gradient_clip", "no"], ["nae.gradient_clip"]),
    (["--config", "nowhere.yaml"], ["nowhere.yaml", "no such file"]),
    (["--config", "."], ["cannot be read"]),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=lambda value: " ".join(value)[:40])
def test_what_cannot_be_is_refused_by_name(arguments: list[str], words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        read(*arguments)
    for word in words:
        assert word in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


BROKEN_FILES = [
    ("a: [1", ["not readable as YAML"]),
    ("- 1\n- 2", ["name: value"]),
    ("just words", ["name: value"]),
    ("encoder:\n  dz: 3", ["encoder.dz", "did you mean encoder.d_z?"]),
    ("d_z: 3", ["encoder.d_z or search.d_z"]),
    ("encoder: 3", ["expected some of d_r, d_h"]),
    ("encoder: null", ["encoder", "none"]),
    ("seed: 1\nseed: 2", ["'seed' is set twice"]),
    ("seed: yes", ["seed", "INTEGER", "true"]),
    ("encoder:\n  d_z: 1", ["encoder.d_z = 1", "settings.yaml"]),
    ("1: 2", ["unknown setting"]),
    ("!!python/object:os.system {}", ["not readable as YAML"]),
    ("a: " + "[" * 5000, ["not readable as YAML"]),
]


@pytest.mark.parametrize(("text", "words"), BROKEN_FILES, ids=[text[:20] for text, _ in BROKEN_FILES])
def test_broken_files_are_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as refusal:
        read("--config", str(path))
    for word in (*words, str(path)):
        assert word in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"cannot be read|not readable"):
        read("--config", str(path))


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


def test_the_script_refuses_before_anything_heavy_is_imported() -> None:
    cases = [["--encoder.dz", "3"], ["--trials", "0"], ["--preset", "x"], ["--objective", "matcht"], ["--jets", "no"]]
    program = """
import contextlib, io, json, runpy, sys
answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["embedding_scan.py", *arguments]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            runpy.run_path(SCRIPT, run_name="__main__")
        except SystemExit as end:
            answers.append([end.code, errors.getvalue(), [m for m in ("torch", "ray") if m in sys.modules]])
print(json.dumps(answers))
"""
    done = subprocess.run(
        [sys.executable, "-c", program.replace("SCRIPT", repr(str(SCRIPT))), json.dumps(cases)],
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert len(answers) == len(cases)
    for code, message, heavy in answers:
        assert code == 2
        assert message.startswith("embedding_scan.py: ")
        assert "Traceback" not in message
        assert not heavy
