"""The README tells the truth: its table of settings, its commands, its files and its snippet."""

from __future__ import annotations

import json
import re
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from darkclr_ray.augmentations import registry as augmentations
from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.detectors import registry as detectors
from darkclr_ray.detectors.models import pretrained
from darkclr_ray.jets.folder import starter_jets
from darkclr_ray.presets import preset
from darkclr_ray.settings import StudySettings
from darkclr_ray.testing import check_augmentation, check_detector

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (\S+) \| (\S+) \|", README, flags=re.MULTILINE)


def value(settings: StudySettings, name: str) -> object:
    group, field = name.split(".")
    return getattr(getattr(settings, group), field)


@pytest.mark.parametrize(("name", "paper", "laptop"), ROWS)
def test_table_of_settings(name: str, paper: str, laptop: str) -> None:
    for text, settings in ((paper, preset("paper")), (laptop, preset("laptop"))):
        assert float(text) == value(settings, name) if text[0].isdigit() else text == value(settings, name)


def test_table_is_there() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?://)([^)]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python (studies/\w+\.py)", README))))
def test_scripts_explain_themselves(command: str) -> None:
    done = subprocess.run([sys.executable, ROOT / command, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout.lower()


@pytest.mark.parametrize("line", re.findall(r"`(?:python )?(studies/embedding_scan\.py [^`]*--[^`]*)`", README))
def test_options_are_known(line: str) -> None:
    given = re.findall(r"--[a-z_.]+", line)
    done = subprocess.run(
        [sys.executable, ROOT / "studies/embedding_scan.py", "--help"], capture_output=True, text=True, timeout=60
    )
    known = set(re.findall(r"--[a-z_.]+", done.stdout))
    assert set(given) <= known | {"--help"}, shlex.join(given)


def test_ci_calls_the_test_command() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert 'pip install ".[test]" && pytest' in README
    assert 'pip install ".[test]"' in script.replace(" --quiet", "")
    assert "\npytest\n" in script


def test_citation_is_yaml() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["license"] == "BSD-3-Clause"


SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
FILES = {re.match(r"# (\w+\.py)", snippet)[1]: snippet for snippet in SNIPPETS if snippet.startswith("# my_")}  # type: ignore[index]
COMMANDS = re.findall(r"^(darkclr .*)$", README, flags=re.MULTILINE)
TINY = (
    "--encoder.d_r 8 --encoder.d_h 16 --encoder.d_z 6 --encoder.layers 1 --contrastive.epochs 1 --nae.hidden 4 "
    "--nae.bottleneck 2 --nae.reconstruction_epochs 1 --nae.divergence_epochs 1 --threads 1"
)
FEW = "--jets-per-sample test=4 --workers 1 --vary variation.interactions=off"
SMALLER = {
    "darkclr generate --preset": f"--samples rinv_0.5 {FEW}",
    "darkclr generate --samples": FEW,
    "darkclr train": TINY,
}
"""What is added so that a command takes seconds."""


@pytest.mark.parametrize("snippet", [snippet for snippet in SNIPPETS if snippet not in FILES.values()])
def test_snippets_run(snippet: str) -> None:
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"\d\.\d+", done.stdout)) == 3


