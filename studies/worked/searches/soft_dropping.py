"""Augmentation with a parameter of its own, and the search space that varies it; see `own_dimension.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import optuna
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Packed, vector_pt
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@dataclass(frozen=True)
class SoftDropping:
    """Augmentation that drops constituents with a probability p_drop exp(-softness pT / jet pT)."""

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    p_drop: float = 0.7
    softness: float = 10.0

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        p_drop = views.p_drop if isinstance(views.p_drop, float) else views.p_drop[1]
        return cls(p_drop, float(str(views.own.get("softness", cls.softness))))

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        sizes = np.diff(offsets)
        fraction = constituents[:, 0] / np.repeat(vector_pt(constituents, offsets), sizes)
        kept = draws.uniform(offsets) >= self.p_drop * np.exp(-self.softness * fraction)
        kept[offsets[:-1]] = True  # the hardest constituent is kept, so that no jet is empty
        left = np.concatenate([[0], np.cumsum(np.add.reduceat(kept, offsets[:-1], dtype=np.int64))])
        remaining = constituents[kept]
        remaining[:, 0] *= np.repeat(vector_pt(constituents, offsets) / vector_pt(remaining, left), np.diff(left))
        return remaining, left


def space(trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    """Return the settings of a trial: the softness only matters where much is dropped, and both have a limit."""
    p_drop = trial.suggest_float("p_drop", 0.3, 0.9)
    found = {"views.p_drop": p_drop, "nae.step_size": trial.suggest_float("step_size", 0.01, 0.25, log=True)}
    if p_drop > 0.5:
        found["views.own.softness"] = trial.suggest_float("softness", 1.0, 30.0, log=True)
        if p_drop * found["views.own.softness"] > 20.0:
            raise optuna.TrialPruned("only the softest constituents would be dropped, almost always")
    return found
