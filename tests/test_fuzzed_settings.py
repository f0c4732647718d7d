"""Settings files and words at random: accepted and consistent, or refused with a ValueError that says where."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from darkclr_ray.cli.embedding_scan import COMMAND_LINE
from darkclr_ray.field_types import leaves
from darkclr_ray.settings import StudySettings

NAMES = [name for name, _ in leaves(StudySettings)]
GROUPS = sorted({name.rpartition(".")[0] for name in NAMES} - {""})
SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates(), st.binary(max_size=5)),
    st.sampled_from([0, 1, 2, 16, -1, 0.5, 1e-3, 10**400, "nan", "auto", "qcd", "matched", "~", "=", "<<", "!!bool"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([part for name in NAMES for part in name.split(".")] + GROUPS) | SCALARS
NESTED = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=4)


@st.composite
def likely(draw: st.DrawFn) -> dict[str, Any]:
    """Real settings with values of any kind."""
    content: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True)):
        *groups, last = name.split(".")
        inside = content
        for group in groups:
            inside = inside.setdefault(group, {})
        inside[last] = draw(VALUES)
    return content


FRAGMENTS = st.lists(
    st.sampled_from(NAMES + GROUPS)
    | st.sampled_from([": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!", "!!int ", "!!set ", "? "])
    | st.sampled_from(["|\n", ">", "'", '"', "#", "%", "<<: *a", "---\n", "...\n", "\t", "0x", "1:30", "2001-13-01"]),
    max_size=25,
).map("".join)
FILES = st.one_of(
    likely().map(lambda content: yaml.dump(content).encode()),
    NESTED.map(lambda content: yaml.dump(content).encode()),
    VALUES.map(lambda content: yaml.dump(content).encode()),
    FRAGMENTS.map(lambda text: text.encode()),
    st.binary(max_size=60),
)
WORDS = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "preset", "trials", "address", "objective"]),
        st.one_of(
            *(st.text(max_size=12), st.integers().map(str), st.floats().map(str), VALUES.map(str), FRAGMENTS),
            st.sampled_from(["16,32", "[16, 32]", "none", "true", "0.5", "laptop", "paper", "&a [*a]", "9" * 5000]),
        ),
    ).map(lambda pair: f"--{pair[0]}={pair[1]}"),
    max_size=3,
)


def accepted_or_refused(words: Sequence[str], where: str) -> None:
    refusal = None
    try:
        found, preset = COMMAND_LINE.read([*words], "embedding_scan")
    except ValueError as error:
        refusal = str(error)
    if refusal is not None:
        assert refusal
        assert where in refusal
        assert len(refusal) < 20_000
        assert "Traceback" not in refusal
    else:
        assert preset in COMMAND_LINE.presets
        assert StudySettings.model_validate_json(found.model_dump_json()) == found  # as a study's folder keeps them
        assert found.updated({}) == found


def file_accepted_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        path.write_bytes(content)
        accepted_or_refused(["--config", str(path)], str(path))


@given(FILES)
@settings(max_examples=100, derandomize=True)
def test_settings_files(content: bytes) -> None:
    file_accepted_or_refused(content)


@given(WORDS)
@settings(max_examples=100, derandomize=True)
def test_words_on_the_command_line(words: list[str]) -> None:
    accepted_or_refused(words, "")


@pytest.mark.slow
@given(FILES)
@settings(max_examples=5000)
def test_many_settings_files(content: bytes) -> None:
    file_accepted_or_refused(content)


@pytest.mark.slow
@given(WORDS)
@settings(max_examples=5000)
def test_many_words_on_the_command_line(words: list[str]) -> None:
    accepted_or_refused(words, "")
