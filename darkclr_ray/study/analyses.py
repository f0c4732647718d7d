"""Analyses of a whole comparison, computed from the scores when all runs have ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.evaluation.leave_one_out import leave_one_out
from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.evaluation.scored import Scored
from darkclr_ray.evaluation.sculpting import sculpting as sculpted
from darkclr_ray.evaluation.systematics import Systematic, systematic
from darkclr_ray.evaluation.variance import rejection_variance
from darkclr_ray.jets.packed import Jets
from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.store.scores import read_scores
from darkclr_ray.study.artifacts import interpretation_of
from darkclr_ray.study.extra_jobs import InterpretationJob, StabilityJob
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.records import ANALYSES, Analysis, PairRecord, RunRecord
from darkclr_ray.study.run_specs import RunSpec

if TYPE_CHECKING:
    from darkclr_ray.study.session import Session

Scores = dict[str, NDArray[np.float64]]

INTERPRETATION = "interpretation"
"""Name of the analysis of what a detector's score depends on."""

WITH_ENCODER = "s_NAE"
"""Detector whose encoder's representations are shown."""

PAIRS = (
    ("s_NAE", "multiplicity"),
    ("s_NAE", "JetCLR s_NAE"),
    ("s_NAE", "untrained s_NAE"),
    ("s_NAE", "s_AE"),
    ("s_NAE", "supervised"),
    ("views_classifier", "multiplicity"),
    ("views_classifier", "untrained views_classifier"),
    ("views_classifier", "s_NAE"),
    ("views_classifier", "supervised"),
    ("views_classifier", "boosted_trees"),
    ("views_observables", "multiplicity"),
    ("views_observables", "views_classifier"),
    ("views_observables", "s_NAE"),
    ("views_observables", "supervised_observables"),
    ("views_observables", "boosted_trees"),
)
"""Pairs of detectors that are compared if the study has both."""


@dataclass
class AnalysisInput:
    """Input of an analysis.

    Attributes:
        settings: settings of the study.
        folder: folder of the study.
        runs: specifications of all runs.
        scan: folder of the embedding scan whose selection is examined, if there is one.
        session: runs further jobs.
        records: records of all runs.
        outcomes: outcomes of the jobs that the analysis needs, see `JOBS`.
    """

    settings: StudySettings
    folder: StudyFolder
    runs: Sequence[RunSpec]
    scan: Path | None
    session: Session
    records: Sequence[RunRecord]
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    tables: dict[str, dict[str, dict[str, Scores]]] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def test(self) -> dict[str, Jets]:
        return self.session.jets.evaluation["test"]

    @property
    def background(self) -> Jets:
        return self.test[self.settings.background]

    @property
    def signals(self) -> list[str]:
        """Signals of the study, without those of further folders."""
        names = self.session.jets.evaluation["validation"]
        return [name for name in names if name != self.settings.background]

    @property
    def methods(self) -> list[RunRecord]:
        """Completed runs of the ensembles at the study's own settings."""
        return [record for record in self.records if "methods" in record.sections and record.state == "COMPLETE"]

    @property
    def first(self) -> dict[str, RunRecord]:
        """Run with the first network of each detector."""
        found: dict[str, RunRecord] = {}
        by_seed = sorted(self.methods, key=lambda r: (r.seeds.encoder or 0, r.seeds.autoencoder or 0))
        for record in by_seed:
            for name in record.detectors:
                found.setdefault(name, record)
        return found

    def scores(self, record: RunRecord, detector: str) -> Scores:
        """Return a network's scores of all test jets, by sample, in the order of the jets."""
        stage = record.stages["scores"]
        if stage not in self.tables:
            self.tables[stage] = read_scores(self.folder.store.find("scores", stage).folder / "scores.parquet")
        return self.tables[stage]["test"][detector]

    def keys(self) -> dict[str, str]:
        """Return the key of the run with the first network of each detector."""
        return {name: record.key for name, record in self.first.items()}


def pairs(given: AnalysisInput) -> Analysis[Any] | None:
    """Return ratios of rejections on the same jets, with a confidence."""
    first, found, background = given.first, [], given.background
    name = given.settings.background
    for a, b in PAIRS:
        if a not in first or b not in first:
            continue
        for signal in given.signals:
            scores_a, scores_b, jets = given.scores(first[a], a), given.scores(first[b], b), given.test[signal]
            ratio = paired_ratio(
                scores_a[name],
                scores_a[signal],
                scores_b[name],
                scores_b[signal],
                background.pt,
                jets.pt,
                background.events,
                jets.events,
                seed=given.seed,
            )
            keys = {"a_key": first[a].key, "b_key": first[b].key}
            found.append(PairRecord(a=a, b=b, **keys, signal=signal, **vars(ratio)))
    words = "first network of each, same test jets, bootstrap over events with cuts derived anew"
    return analysis("pairs", given.keys(), found, words) if found else None


def sculpting(given: AnalysisInput) -> Analysis[Any] | None:
    """Return the spectra of the background's mass and pT before and after cuts."""
    name = given.settings.background
    observables = {"mass": given.background.mass, "pt": given.background.pt}
    result = {
        detector: {
            observable: list(sculpted(given.scores(record, detector)[name], values, seed=given.seed))
            for observable, values in observables.items()
        }
        for detector, record in given.first.items()
    }
    return analysis("sculpting", given.keys(), result, f"test {name} jets, first network of each detector")


def stability_jobs(given: AnalysisInput) -> dict[str, StabilityJob]:
    """Return jobs that score perturbed test jets with the first network of each detector."""
    keys = set(given.keys().values())
    runs: dict[str, RunSpec] = {e.key: e for e in given.runs if e.key in keys}
    limit = given.settings.comparison.stability_jets
    return {f"stability-{key}": StabilityJob(e.job, limit) for key, e in runs.items()}  # type: ignore[arg-type]


