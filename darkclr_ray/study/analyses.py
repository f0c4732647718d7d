"""What belongs to a comparison as a whole, computed from the scores when all runs have ended."""

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
from darkclr_ray.evaluation.systematics import systematic
from darkclr_ray.evaluation.variance import rejection_variance
from darkclr_ray.jets.packed import Jets
from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.store.scores import read_scores
from darkclr_ray.study.extra_jobs import StabilityJob
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.run_specs import RunSpec

if TYPE_CHECKING:
    from darkclr_ray.study.session import Session

Scores = dict[str, NDArray[np.float64]]

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
"""Who is compared with whom, where both take part."""


@dataclass
class AnalysisInput:
    """What a section is computed from.

    Attributes:
        settings: of the study.
        folder: of the study.
        runs: specifications of all runs.
        scan: folder of the embedding scan whose selection is examined, if there is one.
        session: runs further jobs.
        records: of all runs.
        outcomes: of the jobs that the section needs, see `JOBS`.
    """

    settings: StudySettings
    folder: StudyFolder
    runs: Sequence[RunSpec]
    scan: Path | None
    session: Session
    records: Sequence[dict[str, Any]]
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    tables: dict[str, dict[str, dict[str, Scores]]] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def test(self) -> dict[str, Jets]:
        return self.session.jets.judged["test"]

    @property
    def background(self) -> Jets:
        return self.test[self.settings.background]

    @property
    def signals(self) -> list[str]:
        """The study's own signals, without those of further folders."""
        names = self.session.jets.judged["validation"]
        return [name for name in names if name != self.settings.background]

    @property
    def methods(self) -> list[dict[str, Any]]:
        """The networks of the ensembles at the study's own settings that were completed."""
        return [record for record in self.records if "methods" in record["sections"] and record["state"] == "COMPLETE"]

    @property
    def first(self) -> dict[str, dict[str, Any]]:
        """The first network of each detector."""
        found: dict[str, dict[str, Any]] = {}
        by_seed = sorted(self.methods, key=lambda r: (r["seeds"]["encoder"] or 0, r["seeds"]["autoencoder"] or 0))
        for record in by_seed:
            for name in record["detectors"]:
                found.setdefault(name, record)
        return found

    def scores(self, record: dict[str, Any], detector: str) -> Scores:
        """A network's scores of all test jets, by sample, in the order of the jets."""
        stage = record["stages"]["scores"]
        if stage not in self.tables:
            self.tables[stage] = read_scores(self.folder.store.find("scores", stage).folder / "scores.parquet")
        return self.tables[stage]["test"][detector]

    def keys(self) -> dict[str, str]:
        """By detector, whose scores a section is about where it looks at one network."""
        return {name: record["key"] for name, record in self.first.items()}


def pairs(done: AnalysisInput) -> dict[str, Any] | None:
    """Ratios of rejections on the same jets, with a confidence."""
    first, found, background = done.first, [], done.background
    name = done.settings.background
    for a, b in PAIRS:
        if a not in first or b not in first:
            continue
        for signal in done.signals:
            scores_a, scores_b, jets = done.scores(first[a], a), done.scores(first[b], b), done.test[signal]
            ratio = paired_ratio(
                scores_a[name],
                scores_a[signal],
                scores_b[name],
                scores_b[signal],
                background.pt,
                jets.pt,
                background.events,
                jets.events,
                seed=done.seed,
            )
            keys = {"a_key": first[a]["key"], "b_key": first[b]["key"]}
            found.append({"a": a, "b": b, **keys, "signal": signal, **ratio.to_json()})
    words = "first network of each, same test jets, bootstrap over events with cuts derived anew"
    return {"of": done.keys(), "result": found, "words": words} if found else None


def sculpting(done: AnalysisInput) -> dict[str, Any] | None:
    """Mass and pT of the background before and after cuts."""
    name = done.settings.background
    observables = {"mass": done.background.mass, "pt": done.background.pt}
    result = {
        detector: {
            observable: [cut.to_json() for cut in sculpted(done.scores(record, detector)[name], values, seed=done.seed)]
            for observable, values in observables.items()
        }
        for detector, record in done.first.items()
    }
    return {"of": done.keys(), "result": result, "words": f"test {name} jets, first network of each detector"}


def stability_jobs(done: AnalysisInput) -> dict[str, StabilityJob]:
    """Jobs that score test jets after small changes, for the first network of each detector."""
    keys = set(done.keys().values())
    runs: dict[str, RunSpec] = {e.key: e for e in done.runs if e.key in keys}
    limit = done.settings.comparison.stability_jets
    return {f"stability-{key}": StabilityJob(e.job, limit) for key, e in runs.items()}  # type: ignore[arg-type]


