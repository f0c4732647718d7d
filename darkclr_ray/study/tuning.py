"""Search of an embedding scan with Ray Tune and Optuna, and its references."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from optuna.trial import FrozenTrial
from ray.tune.search import Searcher

from darkclr_ray.runtime.outcome import InfrastructureError, Outcome
from darkclr_ray.runtime.trials import JobList, PauseWithoutWorkers, outcome_of
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.artifacts import evaluation_of, write_best
from darkclr_ray.study.detector_spec import MULTIPLICITY, OBSERVABLES, SCORES, trial_detectors
from darkclr_ray.study.jobs import DetectorJob, job_name, trial_settings
from darkclr_ray.study.journal import ATTRIBUTES, optuna_record, restore_trials
from darkclr_ray.study.records import ReferenceRecord, References, State, TrialRecord
from darkclr_ray.study.search import (
    ENCODER,
    PruningScheduler,
    SharedEncoderSampler,
    StudySearch,
    TrialResult,
    first_point,
    open_storage,
    rungs,
    space,
)
from darkclr_ray.study.session import Session

logger = logging.getLogger(__name__)


class PrunedTrials(PauseWithoutWorkers, PruningScheduler):
    """Stops the trials which the study's pruner decides against; the other jobs run in their order."""


class SearchBatch:
    """The trials that the searcher asks for, as a batch of a program.

    Args:
        searcher: asks for them.
        count: number of trials, at most.
        settings: of the study.
        marks: epochs of an encoder after which the objective is estimated for pruning.
    """

    def __init__(self, searcher: StudySearch, count: int, settings: StudySettings, marks: tuple[int, ...]) -> None:
        self.searcher, self.left, self.settings, self.marks = searcher, count, settings, marks
        self.outcomes: dict[str, Outcome] = {}

    def next(self, trial_id: str) -> tuple[str, DetectorJob] | None:
        config = self.searcher.suggest(trial_id) if self.left > 0 else Searcher.FINISHED
        if not isinstance(config, dict):
            return None
        self.left -= 1
        settings = trial_settings(self.settings, config["parameters"])
        return job_name(config["number"]), trial_job(settings, rungs=self.marks)

    def report(self, trial_id: str, result: dict[str, Any]) -> None:
        self.searcher.on_trial_result(trial_id, result)
        self._check()

    def end(self, trial_id: str, result: dict[str, Any] | None, error: bool) -> None:
        outcome = outcome_of(result)
        if outcome is not None and result is not None:
            objective = outcome.result.get("objectives", {}).get(self.settings.search.objective)
            told = {"state": outcome.state, "reason": outcome.reason, "objective": objective, **outcome.result}
            result = {**result, "outcome": json.dumps(told)}
        self.searcher.on_trial_complete(trial_id, result, error)
        self._check()

    def _check(self) -> None:
        fault = self.searcher.fault
        if fault is not None:
            raise InfrastructureError(f"the search could not be written: {fault}") from fault


