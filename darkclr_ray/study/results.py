"""Results of a study of any kind, with the statistics that its pages show; without Ray.

A scan's best trial and its references are presented as runs of one network each, so that everything else is the same
for scans and comparisons.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.evaluation.bands import Band, roc_bands
from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.evaluation.selection import MeanRejection, blind_efficiency, blind_objective, blind_rejection, excludes
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.study.display import position
from darkclr_ray.study.ensemble import EPS_S, Ensemble, Weighting
from darkclr_ray.study.labels import is_grid, raw_name
from darkclr_ray.study.records import (
    Analysis,
    PairRecord,
    Repeats,
    RunRecord,
    SampleRecord,
    TrialRecord,
    selected_trial,
)
from darkclr_ray.study.study_files import REMEDY, StudyFiles, reading

BENCHMARK = "aachen"
"""Name of the paper's benchmark signal."""


@dataclass(frozen=True)
class Standing:
    """Number of signals on which the selected detector is ahead of or behind another one with 95% confidence.

    Attributes:
        other: name of the other detector.
        ahead, behind, total: numbers of signals.
        untrained: whether signals that the other detector was trained on are excluded.
    """

    other: str
    ahead: int
    behind: int
    total: int
    untrained: bool


@dataclass(frozen=True)
class StudyResults(StudyFiles):
    """Results of a study.

    Attributes:
        folder, about: see `StudyFiles`.
        settings: settings of the study.
        runs: runs of a comparison; of a scan, its best trial and its references.
        trials: trials of a scan.
        analyses: analyses of a whole comparison, by name.
        repeats: best points of a scan with further seeds, if they were trained.
    """

    settings: StudySettings
    runs: tuple[RunRecord, ...]
    trials: tuple[TrialRecord, ...] = ()
    analyses: Mapping[str, Analysis[Any]] = field(default_factory=dict)
    repeats: Repeats | None = None

    @property
    def background(self) -> str:
        return self.settings.background

    @property
    def objective(self) -> str:
        """Name of the objective that a search maximised on validation jets."""
        return self.settings.search.objective

    @property
    def score(self) -> str:
        """Name of the score for which the objectives of a scan were computed."""
        return self.best.score

    @cached_property
    def best(self) -> TrialRecord:
        """Selected trial of a scan; raise ValueError if the study has no complete trial."""
        best = selected_trial(self.trials, self.repeats)
        if best is None:
            raise ValueError(f"{self.folder}: no complete trial")
        return best

    @property
    def complete(self) -> list[RunRecord]:
        """Runs that were completed."""
        return [run for run in self.runs if run.state == "COMPLETE"]

    def evaluated(self) -> list[str]:
        """Return the names of the signals that were evaluated, including those without recorded parameters."""
        return list(dict.fromkeys(s for run in self.complete for signals in run.test.values() for s in signals))

    @cached_property
    def samples(self) -> dict[str, SampleRecord]:
        """Parameters of the signals in the order of the study; an empty record for a signal without parameters."""
        names = dict.fromkeys([*self.about.samples, *self.evaluated()])
        signals = {name: self.about.samples.get(name, SampleRecord()) for name in names if name != self.background}
        return {name: sample for name, sample in signals.items() if sample.variation is None}

    @cached_property
    def main_signals(self) -> list[str]:
        """Signals of tables and curves: those that are not points of a grid, or all signals if every one is."""
        evaluated = set(self.evaluated())
        signals = [name for name in self.samples if name in evaluated]
        return [name for name in signals if not is_grid(name)] or signals

    @property
    def lead(self) -> str:
        """Leading signal: the paper's benchmark if the study has it, else its first signal."""
        return BENCHMARK if BENCHMARK in self.main_signals else self.main_signals[0]

    def ensembles(self, section: str) -> list[Ensemble]:
        """Return the ensembles of an analysis, in the order of tables and legends."""
        groups: dict[tuple[str, ...], list[RunRecord]] = {}
        for run in self.complete:
            if section in run.sections:
                what = json.dumps([run.parameters, run.trained_on.model_dump()], sort_keys=True)
                for detector in run.test:
                    groups.setdefault((detector, run.label, what), []).append(run)
        found = [Ensemble(detector, tuple(runs)) for (detector, *_), runs in groups.items()]
        return sorted(found, key=lambda one: position(one.detector))

    @cached_property
    def methods(self) -> dict[str, Ensemble]:
        """Ensemble of each detector at the study's own settings; empty if detectors are not compared."""
        found: dict[str, Ensemble] = {}
        for ensemble in self.ensembles("methods"):
            found.setdefault(ensemble.detector, ensemble)
        return found

    @cached_property
    def blind_eps_s(self) -> float:
        """Efficiency on anomalous views at which the signal-blind selection compares detectors."""
        return blind_efficiency(one for run in self.complete for one in run.signal_blind.values())

    def blind_rejection(self, ensemble: Ensemble) -> MeanRejection | None:
        """Return the rejection of background against its anomalous views; None if it was not evaluated."""
        return blind_rejection(ensemble.blind, self.blind_eps_s)

    def by_blind_objective(self, ensembles: Iterable[Ensemble]) -> list[Ensemble]:
        """Return ensembles by their separation of background from its anomalous views, the best one first."""
        return sorted(
            ensembles,
            key=lambda one: (blind_objective(one.blind, self.blind_eps_s), one.detector == "s_NAE"),
            reverse=True,
        )

    @cached_property
    def candidates(self) -> list[Ensemble]:
        """Candidates of the signal-blind selection of a detector, the best one first.

        They are the networks that were trained without labels. Simple cuts are excluded, since views that lack
        constituents do not test them. If there is no such network, all methods are candidates.
        """
        free = [ensemble for ensemble in self.methods.values() if not ensemble.labels]
        free = [ensemble for ensemble in free if ensemble.has_seed] or free or list(self.methods.values())
        return self.by_blind_objective(free)

    @property
    def selected(self) -> Ensemble | None:
        """Detector that the page is about: that of a scan's objective, else the signal-blind selection; or None."""
        if self.trials:
            return self.methods[self.score]
        return self.candidates[0] if self.candidates else None

    def not_excluded(self) -> list[Ensemble]:
        """Return the other candidates whose intervals reach the rejection of the selected one."""
        values = [(one, found) for one in self.candidates if (found := self.blind_rejection(one)) is not None]
        return [one for one, found in values[1:] if not excludes(values[0][1], found)]

    def result(self, analysis: str) -> Any:
        """Return the result of an analysis of the whole study; None if there is none."""
        return self.analyses[analysis].result if analysis in self.analyses else None

    def opponents(self) -> list[Ensemble]:
        """Return the detectors that the selected one is always compared with."""
        if not self.trials:
            names = ["multiplicity", "supervised"]
        else:
            score, own = self.score, self.best.test
            references = [run.label for run in self.runs[1:]]
            names = [*own, *(f"{name} {score}" for name in references), *references]
        return [self.methods[name] for name in dict.fromkeys(names) if name in self.methods]

    @property
    def recorded_pairs(self) -> list[PairRecord]:
        """Paired comparisons that the study has recorded."""
        recorded: list[PairRecord] = self.result("pairs") or []
        return recorded

    @cached_property
    def pairs(self) -> list[PairRecord]:
        """Paired comparisons of the first networks of two detectors at `EPS_S`.

        Those of the selected detector are computed here and come first if the study has not recorded any.
        """
        recorded = self.recorded_pairs
        selected = self.selected
        if selected is None or selected.detector in {pair.a for pair in recorded}:
            return recorded
        others = [one for one in self.opponents() if one.detector != selected.detector]
        return [pair for other in others for pair in self.compared(selected, other)] + recorded

    def standing(self, other: str) -> Standing:
        """Return how the selected detector stands against another one, by the pT-matched ratios of `pairs`.

        Signals on which a supervised detector was trained are excluded.
        """
        ensemble, selected = self.methods.get(other), self.selected
        trained = ensemble.trained_on.signal if ensemble is not None and ensemble.labels else None
        halves = [
            pair.matched
            for pair in self.pairs
            if selected is not None
            and (pair.a, pair.b) == (selected.detector, other)
            and pair.signal in self.main_signals
            and pair.signal != trained
        ]
        signs = [ratio.significant for ratio in halves]
        return Standing(other, signs.count(1), signs.count(-1), len(halves), trained is not None)

    def compared(self, one: Ensemble, other: Ensemble) -> list[PairRecord]:
        """Return the paired comparison of the first networks of two detectors on each signal; empty without scores."""
        a, b = self.scores(one), self.scores(other)
        if a is None or b is None:
            return []
        found = []
        for signal in self.main_signals:
            rows = self.jets.of(self.background), self.jets.of(signal)
            columns: tuple[NDArray[Any], ...] = (a, b, self.jets.pt, self.jets.events)
            parts: list[ArrayLike] = [column[part] for column in columns for part in rows]
            ratio = paired_ratio(*parts, eps_s=EPS_S, seed=self.settings.seed)
            keys = {"a_key": one.runs[0].key, "b_key": other.runs[0].key}
            found.append(PairRecord(a=one.detector, b=other.detector, **keys, signal=signal, **vars(ratio)))
        return found

    def roc(
        self, ensemble: Ensemble, signal: str, eps_s: NDArray[np.float64], replicas: int
    ) -> tuple[Band, Band] | None:
        """Return the raw and the matched ROC curve of an ensemble's first network; None without its scores."""
        scores = self.scores(ensemble)
        if scores is None:
            return None
        rows = self.jets.of(self.background), self.jets.of(signal)
        columns: tuple[NDArray[Any], ...] = (scores, self.jets.pt, self.jets.events)
        parts: list[ArrayLike] = [column[part] for column in columns for part in rows]
        return roc_bands(*parts, eps_s=eps_s, seed=self.settings.seed, replicas=replicas)

    def weights(self, ensemble: Ensemble) -> dict[str, tuple[float, float]]:
        """Return the weight of each observable: mean over the networks, and standard deviation (nan for one)."""
        networks = []
        for run in ensemble.runs:
            path = self.stage("scores", run.stages["scores"]) / "weights.json" if "scores" in run.stages else None
            if path is not None and path.exists():
                with reading(path):
                    networks.append(read_json(path, REMEDY).get(raw_name(ensemble.detector, run)) or {})
        found = {}
        for name in networks[0] if networks else ():
            values = np.array([network.get(name, math.nan) for network in networks], dtype=np.float64)
            found[name] = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan
        return found

    def grid(self) -> dict[str, tuple[float, float]]:
        """Return r_inv and meson mass in GeV of the signals on a grid: those named as its points, and those that match.

        A signal matches if it has the decay rule of the grid and one of its values of both parameters.
        """
        points: dict[str, tuple[float, float]] = {}
        for name in self.evaluated():
            sample = self.samples.get(name, SampleRecord())
            if None not in (sample.r_inv, sample.pion_mass) and sample.decays in (None, "all_mesons"):
                points[name] = float(sample.r_inv or 0.0), float(sample.pion_mass or 0.0)
        named = [point for name, point in points.items() if is_grid(name)]
        places = {r for r, _ in named}, {mass for _, mass in named}
        return {name: point for name, point in points.items() if point[0] in places[0] and point[1] in places[1]}

    def rejection_ratios(self, one: Ensemble, other: Ensemble) -> dict[tuple[str, Weighting], float]:
        """Return the ratio of the mean rejections of two ensembles by signal and weighting."""
        below = other.entries()
        return {at: entry.rejection / below[at].rejection for at, entry in one.entries().items() if at in below}

    def count(self, split: str, sample: str) -> int | None:
        """Return the number of jets; None if it was not recorded."""
        return self.about.counts.get(split, {}).get(sample)

    def scores(self, ensemble: Ensemble) -> NDArray[np.float64] | None:
        """Return the first network's scores of all test jets, (J,); None if a jet has none.

        Raises:
            ValueError: a score belongs to a jet that jets.parquet does not have, or a file is damaged.
        """
        run = ensemble.runs[0]
        if "scores" in run.stages:
            found = self.stage_scores(run.stages["scores"]).get(raw_name(ensemble.detector, run))
        else:
            found = -self.jets.multiplicity.astype(np.float64) if ensemble.detector == "multiplicity" else None
        return found if found is not None and bool(np.isfinite(found).all()) else None
