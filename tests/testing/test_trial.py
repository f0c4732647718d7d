"""Own augmentations that cannot work are refused with their name, file and line before a study trains anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.testing.trial import try_augmentations

SOURCE = """import numpy as np


class Mine:
    draws_of_views = (0, 1, 2)

    @classmethod
    def from_settings(cls, views, inputs):
        return cls()

    def __call__(self, constituents, offsets, draws):
        {body}
"""


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("return constituents[:, :2].copy(), offsets.copy()", 4, r"shape \(\d+, 2\); expected float32 \(M, 3\)"),
        ("return constituents.copy() * np.float32(np.nan), offsets.copy()", 4, "not finite"),
        ("return constituents.copi(), offsets.copy()", 12, "has no attribute 'copi'"),
        ("raise RuntimeError('no luck')", 12, "RuntimeError: no luck"),
        ("return constituents.copy(), offsets.copy()", None, ""),
    ],
    ids=["shape", "not finite", "typo", "exception", "good"],
)
def test_own_augmentation_is_tried(
    body: str, line: int | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request
) -> None:
    module = "tried_" + request.node.callspec.id.replace(" ", "_")
    file = tmp_path / f"{module}.py"
    file.write_text(SOURCE.format(body=body))
    monkeypatch.syspath_prepend(tmp_path)
    views = ViewSettings(anomalous=(f"{module}:Mine",))
    if line is None:
        try_augmentations(views, InputSettings())
        return
    with pytest.raises(ValueError, match=words) as error:
        try_augmentations(views, InputSettings())
    assert str(error.value).startswith(f"augmentation '{module}:Mine' ({file}:{line}): ")
