"""Results of the networks of one detector that differ only in their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from darkclr_ray.evaluation.aggregate import Entry, robustness_table
from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.study.records import (
    DetectorRecord,
    RunRecord,
    TrainedOn,
)

Weighting = Literal["raw", "matched"]
WEIGHTINGS: tuple[Weighting, ...] = ("raw", "matched")
"""Weightings of the background: unweighted, and weighted to the signal's spectrum of jet pT."""
Entries = Mapping[tuple[str, Weighting], Entry]
"""Aggregated results by signal and weighting."""
EPS_S = 0.2
"""Signal efficiency at which rejections are compared, as in the paper."""


@dataclass(frozen=True)
class Ensemble:
    """The networks of one detector that differ only in their seeds."""

    detector: str
    runs: tuple[RunRecord, ...]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.runs[0].parameters

    @property
    def trained_on(self) -> TrainedOn:
        return self.runs[0].trained_on

    @property
    def record(self) -> DetectorRecord:
        """Record of the detector in the first run."""
        return self.runs[0].detectors.get(self.detector, DetectorRecord())

    @property
    def labels(self) -> bool:
        """Whether the detector was trained with labels."""
        return self.record.labels

    @property
    def has_seed(self) -> bool:
        """Whether the detector depends on a seed; a cut does not."""
        return self.runs[0].seeds.encoder is not None or self.runs[0].seeds.autoencoder is not None

    @cached_property
    def evaluations(self) -> dict[str, list[Evaluation]]:
        """Evaluations on test jets by signal, one for each network."""
        found: dict[str, list[Evaluation]] = {}
        for run in self.runs:
            for signal, evaluation in run.test.get(self.detector, {}).items():
                found.setdefault(signal, []).append(evaluation)
        return found

    @cached_property
    def blind(self) -> list[Evaluation]:
        """Evaluations of background against its anomalous views, one for each network that has one."""
        return [run.signal_blind[self.detector] for run in self.runs if self.detector in run.signal_blind]

    def entries(self, eps_s: float = EPS_S, signals: Sequence[str] | None = None) -> Entries:
        """Return the results on all signals or some, aggregated over the networks."""
        chosen = {name: found for name, found in self.evaluations.items() if signals is None or name in signals}
        table = robustness_table({self.detector: chosen}, eps_s=eps_s)
        return {(entry.signal, "matched" if entry.matched else "raw"): entry for entry in table}
