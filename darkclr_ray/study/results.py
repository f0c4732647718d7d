"""Results of a study of any kind, read from its folder, with the statistics that its pages show; without Ray.

A scan's best trial and its references are presented as runs of one network each, so that everything else is the same
for scans and comparisons.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from darkclr_ray.evaluation.aggregate import Entry, robustness_table
from darkclr_ray.evaluation.bands import Band, roc_bands
from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.evaluation.selection import MeanRejection, blind_efficiency, blind_objective, blind_rejection, excludes
from darkclr_ray.integrity import Damaged, check_file
from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import check_sealed_text, read_json
from darkclr_ray.store.stages import check_stage
from darkclr_ray.study.display import position
from darkclr_ray.study.records import (
    ANALYSES,
    Analysis,
    DetectorRecord,
    Evaluations,
    MeansRecord,
    PairRecord,
    ReferenceRecord,
    References,
    Repeats,
    RunRecord,
    SampleRecord,
    StudyRecord,
    TrainedOn,
    TrialRecord,
    best_trial,
)

Weighting = Literal["raw", "matched"]
WEIGHTINGS: tuple[Weighting, ...] = ("raw", "matched")
"""Weightings of the background: unweighted, and weighted to the signal's spectrum of jet pT."""

Entries = Mapping[tuple[str, Weighting], Entry]
"""Aggregated results by signal and weighting."""

EPS_S = 0.2
"""Signal efficiency at which rejections are compared, as in the paper."""

BENCHMARK = "aachen"
"""Name of the paper's benchmark signal."""

REMEDY = "run the study again, or restore it from a copy of the study"