class Tuning:
    """Trials of a scan, and its references.

    Args:
        session: that runs them.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.settings, self.folder = session, session.settings, session.folder
        self._on_disk: set[str] = set().union(*(representations(trial.stages) for trial in self.folder.trial_records()))

    @cached_property
    def searcher(self) -> StudySearch:
        """The searcher of the study, which knows the trials of earlier processes."""
        settings, search, records = self.settings, self.settings.search, self.folder.trial_records()
        storage = open_storage(self.folder.optuna)
        if restore_trials(storage, settings.name, records, space(search), first_point(settings)):
            self.session.display.print_line(f"{self.folder.optuna}: restored from {self.folder.trials}")
        sampler = SharedEncoderSampler(search.step_sizes_per_encoder, settings.seed)
        searcher = StudySearch(settings, storage, sampler, self._ended)
        self._reconcile(searcher)
        return searcher

    @property
    def scheduler(self) -> PauseWithoutWorkers:
        """Prunes the trials of the search."""
        return PrunedTrials(self.searcher)

    def search(self) -> SearchBatch:
        """Return the trials that are left."""
        search = self.settings.search
        left = search.trials - sum(trial.state.is_finished() for trial in self._trials())
        marks = rungs(self.settings.contrastive.epochs) if search.prune else ()
        return SearchBatch(self.searcher, left, self.settings, marks)

    def finalize(self) -> Generator[JobList, dict[str, Outcome], None]:
        """Part of a program: evaluate the references on the same jets, and write the best model."""
        best = self.folder.best()
        assert best is not None
        settings = trial_settings(self.settings, best.parameters)
        untrained = settings.updated({"contrastive": {"epochs": 0}})
        outcomes = yield JobList(
            {
                "reference-untrained": trial_job(untrained),
                "reference-multiplicity": DetectorJob(settings, MULTIPLICITY, score="multiplicity"),
                "reference-views_observables": DetectorJob(settings, OBSERVABLES, score="views_observables"),
            }
        )
        found: dict[str, ReferenceRecord] = {}
        for name, outcome in outcomes.items():
            if outcome.state == "failed":
                logger.warning("%s: %s", name, outcome.reason)
                continue
            self._print_recomputed(outcome.result)
            stages = outcome.result["stages"]
            evaluation = evaluation_of(self.folder, stages)
            made_for = {"parameters": best.parameters} if name == "reference-untrained" else {}
            found[name.removeprefix("reference-")] = ReferenceRecord(
                stages=stages, validation=evaluation.validation, test=evaluation.test, **made_for
            )
        write_best(self.folder, best, settings)
        self.folder.store.drop_arrays(but={best.stages["representation"]})
        References(found).write(self.folder.path / "references.json")
        self.folder.note(best=best.number)  # last: it says that the rest belongs to this trial

    def _reconcile(self, searcher: StudySearch) -> None:
        """Tell Optuna of trials whose file was written just before the process was killed."""
        ended = {trial.number: trial for trial in self.folder.trial_records()}
        for trial in list(searcher.interrupted):
            known = ended.get(trial.number)
            if known is not None:
                searcher.interrupted.remove(trial)
                fields = (known.state, known.reason, known.parameters, known.objective)
                searcher.finalize(TrialResult(trial.number, *fields, outcome={"known": known}))

    def recompute(self) -> Generator[JobList, dict[str, Outcome], None]:
        """Part of a program: make trials complete again whose file or whose stages are missing.

        What the store still has is not computed. The search is not affected: Optuna knows these trials' points and
        values.
        """
        self._count()
        records = {record.number: record for record in self.folder.trial_records()}
        lacking: dict[str, TrialResult] = {}
        trials = self._trials()
        for trial in trials:
            record = records.get(trial.number)
            if not trial.state.is_finished() or (record is not None and self.folder.has_stages(record.stages)):
                continue
            where = self.folder.trials if record is None else self.folder.store.folder
            name = job_name(trial.number)
            self.session.display.print_line(f"{name}: results are missing in {where}; they are computed again")
            point = {**trial.params, "p_drop": round(trial.params["p_drop"], 10)}
            ending = TrialResult(
                trial.number, cast(State, trial.state.name), trial.user_attrs.get("reason"), point, trial.value
            )
            if ending.state == "COMPLETE":
                lacking[f"{name}-again"] = ending
            else:
                self._write(ending, trial.user_attrs.get("seconds", {}))
        jobs = {name: trial_job(trial_settings(self.settings, ending.parameters)) for name, ending in lacking.items()}

        def on_end(name: str, outcome: Outcome) -> None:
            if outcome.state == "failed":
                self.session.display.print_line(f"{name}: could not be computed again: {outcome.reason}")
                return
            self._print_recomputed(outcome.result)
            ending = replace(lacking[name], outcome=outcome.result)
            self._write(ending, trials[ending.number].user_attrs.get("seconds", outcome.result["seconds"]))
            self._count()

        yield JobList(jobs, on_end)

    def _ended(self, ending: TrialResult) -> dict[str, Any]:
        """Write a trial's file."""
        outcome = ending.outcome
        if "known" in outcome:
            return {key: getattr(outcome["known"], key) for key in ATTRIBUTES}
        name = job_name(ending.number)
        self.folder.note_computed(outcome)
        self._print_recomputed(outcome)
        seconds = dict(outcome.get("seconds", {}))
        if "seconds" in self.session.jobs.get(name, {}):
            total = self.session.jobs[name]["seconds"]
            seconds = {**seconds, "overhead": round(total - sum(seconds.values()), 3), "total": round(total, 3)}
        record = self._write(ending, seconds)
        self._count()
        self._drop_arrays(record.stages)
        if ending.state == "COMPLETE":
            words = ", ".join(f"{key} {value:.3g}" for key, value in ending.parameters.items())
            result = f"{self.settings.search.objective} {ending.objective:.3f} ({words})"
        else:
            result = f"{ending.state}: {ending.reason}"
        self.session.display.print_line(f"{name}: {result}, {seconds.get('total', 0):.0f} s")
        return {key: getattr(record, key) for key in ATTRIBUTES}

    def _write(self, ending: TrialResult, seconds: Mapping[str, float]) -> TrialRecord:
        """Write a trial's record and return it."""
        stages = ending.outcome.get("stages", {})
        evaluation = evaluation_of(self.folder, stages)
        record = TrialRecord(
            number=ending.number,
            state=ending.state,
            reason=ending.reason,
            parameters=ending.parameters,
            objective=ending.objective,
            objectives=evaluation.objectives,
            encoders=evaluation.encoders,
            stages=stages,
            kernels=ending.outcome.get("kernels", {}),
            seconds=dict(seconds),
            validation=evaluation.validation,
            test=evaluation.test,
            optuna=optuna_record(self._trials()[ending.number]),
        )
        self.folder.write_trial(record)
        return record

    def _print_recomputed(self, result: Mapping[str, Any]) -> None:
        for line in result.get("recomputed", ()):
            self.session.display.print_line(line)

    def _drop_arrays(self, stages: Mapping[str, str]) -> None:
        """Delete representations of ended trials, except those that later trials may share.

        Args:
            stages: stages of the trial that has just ended.
        """
        best = self.folder.best()
        keep = to_be_followed(self.folder.trial_records(), self.settings.search.step_sizes_per_encoder)
        if best is not None:
            keep.add(best.stages["representation"])
        self._on_disk |= representations(stages)
        self.folder.store.drop_arrays(of=self._on_disk - keep)
        self._on_disk &= keep

    def _trials(self) -> list[FrozenTrial]:
        """Return what Optuna knows of all trials."""
        trials: list[FrozenTrial] = self.searcher.study.get_trials(deepcopy=False)
        return trials

    def _count(self) -> None:
        records = self.folder.trial_records()
        self.session.count({job_name(trial.number): trial.state for trial in records})
        best = self.folder.best()
        if best is not None:
            name = self.settings.search.objective
            self.session.status.best = f"trial {best.number} ({name} {best.objective:.3f})"
            signals = best.validation.get(self.settings.search.score, {})
            rejections = {signal: one.matched.at(0.2).value for signal, one in signals.items()}
            self.session.metrics.best_trial(best.objective or 0.0, rejections)


def trial_job(settings: StudySettings, rungs: tuple[int, ...] = ()) -> DetectorJob:
    """Return the job of a trial; an encoder is judged provisionally only where DarkCLR's scores are what counts."""
    score = settings.search.score
    return DetectorJob(settings, trial_detectors(settings), score, rungs if score in SCORES else ())


def representations(stages: Mapping[str, str]) -> set[str]:
    """Return the stage of a trial that holds its representations; a trial that failed early has none."""
    return {stages["representation"]} if "representation" in stages else set()


def to_be_followed(records: Sequence[TrialRecord], shared: int) -> set[str]:
    """Return the stages of the encoders that running or later trials may share; see `SharedEncoderSampler`.

    Args:
        records: records of the trials that have ended.
        shared: number of trials that share an encoder.
    """

    def encoder(trial: TrialRecord) -> tuple[Any, ...]:
        return tuple(trial.parameters[name] for name in ENCODER)

    users = Counter(map(encoder, records))
    complete = (trial for trial in records if trial.state == "COMPLETE")
    return {trial.stages["representation"] for trial in complete if users[encoder(trial)] < shared}
