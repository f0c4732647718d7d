"""Bad input of every kind, through the scripts as a user runs them; the table is bad_input/cases.py.

Each is refused with exit status 2 and one message that says what, where and how to mend it; nothing is written or
damaged, and neither torch nor Ray is imported to find out, but torch for what only torch can tell. Cases run one after
the other in one process of their own, since starting Python takes longer than refusing.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from darkclr_ray.jets.shards import write_shard

from .bad_input.cases import CASES, GENERATION, HEAVY, IMPORT, JETS, SETTINGS
from .bad_input.damage import LOCKS, Case, good

STUDIES = Path(__file__).parents[1] / "studies"


class Answer(NamedTuple):
    """What came of a command in a folder, and the folder before and after."""

    here: Path
    status: int
    out: str
    err: str
    before: dict[str, Any]
    after: dict[str, Any]


def listing(folder: Path) -> dict[str, Any]:
    """Every file below a folder, with its permissions and a hash of what is in it; manifests are a cache."""
    found = {}
    for path in (path for path in sorted(folder.rglob("*")) if ".manifest" not in path.parts):
        readable = path.is_file() and os.access(path, os.R_OK)
        content = hashlib.blake2b(path.read_bytes()).hexdigest() if readable else ""
        found[str(path.relative_to(folder))] = (path.stat().st_mode, content)
    return found


CHILD = """
import contextlib, io, json, os, runpy, shlex, sys, traceback


class NothingHeavy:
    def find_spec(self, name, *_):
        assert name not in banned, f"{name} was imported"

sys.meta_path.insert(0, NothingHeavy())
studies, banned, cases = json.load(sys.stdin)
answers = []
for here, command in cases:
    os.chdir(here)
    name, *arguments = shlex.split(command)
    sys.argv = ["darkclr" if name == "darkclr" else f"{studies}/{name}.py", *arguments]
    sys.path[0] = here
    sys.modules.pop("mine", None)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if name == "darkclr":
                from darkclr_ray.cli.darkclr import main

                status = main()
            else:
                runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            status = end.code
        except BaseException:
            status = 1
            traceback.print_exc()
    answers.append([status, out.getvalue(), err.getvalue()])
json.dump(answers, sys.stdout)
"""


def without_privileges() -> None:
    """Let permissions hold for root, too, in the process that is started now."""
    drop_from_bounding_set, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Answer]]:
    """What the programs say to all cases, those that need torch last."""
    jets = tmp_path_factory.mktemp("good")
    for seed, part in enumerate(("train/qcd", "validation/qcd", "validation/aachen", "test/qcd", "test/aachen")):
        write_shard(jets / part / "shard-00000.parquet", good(seed), part.split("/")[1], {})

    def folder(case: Case) -> Path:
        here = tmp_path_factory.mktemp("case")
        shutil.copytree(jets, here / "jets")
        if case.change is not None:
            case.change(here)
        return here

    found = []
    for cases, banned in ((CASES, ("torch", "ray")), (HEAVY, ("ray",))):
        folders = [folder(case) for case in cases]
        before = [listing(here) for here in folders]
        asked = [str(STUDIES), banned, [(str(here), case.command) for here, case in zip(folders, cases, strict=True)]]
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=900,
            preexec_fn=without_privileges,
        )
        assert done.returncode == 0, done.stderr
        after, said = [listing(here) for here in folders], json.loads(done.stdout)
        found += [
            Answer(here, *words, *lists) for here, words, *lists in zip(folders, said, before, after, strict=True)
        ]
    yield found
    for locked in LOCKS:
        locked.release()


ALL = [*CASES, *HEAVY]


@pytest.mark.parametrize("number", range(len(ALL)), ids=lambda n: f"{n} {ALL[n].command} {ALL[n].words}"[:80])
def test_bad_input_is_refused(number: int, answers: list[Answer]) -> None:
    case, answer = ALL[number], answers[number]
    assert answer.status == 2, answer.err
    assert "Traceback" not in answer.err
    for word in case.words:
        assert word in answer.err
    assert answer.after == answer.before


@pytest.mark.parametrize("case", [SETTINGS[0], JETS[0], GENERATION[0], IMPORT[0]], ids=lambda case: case.command[:20])
def test_a_process_of_its_own_says_the_same(case: Case, answers: list[Answer]) -> None:
    answer = answers[CASES.index(case)]
    name, *arguments = shlex.split(case.command)
    command = [sys.executable, STUDIES / f"{name}.py", *arguments]
    done = subprocess.run(command, cwd=answer.here, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (answer.status, answer.out, answer.err)


def program(case: Case) -> str:
    """How a message begins."""
    first, second, *rest = [*case.command.split(), ""]
    if first != "darkclr":
        return f"{first}.py: "
    if second == "scroe":
        return "darkclr: "
    return f"darkclr study {rest[0]}: " if second == "study" and rest[0] != "robustnes" else f"darkclr {second}: "


def test_the_message_is_one(answers: list[Answer]) -> None:
    for case, answer in zip(ALL, answers, strict=True):
        name = program(case)
        lines = [line for line in answer.err.splitlines() if not line.startswith(f"{name}warning: ")]
        assert len(lines) == 1, answer.err
        assert lines[0].startswith(name), answer.err
