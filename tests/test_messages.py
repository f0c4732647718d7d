"""Suggestions in messages: which known name is suggested for a wrong one, and when there is none."""

from __future__ import annotations

import pytest

from darkclr_ray.field_types import leaves
from darkclr_ray.messages import nearest, suggestion
from darkclr_ray.settings import StudySettings

KNOWN = [name for name, _ in leaves(StudySettings)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("encoder.dz", "encoder.d_z"),
        ("d_z", "encoder.d_z or search.d_z or comparison.d_z"),
        ("nae.step_sise", "nae.step_size"),
        ("step_sise", "nae.step_size"),
        ("contrastiv.temperature", "contrastive.temperature or nae.temperature"),
        ("views.pdrop", "views.p_drop"),
        ("comparison.encoder_seed", "comparison.encoder_seeds"),
        ("trails", "search.trials"),
        ("bogus", None),
        ("colour", None),
        ("encoder.bogus", None),
        ("x", None),
        ("", None),
    ],
)
def test_the_suggested_setting(name: str, expected: str | None) -> None:
    text = suggestion(name, KNOWN)
    assert text == ("; --help lists them all" if expected is None else f"; did you mean {expected}?")


@pytest.mark.parametrize(("word", "expected"), [("lapto", "laptop"), ("papre", "paper"), ("apple", None), ("pc", None)])
def test_the_suggested_word(word: str, expected: str | None) -> None:
    text = nearest(word, ["laptop", "paper"])
    assert text == (f"; did you mean {expected!r}?" if expected else ";") + " There are: laptop, paper"