def stability(given: AnalysisInput) -> Analysis[Any] | None:
    """Return the shifts of the scores of perturbed jets."""
    limit = given.settings.comparison.stability_jets
    result = {}
    for outcome in given.outcomes.values():
        if outcome.state == "finished":
            stage = given.folder.store.find("stability", outcome.result["stages"]["stability"])
            content = read_json(stage.folder / "stability.json")
            result.update({name: changes for name, changes in content.items() if name in given.first})
    words = f"up to {limit:,} test jets of each sample, first network of each detector"
    keys = {name: key for name, key in given.keys().items() if name in result}
    return analysis("stability", keys, result, words)


def systematics(given: AnalysisInput) -> Analysis[Any] | None:
    """Apply the nominal working point to each background variation."""
    variants = given.session.jets.variants
    if not variants:
        return None
    name = given.settings.background

    def scored(scores: Scores, sample: str) -> Scored:
        return Scored(scores[sample], given.test[sample].pt, given.test[sample].events)

    result: dict[str, dict[str, Systematic]] = {}
    samples = given.session.jets.facts(name)["samples"]
    for detector, record in given.first.items():
        scores = given.scores(record, detector)
        signals = {signal: scored(scores, signal) for signal in given.signals}
        result[detector] = {
            samples[variant]["variation"]: systematic(
                scored(scores, name), scored(scores, variant), signals, seed=given.seed
            )
            for variant in variants
        }
    words = "first network of each detector; cuts from the test signal, as on the nominal background"
    return analysis("systematics", given.keys(), result, words)


def variance(given: AnalysisInput) -> Analysis[Any] | None:
    """Return the components of variance of a rejection: encoder seed, autoencoder seed and test sample."""
    name = given.settings.background
    result: dict[str, dict[str, Any]] = {}
    for detector in given.first:
        networks: dict[int, list[RunRecord]] = {}
        for record in given.methods:
            if detector in record.detectors and record.seeds.encoder is not None:
                networks.setdefault(record.seeds.encoder, []).append(record)
        sizes = {len(members) for members in networks.values()}
        if len(networks) < 2 or len(sizes) > 1 or min(sizes) < 2:
            continue
        scores = [[given.scores(record, detector) for record in members] for members in networks.values()]
        result[detector] = {}
        for signal in given.signals:
            jets, background = given.test[signal], given.background
            components = rejection_variance(
                [[network[name] for network in members] for members in scores],
                [[network[signal] for network in members] for members in scores],
                background.pt,
                jets.pt,
                background.events,
                jets.events,
                seed=given.seed,
            )
            result[detector][signal] = components
    words = "ln of the rejection at eps_S = 0.2; autoencoders nested in encoders, four parts of the test sample"
    return analysis("variance", dict.fromkeys(result, "all networks"), result, words) if result else None


def leave_out(given: AnalysisInput) -> Analysis[Any] | None:
    """Return the rejection lost by leave-one-signal-out selection among a scan's trials.

    A scan on other jets is used only if the settings name it. The scan's own search may have used the signal.
    """
    scan = given.scan
    if scan is None:
        return None
    folder = StudyFolder(scan)
    about = folder.about()
    if about is None:
        return None
    same = folder.made_on(given.session.jets.fingerprints)
    if not same and given.settings.comparison.scan is None:
        return None
    trials = folder.trial_records()
    result = list(leave_one_out(trials, score=about.score))
    words = f"{len(trials)} trials of the embedding scan {scan.name}{'' if same else ', on other jets than these'}"
    if about.objective != "signal_blind":
        words += (
            f"; its search was led by {about.objective!r}: only the choice among its trials was made without the signal"
        )
    words += "."
    return analysis("leave_one_out", {about.score: str(scan)}, result, words)


def interpretation_jobs(given: AnalysisInput) -> dict[str, InterpretationJob]:
    """Return jobs that interpret the detector that the study selects, and s_NAE for its encoder, first networks."""
    selected = read_results(given.folder.path).selected
    names = dict.fromkeys([*([selected.detector] if selected is not None else []), WITH_ENCODER])
    runs = {run_spec.key: run_spec for run_spec in given.runs}
    first = {name: runs[given.first[name].key] for name in names if name in given.first}
    return {f"{INTERPRETATION}-{name}": InterpretationJob(e.job, name) for name, e in first.items()}  # type: ignore[arg-type]


def interpretation(given: AnalysisInput) -> Analysis[Any] | None:
    """Return examples of what scores depend on, from test jets; see `study.interpretation`."""
    done = [one for one in given.outcomes.values() if one.state == "finished"]
    found = [interpretation_of(given.folder, one.result["stages"]) for one in done]
    result = {one.detector: one for one in found}
    keys = {name: key for name, key in given.keys().items() if name in result}
    return analysis(INTERPRETATION, keys, result, "test jets, first network of each detector") if result else None


def analysis(name: str, of: Mapping[str, str], result: Any, words: str) -> Analysis[Any]:
    """Return the record of an analysis."""
    return ANALYSES[name](name=name, of=dict(of), result=result, words=words)


SECTIONS: dict[str, Callable[[AnalysisInput], Analysis[Any] | None]] = {
    "pairs": pairs,
    "sculpting": sculpting,
    "stability": stability,
    "systematics": systematics,
    "variance": variance,
    "leave_one_out": leave_out,
    INTERPRETATION: interpretation,
}
"""Analyses by the name of their file; they return None if the study has no data for them."""

JOBS: dict[str, Callable[[AnalysisInput], Mapping[str, Any]]] = {
    "stability": stability_jobs,
    INTERPRETATION: interpretation_jobs,
}
"""Jobs of training workers that an analysis needs."""