def stability(done: AnalysisInput) -> dict[str, Any] | None:
    """Scores after small changes of a jet."""
    limit = done.settings.comparison.stability_jets
    result = {}
    for outcome in done.outcomes.values():
        if outcome.state == "finished":
            stage = done.folder.store.find("stability", outcome.result["stages"]["stability"])
            content = read_json(stage.folder / "stability.json")
            result.update({name: changes for name, changes in content.items() if name in done.first})
    words = f"up to {limit:,} test jets of each sample, first network of each detector"
    return {"of": {name: key for name, key in done.keys().items() if name in result}, "result": result, "words": words}


def systematics(done: AnalysisInput) -> dict[str, Any] | None:
    """The cut that the nominal background was judged at, on backgrounds of other simulations."""
    variants = done.session.jets.variants
    if not variants:
        return None
    name = done.settings.background

    def scored(scores: Scores, sample: str) -> Scored:
        return Scored(scores[sample], done.test[sample].pt, done.test[sample].events)

    result: dict[str, dict[str, Any]] = {}
    samples = done.session.jets.facts(name)["samples"]
    for detector, record in done.first.items():
        scores = done.scores(record, detector)
        signals = {signal: scored(scores, signal) for signal in done.signals}
        result[detector] = {
            samples[variant]["variation"]: systematic(
                scored(scores, name), scored(scores, variant), signals, seed=done.seed
            ).to_json()
            for variant in variants
        }
    words = "first network of each detector; cuts from the test signal, as on the nominal background"
    return {"of": done.keys(), "result": result, "words": words}


def variance(done: AnalysisInput) -> dict[str, Any] | None:
    """What an encoder's seed, an autoencoder's seed and the test sample contribute to the spread of a rejection."""
    name = done.settings.background
    result: dict[str, dict[str, Any]] = {}
    for detector in done.first:
        networks: dict[int, list[dict[str, Any]]] = {}
        for record in done.methods:
            if detector in record["detectors"] and record["seeds"]["encoder"] is not None:
                networks.setdefault(record["seeds"]["encoder"], []).append(record)
        sizes = {len(members) for members in networks.values()}
        if len(networks) < 2 or len(sizes) > 1 or min(sizes) < 2:
            continue
        scores = [[done.scores(record, detector) for record in members] for members in networks.values()]
        result[detector] = {}
        for signal in done.signals:
            jets, background = done.test[signal], done.background
            components = rejection_variance(
                [[network[name] for network in members] for members in scores],
                [[network[signal] for network in members] for members in scores],
                background.pt,
                jets.pt,
                background.events,
                jets.events,
                seed=done.seed,
            )
            result[detector][signal] = {side: part.to_json() for side, part in components.items()}
    words = "ln of the rejection at eps_S = 0.2; autoencoders nested in encoders, four parts of the test sample"
    return {"of": dict.fromkeys(result, "all networks"), "result": result, "words": words} if result else None


def leave_out(done: AnalysisInput) -> dict[str, Any] | None:
    """What the choice among a scan's trials loses on a signal that it is made without; a scan on other jets only where
    it was asked for. The trials are those of the scan's own search, which may have seen the signal."""
    scan = done.scan
    if scan is None:
        return None
    folder = StudyFolder(scan)
    score = folder.about().get("score", "s_NAE")
    same = folder.made_on(done.session.jets.fingerprints)
    if not same and done.settings.comparison.scan is None:
        return None
    trials = [read_json(path) for path in sorted((scan / "trials").glob("*.json"))]
    result = [left.to_json() for left in leave_one_out(trials, score=score)]
    words = f"{len(trials)} trials of the embedding scan {scan.name}{'' if same else ', on other jets than these'}"
    led_by = folder.about().get("objective")
    if led_by != "signal_blind":
        words += f"; its search was led by {led_by!r}: only the choice among its trials was made without the signal"
    words += "."
    return {"of": {score: str(scan)}, "result": result, "words": words}


SECTIONS: dict[str, Callable[[AnalysisInput], dict[str, Any] | None]] = {
    "pairs": pairs,
    "sculpting": sculpting,
    "stability": stability,
    "systematics": systematics,
    "variance": variance,
    "leave_one_out": leave_out,
}
"""By the name of their file; None where the study has nothing to say."""

JOBS: dict[str, Callable[[AnalysisInput], Mapping[str, StabilityJob]]] = {"stability": stability_jobs}
"""Jobs of training workers that a section needs."""
