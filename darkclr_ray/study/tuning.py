"""Search of an embedding scan with Ray Tune and Optuna, and its references."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from optuna.trial import FixedTrial, FrozenTrial

from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.runtime.trials import JobList, PauseWithoutWorkers
from darkclr_ray.study.artifacts import evaluation_of, write_best
from darkclr_ray.study.detector_spec import MULTIPLICITY, OBSERVABLES, SCORES
from darkclr_ray.study.jobs import DetectorJob, job_name, trial_settings
from darkclr_ray.study.journal import ATTRIBUTES, complete_values, optuna_record, restore_trials
from darkclr_ray.study.objectives import directions, is_current, judged_by, values
from darkclr_ray.study.records import ReferenceRecord, References, State, TrialRecord
from darkclr_ray.study.repeats import REPEATS, best_points, repeat_name, repeat_settings, summary
from darkclr_ray.study.samplers import SharedEncoderSampler, prunes, rungs
from darkclr_ray.study.search import StudySearch, TrialResult, open_storage
from darkclr_ray.study.search_batch import PrunedTrials, SearchBatch, trial_job
from darkclr_ray.study.session import Session
from darkclr_ray.study.space import ImpossiblePoint, Space

logger = logging.getLogger(__name__)


class Tuning:
    """Trials of a scan, and its references.

    Args:
        session: that runs them.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.settings, self.folder = session, session.settings, session.folder
        self._encoders: dict[int, str] = {}
        self._on_disk: set[str] = set().union(*(representations(trial.stages) for trial in self.folder.trial_records()))

    @cached_property
    def searcher(self) -> StudySearch:
        """The searcher of the study, which knows the trials of earlier processes."""
        settings, space, records = self.settings, self.space, self.folder.trial_records()
        storage = open_storage(self.folder.optuna)
        if restore_trials(storage, settings.name, records, space):
            self.session.display.print_line(f"{self.folder.optuna}: restored from {self.folder.trials}")
        sampler = SharedEncoderSampler(settings.search, space, settings.seed)
        searcher = StudySearch(settings, space, storage, sampler, self._ended)
        self._reconcile(searcher)
        return searcher

    @cached_property
    def space(self) -> Space:
        """The space that the trials are drawn from."""
        return Space(self.settings, self.session.jets.training.fingerprint)

    @property
    def scheduler(self) -> PauseWithoutWorkers:
        """Prunes the trials of the search."""
        return PrunedTrials(self.searcher)

    def search(self) -> SearchBatch:
        """Return the trials that are left."""
        search = self.settings.search
        left = search.trials - sum(trial.state.is_finished() for trial in self._trials())
        marks = rungs(self.settings.contrastive.epochs) if prunes(search) else ()
        return SearchBatch(self.searcher, left, self.settings, marks)

    def finalize(self) -> Generator[JobList, dict[str, Outcome], None]:
        """Part of a program: evaluate the references on the same jets, and write the best model."""
        best = self.folder.selected(self.settings.search)
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
        # last: it says that the rest belongs to this trial
        self.folder.note(best=best.number, score=self.score, judged=judged_by(self.settings.search, self._signals))

    def repeat(self) -> Generator[JobList, dict[str, Outcome], None]:
        """Part of a program: train the best points again with other seeds, and select among them by their mean.

        Does nothing unless `search.seeds` is positive.
        """
        search = self.settings.search
        points = best_points(self.folder.trial_records(), search)
        jobs = {
            repeat_name(record.number, seed): replace(
                trial_job(repeat_settings(self.settings, record.parameters, seed)), seed=self.settings.seed
            )
            for record in points
            for seed in range(1, search.seeds + 1)
        }
        outcomes = yield JobList(jobs)
        for name, outcome in outcomes.items():
            if outcome.state == "failed":
                self.session.display.print_line(f"{name}: {outcome.reason}")
        found = {name: outcome.result for name, outcome in outcomes.items() if outcome.state == "finished"}
        if jobs:
            summary(points, found, search).write(self.folder.path / REPEATS)

    def _reconcile(self, searcher: StudySearch) -> None:
        """Tell Optuna of trials whose file was written just before the process was killed."""
        ended = {trial.number: trial for trial in self.folder.trial_records()}
        for trial in list(searcher.interrupted):
            known = ended.get(trial.number)
            if known is not None:
                searcher.interrupted.remove(trial)
                fields = (known.state, known.reason, known.parameters, known.objective)
                found = values(known.objectives, self.settings.search)[1:]
                further = tuple(value for value in found if value is not None)
                ending = TrialResult(trial.number, *fields, outcome={"known": known}, further=further)
                if ending.state != "COMPLETE" or len(further) == len(found):
                    searcher.finalize(ending)

    def recompute(self) -> Generator[JobList, dict[str, Outcome], None]:
        """Part of a program: make trials complete again whose file or whose stages are missing, and judge trials again
        whose file is about other objectives, another score or fewer signals.

        What the store still has is not computed. The search is not affected by what was missing: Optuna knows these
        trials' points and values. Where the objectives have changed, Optuna's journal is made again.
        """
        self._count()
        records = {record.number: record for record in self.folder.trial_records()}
        lacking: dict[str, TrialResult] = {}
        trials = self._trials()
        for trial in trials:
            record = records.get(trial.number)
            if not trial.state.is_finished():
                continue
            if record is not None and self.folder.has_stages(record.stages):
                if record.state == "COMPLETE" and not self._is_current(record) and not self._rewritten(record):
                    lacking[f"{job_name(trial.number)}-again"] = self._result(trial)
                continue
            where = self.folder.trials if record is None else self.folder.store.folder
            name = job_name(trial.number)
            self.session.display.print_line(f"{name}: results are missing in {where}; they are computed again")
            ending = self._result(trial)
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
            seconds = trials[lacking[name].number].user_attrs.get("seconds", outcome.result["seconds"])
            self._write(self._judged(lacking[name], outcome.result), seconds)
            self._count()

        yield JobList(jobs, on_end)
        self._agree()

    @cached_property
    def score(self) -> str:
        """Name of the score for which objectives are computed."""
        score = self.settings.search.score
        if score in SCORES:
            return score
        from darkclr_ray.detectors import registry  # torch, which most studies do not need here

        return registry.find(score).name

    @property
    def _signals(self) -> list[str]:
        return self.session.jets.signals(self.settings.background)

    def _is_current(self, record: TrialRecord) -> bool:
        return is_current(record, self.settings.search, self.score, self._signals)

    def _rewritten(self, record: TrialRecord) -> bool:
        """Rewrite the record of a trial if it has the values of the study's objectives; return whether it has."""
        objective, *further = values(record.objectives, self.settings.search)
        changed = record.model_copy(update={"objective": objective})
        if objective is None or None in further or not self._is_current(changed):
            return False
        self.folder.write_trial(changed)
        return True

    def _result(self, trial: FrozenTrial) -> TrialResult:
        """Return how a trial ended, as far as Optuna knows it."""
        found, reason, state = trial.values or [], trial.user_attrs.get("reason"), cast(State, trial.state.name)
        objective = found[0] if found else None
        return TrialResult(trial.number, state, reason, self.point(trial), objective, further=tuple(found[1:]))

    def _judged(self, ending: TrialResult, outcome: Mapping[str, Any]) -> TrialResult:
        """Return how a trial ended, with the outcome of its repetition.

        Its cost remains that of the first time, unless the objectives have changed.
        """
        search = self.settings.search
        found = values(outcome["objectives"], search)
        if ending.values is not None and len(ending.values) == len(found) and found[0] == ending.objective:
            known = dict(zip((search.objective, *search.further_objectives), ending.values, strict=True))
            return replace(ending, outcome={**outcome, "objectives": {**outcome["objectives"], **known}})
        objective, *further = found
        if objective is None or None in further:
            reason = "its objective is not a finite number"
            return replace(ending, state="FAIL", reason=reason, objective=None, further=(), outcome=dict(outcome))
        finite = tuple(value for value in further if value is not None)
        return replace(ending, objective=objective, further=finite, outcome=dict(outcome))

    def _agree(self) -> None:
        """Make Optuna's journal again if it holds other values than the trials' records."""
        records = {record.number: record for record in self.folder.trial_records()}
        search = self.settings.search

        def known(trial: FrozenTrial) -> bool:
            record = records.get(trial.number)
            if record is None:
                return True
            expected = complete_values(record, search) if record.state == "COMPLETE" else None
            return bool(trial.state.name == record.state and trial.values == expected)

        if len(self.searcher.study.directions) == len(directions(search)) and all(map(known, self._trials())):
            return
        self.folder.optuna.unlink()
        storage = open_storage(self.folder.optuna)
        restore_trials(storage, self.settings.name, list(records.values()), self.space, judged_anew=True)
        self.searcher.open(self.settings, storage)
        self.session.display.print_line(f"{self.folder.optuna}: made again for other objectives")

    def point(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of a trial that Optuna knows; none of a point that was not possible."""
        try:
            return self.space.draw(FixedTrial(trial.params))
        except ImpossiblePoint:
            return {}

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
            words = ", ".join(f"{name} {shown_value(value)}" for name, value in ending.parameters.items())
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
            objectives={**evaluation.objectives, **ending.outcome.get("objectives", {})},
            score=ending.outcome.get("score", self.score),
            encoders=evaluation.encoders,
            stages=stages,
            kernels=ending.outcome.get("kernels", {}),
            seconds=dict(seconds),
            chains=evaluation.chains,
            warnings=evaluation.warnings,
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
        shared = self.settings.search.step_sizes_per_encoder
        keep = to_be_followed(self.folder.trial_records(), shared, self._encoder)
        if best is not None:
            keep.add(best.stages["representation"])
        self._on_disk |= representations(stages)
        self.folder.store.drop_arrays(of=self._on_disk - keep)
        self._on_disk &= keep

    def _encoder(self, record: TrialRecord) -> str:
        """Return what trials have in common that share an encoder."""
        if record.number not in self._encoders:
            self._encoders[record.number] = self.space.encoder(record.parameters)
        return self._encoders[record.number]

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
            signals = best.validation.get(self.score, {})
            rejections = {signal: one.matched.at(0.2).value for signal, one in signals.items()}
            self.session.metrics.best_trial(best.objective or 0.0, rejections)


def representations(stages: Mapping[str, str]) -> set[str]:
    """Return the stage of a trial that holds its representations; a trial that failed early has none."""
    return {stages["representation"]} if "representation" in stages else set()


def to_be_followed(records: Sequence[TrialRecord], shared: int, encoder: Callable[[TrialRecord], str]) -> set[str]:
    """Return the stages of the encoders that running or later trials may share; see `SharedEncoderSampler`.

    Args:
        records: records of the trials that have ended.
        shared: number of trials that share an encoder.
        encoder: returns what trials have in common that share an encoder.
    """
    users = Counter(encoder(trial) for trial in records if trial.parameters)
    complete = (trial for trial in records if trial.state == "COMPLETE")
    return {trial.stages["representation"] for trial in complete if users[encoder(trial)] < shared}


def shown_value(value: Any) -> str:
    """Return the value of a parameter in a few characters.

    >>> shown_value(0.123456), shown_value(["dropping", "rotation"])
    ('0.123', "['dropping', 'rotation']")
    """
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