_DAMAGED = (yaml.YAMLError, zipfile.BadZipFile, EOFError, pa.ArrowException)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, eq=False)
class JetTable:
    """J jets of one split, in the order of their ids.

    Attributes:
        ids, events, multiplicity: id, event number and number of constituents of each jet, (J,) each.
        samples: name of each jet's sample, (J,).
        pt: pT of each jet in GeV, (J,).
    """

    ids: NDArray[np.int64]
    samples: NDArray[np.str_]
    events: NDArray[np.int64]
    pt: NDArray[np.float64]
    multiplicity: NDArray[np.int64]

    def of(self, sample: str) -> NDArray[np.int64]:
        """Return the row indices of the jets of a sample."""
        return np.flatnonzero(self.samples == sample)

    def take(self, rows: NDArray[np.integer]) -> JetTable:
        """Return the jets in some rows, in their order."""
        return JetTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


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
class StudyResults:
    """Results of a study.

    Attributes:
        folder: folder of the study.
        about: content of ``study.json``.
        settings: settings of the study.
        runs: runs of a comparison; of a scan, its best trial and its references.
        trials: trials of a scan.
        analyses: analyses of a whole comparison, by name.
        repeats: best points of a scan with further seeds, if they were trained.
    """

    folder: Path
    about: StudyRecord
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

    @cached_property
    def pairs(self) -> list[PairRecord]:
        """Paired comparisons of the first networks of two detectors at `EPS_S`.

        Those of the selected detector are computed here and come first if the study has not recorded any.
        """
        recorded: list[PairRecord] = self.result("pairs") or []
        selected = self.selected
        if selected is None or selected.detector in {pair.a for pair in recorded}:
            return recorded
        others = [one for one in self.opponents() if one.detector != selected.detector]
        return [pair for other in others for pair in self._compared(selected, other)] + recorded

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

    def _compared(self, one: Ensemble, other: Ensemble) -> list[PairRecord]:
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

    @cached_property
    def jets(self) -> JetTable:
        """All jets of the test split."""
        table = _columns(self.derived("jets.parquet"))
        rows = np.flatnonzero(table["split"] == "test")
        rows = rows[np.argsort(table["jet_id"][rows])]
        return JetTable(
            ids=table["jet_id"][rows].astype(np.int64),
            samples=table["sample"][rows].astype(str),
            events=table["event_id"][rows].astype(np.int64),
            pt=table["pt"][rows].astype(np.float64),
            multiplicity=table["multiplicity"][rows].astype(np.int64),
        )

    def scores(self, ensemble: Ensemble) -> NDArray[np.float64] | None:
        """Return the first network's scores of all test jets, (J,); None if a jet has none.

        Raises:
            ValueError: a score belongs to a jet that jets.parquet does not have, or a file is damaged.
        """
        run = ensemble.runs[0]
        if "scores" in run.stages:
            found = self._stage_scores(run.stages["scores"]).get(raw_name(ensemble.detector, run))
        else:
            found = -self.jets.multiplicity.astype(np.float64) if ensemble.detector == "multiplicity" else None
        return found if found is not None and bool(np.isfinite(found).all()) else None

    def _stage_scores(self, key: str) -> dict[str, NDArray[np.float64]]:
        if key not in self._scores:
            path, ids = self.stage("scores", key) / "scores.parquet", self.jets.ids
            table = _columns(path)
            self._scores[key] = {}
            for detector in dict.fromkeys(table["detector"].tolist()):
                rows = np.flatnonzero((table["detector"] == detector) & (table["split"] == "test"))
                places = np.searchsorted(ids, table["jet_id"][rows])
                if len(ids) == 0 or not np.array_equal(ids[np.minimum(places, len(ids) - 1)], table["jet_id"][rows]):
                    raise ValueError(
                        f"{path}: scores of jets that jets.parquet does not have; the folder mixes two studies"
                    )
                self._scores[key][str(detector)] = np.full(len(ids), np.nan)
                self._scores[key][str(detector)][places] = table["score"][rows]
        return self._scores[key]

    @cached_property
    def _scores(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Scores of the stages that were read, by hash and detector."""
        return {}

    @cached_property
    def _checked(self) -> set[Path]:
        """Folders of the stages whose checksums were verified."""
        return set()

    def stage(self, kind: str, key: str) -> Path:
        """Return the folder of a stage; raise ValueError if it is missing or a checksum of its files does not match."""
        for name in (kind, key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"stage {name!r}: expected letters, digits, '_', '-' and '.' only")
        folder = self.folder / "stages" / kind / key
        if folder not in self._checked:
            check_stage(folder)
            self._checked.add(folder)
        return folder

    def derived(self, name: str) -> Path:
        """Return the path of a file that each start writes; raise ValueError if it is missing or damaged."""
        try:
            check_file(self.folder / name, self.about.files.get(name))
        except Damaged as error:
            raise ValueError(f"{error}; {REMEDY}") from None
        return self.folder / name

    def history(self, stages: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
        """Return the training history of the stage of a kind, one record per epoch; empty if none was kept."""
        path = self.stage(kind, stages[kind]) / "history.jsonl" if kind in stages else None
        if path is None or not path.exists():
            return []
        with reading(path):
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]

    def means(self) -> MeansRecord | None:
        """Return means of observables of background, views and signals; None if none were kept."""
        if not (self.folder / "means.json").exists():
            return None
        return MeansRecord.read(self.derived("means.json"), REMEDY)

    def examples(self) -> dict[str, NDArray[np.float32]]:
        """Return views of one background jet, (n, 3) each: pT in GeV, eta, phi; empty if none were kept."""
        path = self.folder / "examples.npz"
        if not path.exists():
            return {}
        with reading(path), np.load(self.derived(path.name), allow_pickle=False) as arrays:
            views = {name: arrays[name] for name in arrays.files}
        for name, view in views.items():
            if view.ndim != 2 or view.shape[1] != 3 or len(view) == 0:
                raise ValueError(f"{path}: {name!r} has shape {view.shape}; expected (n, 3) with n > 0: pT, eta, phi")
        return views


def read_results(folder: Path) -> StudyResults:
    """Return the results of a study of any kind, finished or not.

    Raises:
        ValueError: the folder contains no study, a file is damaged, or no trial or run is complete yet.
    """
    if not (folder / "study.json").is_file():
        raise ValueError(f"{folder}: no study.json, so this is not a study's folder")
    about, settings = StudyRecord.read(folder / "study.json", REMEDY), read_settings(folder / "settings.yaml")
    if about.kind == "embedding_scan":
        return _read_scan(folder, about, settings)
    paths = sorted((folder / "runs").glob("*.json"), key=lambda path: natural(path.name))
    runs = tuple(RunRecord.read(path, REMEDY) for path in paths)
    analyses = {
        path.stem: ANALYSES[path.stem].read(path, REMEDY)
        for path in sorted((folder / "sections").glob("*.json"))
        if path.stem in ANALYSES
    }
    if not any(run.state == "COMPLETE" and run.test for run in runs):
        states = ", ".join(f"{run.key}: {run.state}" for run in runs) or "no run at all"
        raise ValueError(f"{folder}: nothing to report before the first complete run ({states})")
    return StudyResults(folder, about, settings, runs, analyses=analyses)


def _read_scan(folder: Path, about: StudyRecord, settings: StudySettings) -> StudyResults:
    trials = tuple(TrialRecord.read(path, REMEDY) for path in sorted((folder / "trials").glob("*.json")))
    path = folder / "seeds.json"
    repeats = Repeats.read(path, REMEDY) if path.is_file() and settings.search.seeds else None
    if repeats is not None and repeats.objective != settings.search.objective:
        repeats = None  # of earlier objectives
    best = selected_trial(trials, repeats)
    if best is None:
        states = ", ".join(f"trial {trial.number}: {trial.state}" for trial in trials) or "no trial at all"
        raise ValueError(f"{folder}: nothing to report before the first complete trial ({states})")
    path = folder / "references.json"
    references = References.read(path, REMEDY).root if path.is_file() else {}
    # references of an earlier best trial do not belong to this one
    own = {name: one for name, one in references.items() if one.parameters in (None, best.parameters)}
    count = about.counts.get("train", {}).get(settings.background)
    words = f"{count:,} {background_label(settings.background)} jets without labels" if count else TrainedOn().words
    facts = {"trained_on": TrainedOn(background=settings.background, jets=count, words=words)}
    runs = [_as_run("", best, best.parameters), *(_as_run(name, one, {}) for name, one in own.items())]
    complete = tuple(run.model_copy(update=facts) for run in runs)
    return StudyResults(folder, about, settings, complete, trials, repeats=repeats)


def selected_trial(trials: Sequence[TrialRecord], repeats: Repeats | None) -> TrialRecord | None:
    """Return the trial with the largest mean over further seeds if there are such, else `best_trial`."""
    chosen = [trial for trial in trials if repeats is not None and trial.number == repeats.selected]
    return best_trial(chosen or trials)


def _as_run(label: str, record: TrialRecord | ReferenceRecord, parameters: Mapping[str, Any]) -> RunRecord:
    """Return the best trial ("" as label) or a reference of a scan as a run of one network."""
    test: Evaluations = {detector_name(label, score): signals for score, signals in record.test.items()}
    return RunRecord(
        key=label or "best trial",
        label=label,
        sections=["methods"],
        state="COMPLETE",
        parameters=dict(parameters),
        stages=record.stages,
        test=test,
    )


def trial_entries(trial: TrialRecord, score: str) -> Entries:
    """Return the results of a trial's score on test jets; empty if it was not evaluated."""
    return Ensemble(score, (_as_run("", trial, trial.parameters),)).entries()


def detector_name(label: str, score: str) -> str:
    """Return the name of a score of a scan's reference, beside the scores of the best trial.

    >>> detector_name("", "s_NAE"), detector_name("untrained", "s_NAE"), detector_name("multiplicity", "multiplicity")
    ('s_NAE', 'untrained s_NAE', 'multiplicity')
    """
    return score if label in ("", score) else f"{label} {score}"


def raw_name(detector: str, run: RunRecord) -> str:
    """Return the name of a detector in the files of a run's stages; `detector_name` is its inverse for references."""
    return detector if run.detectors else detector.removeprefix(f"{run.label} ")


def background_label(name: str) -> str:
    """Return the name of the background as it is written in text."""
    return "QCD" if name == "qcd" else name


def is_grid(name: str) -> bool:
    """Return whether the name of a signal is that of a point of the grid over r_inv and meson mass.

    >>> is_grid("rinv_0.3_mass_12"), is_grid("rinv_0.5")
    (True, False)
    """
    return re.fullmatch(r"rinv_[\d.]+_mass_[\d.]+", name) is not None


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers within names by value, so that the network of the lowest seed is first.

    >>> sorted(["e10", "e8-a2", "e8-a16"], key=natural)
    ['e8-a2', 'e8-a16', 'e10']
    """
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def read_settings(path: Path) -> StudySettings:
    """Return the settings of a study; raise ValueError if the file is missing, damaged or of another version."""
    with reading(path):
        check_sealed_text(path)
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return StudySettings.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path}: {format_validation_error(error)}; restore it from a copy of the study") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors from reading a file of a study into a ValueError that names the file."""
    try:
        yield
    except Damaged:
        raise  # it names the file and says what to do
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; restore it from a copy of the study") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, *_DAMAGED) as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(f"{path} cannot be read ({what}); restore it from a copy of the study") from error


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    with reading(path):
        table = pq.read_table(path, page_checksum_verification=True)
    plain = dict(zip(table.column_names, table.columns, strict=True))
    for name, column in plain.items():
        if pa.types.is_dictionary(column.type):
            plain[name] = column.cast(column.type.value_type)
    return {name: column.to_numpy(zero_copy_only=False) for name, column in plain.items()}