def test_a_model_loads_in_three_lines_without_ray() -> None:
    (snippet,) = (snippet for snippet in SNIPPETS if "load_model" in snippet)
    assert len(list(filter(None, snippet.splitlines()))) == 3
    without = "import sys; sys.modules['ray'] = None\n"
    done = subprocess.run([sys.executable, "-c", without + snippet], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the README's commands are typed: its files are here."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_examples_are_short_and_of_each_kind() -> None:
    assert set(FILES) == {"my_views.py", "my_detectors.py", "my_objectives.py", "my_samples.py"}
    assert all(len(content.strip().splitlines()) < 20 for content in FILES.values())
    assert len(COMMANDS) == 10


def test_examples_keep_their_promises(folder: Path) -> None:
    check_augmentation(augmentations.find("my_views:SoftDropping"))
    check_detector(detectors.find("my_detectors:Neighbours"))


@pytest.mark.parametrize("command", [command for command in COMMANDS if " study " not in command])
def test_commands_run(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)[1:]
    if words[0] == "import":
        toy_table(folder / "tops.h5")
    elif "generate" not in words:
        (folder / "jets").symlink_to(starter_jets())
        (folder / "results" / "embedding_scan").mkdir(parents=True)
        (folder / "results" / "embedding_scan" / "best").symlink_to(pretrained())
    for start, more in SMALLER.items():
        words += shlex.split(more) if command.startswith(start) else []
    assert darkclr(words) == 0, capsys.readouterr().err
    if "--out" in words:
        assert (folder / words[words.index("--out") + 1]).exists()


@pytest.mark.parametrize("command", [command for command in COMMANDS if " study " in command])
def test_studies_are_understood(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)[1:]
    with pytest.raises(SystemExit) as end:
        darkclr(words if "--jets" in words else [*words, "--jets", "jets"])
    assert end.value.code == 2
    assert "jets: no such folder" in capsys.readouterr().err  # the only thing that is wrong


def toy_table(path: Path) -> None:
    """A file of the top-tagging reference set's format."""
    random = np.random.default_rng(3)
    eta, phi = (random.uniform(-low, low, (60, 1)) + random.normal(0, 0.05, (60, 12)) for low in (1.5, np.pi))
    pt = 600 * random.dirichlet(np.ones(12), 60) + 0.5
    parts = {"E": pt * np.cosh(eta), "PX": pt * np.cos(phi), "PY": pt * np.sin(phi), "PZ": pt * np.sinh(eta)}
    columns = {f"{name}_{i}": values[:, i] for i in range(12) for name, values in parts.items()}
    table = pd.DataFrame({**columns, "is_signal_new": np.arange(60) % 2})
    table.to_hdf(path, key="table", format="table")


@pytest.mark.slow
def test_a_study_of_one_s_own_ideas_runs_on_ray(folder: Path) -> None:
    (command,) = (command for command in COMMANDS if "my_objectives" in command)
    program = "import sys; from darkclr_ray.cli.darkclr import main; sys.exit(main())"
    small = f"{TINY} --trials 2 --views.p_drop 0.4,0.6 --search.d_z 6 --contrastive.batch_size 500".replace(
        "--threads 1", ""
    )
    words = [*shlex.split(command)[1:], *small.split()]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    study = folder / "results" / "mine"
    trials = [json.loads(path.read_text()) for path in sorted((study / "trials").glob("*.json"))]
    assert [trial["state"] for trial in trials] == ["COMPLETE", "COMPLETE"]
    for trial in trials:
        signals = trial["validation"]["s_NAE"].values()
        median = statistics.median(signal["matched"]["rejection"]["0.2"]["value"] for signal in signals)
        assert trial["objective"] == pytest.approx(median)
    settings = yaml.safe_load((study / "best" / "settings.yaml").read_text())
    assert settings["views"]["p_drop"][1] - settings["views"]["p_drop"][0] == pytest.approx(0.2)
    assert darkclr(["score", "starter", "--with", str(study / "best"), "--detectors", "s_CLR"]) == 0


def test_the_model_card_quotes_the_metrics_of_the_model() -> None:
    card = (ROOT / "darkclr_ray" / "MODEL_CARD.md").read_text(encoding="utf-8")
    metrics = json.loads((pretrained() / "metrics.json").read_text(encoding="utf-8"))["test"]
    header = re.search(r"^\| signal \| (.*) \|$", card, flags=re.MULTILINE)
    assert header is not None
    names = re.findall(r"`(\w+)`", header[1])
    assert set(names) == set(metrics)
    for signal in metrics["s_NAE"]:
        row = re.search(rf"^\| `{re.escape(signal)}` \| (.*) \|$", card, flags=re.MULTILINE)
        assert row is not None, signal
        for name, cell in zip(names, row[1].split(" | "), strict=True):
            raw, matched = (metrics[name][signal][side]["rejection"]["0.2"] for side in ("raw", "matched"))
            numbers = [raw["value"], matched["value"], matched["low"], matched["high"]]
            assert [float(number) for number in re.findall(r"[\d.]+", cell)] == [round(number, 1) for number in numbers]
