"""What an embedding scan computes: the search, with Ray Tune and Optuna, and the reference points beside it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ray import tune
from ray.tune import TuneError

from darkclr_ray.runtime.worker_groups import InfrastructureError
from darkclr_ray.store.files import write_json
from darkclr_ray.study.artifacts import evaluation_of, write_best
from darkclr_ray.study.detector_spec import MULTIPLICITY, OBSERVABLES
from darkclr_ray.study.jobs import DetectorJob, job_name, trial_settings
from darkclr_ray.study.journal import ATTRIBUTES, known_to_optuna, restore_trials
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
from darkclr_ray.study.trial import StudyTrial

logger = logging.getLogger(__name__)


class Tuning:
    """The trials of a scan, and what comes after them.

    Args:
        session: that runs them.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.settings, self.folder = session, session.settings, session.folder
        self._on_disk: set[str] = set().union(*(representations(trial["stages"]) for trial in self.folder.endings()))

    def search(self) -> bool:
        """Run the trials that are left; False where the study was interrupted."""
        session = self.session
        settings, search = self.settings, self.settings.search
        self._count()
        storage = open_storage(self.folder.optuna)
        if restore_trials(storage, settings.name, self.folder.endings(), space(search), first_point(settings)):
            session.display.say(f"{self.folder.optuna}: made again from {self.folder.trials}")
        sampler = SharedEncoderSampler(search.step_sizes_per_encoder, settings.seed)
        searcher = StudySearch(settings, storage, sampler, self._ended)

        def pause() -> None:
            searcher.paused = True

        session.on_pause(pause)
        self.study = searcher.study
        self._reconcile(searcher)
        self._recompute()
        past = searcher.study.get_trials(deepcopy=False)
        left = search.trials - sum(trial.state.is_finished() for trial in past)
        if left > 0:
            marks = rungs(settings.contrastive.epochs) if search.prune else ()
            trainable = tune.with_resources(
                tune.with_parameters(StudyTrial, queue=session.worker_groups.queue, settings=settings, rungs=marks),
                {"CPU": 0, "node:__internal_head__": 0.001},
            )
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=PruningScheduler(searcher),
                    num_samples=left,
                    max_concurrent_trials=session.allocation.worker_groups,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: job_name(trial.config["number"]),
                ),
                run_config=tune.RunConfig(
                    name="tune",
                    storage_path=str(self.folder.logs.resolve()),
                    verbose=0,
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    failure_config=tune.FailureConfig(max_failures=settings.compute.worker_failures),
                ),
            )
            session.begin()
            try:
                tuner.fit()
            except TuneError as error:
                raise InfrastructureError(f"the search broke off: {str(error).splitlines()[-1]}") from error
            if searcher.fault is not None:
                raise InfrastructureError(f"a trial's end could not be written: {searcher.fault}") from searcher.fault
        return session.sound()

    def finalize(self) -> bool:
        """The reference points on the same jets, and the best trial; False where the study was interrupted."""
        best = self.folder.best()
        assert best is not None
        settings = trial_settings(self.settings, best["parameters"])
        untrained = settings.updated({"contrastive": {"epochs": 0}})
        jobs = {
            "reference-untrained": DetectorJob(untrained, score=settings.search.score),
            "reference-multiplicity": DetectorJob(settings, MULTIPLICITY, score="multiplicity"),
            "reference-views_observables": DetectorJob(settings, OBSERVABLES, score="views_observables"),
        }
        found: dict[str, Any] = {}
        for name, outcome in self.session.each(jobs):
            if outcome.state == "failed":
                logger.warning("%s: %s", name, outcome.reason)
                continue
            self._say_recomputed(outcome.result)
            stages = outcome.result["stages"]
            evaluation = evaluation_of(self.folder, stages)
            reference = {"stages": stages, "validation": evaluation["validation"], "test": evaluation["test"]}
            found[name.removeprefix("reference-")] = reference
        if not self.session.sound():
            return False
        if "untrained" in found:
            found["untrained"]["parameters"] = best["parameters"]
        write_best(self.folder, best, settings)
        self.folder.store.drop_arrays(but={best["stages"]["representation"]})
        write_json(self.folder.path / "references.json", found)
        self.folder.note(best=best["number"])  # last: it says that the rest belongs to this trial
        return True

    def _reconcile(self, searcher: StudySearch) -> None:
        """Tell Optuna of trials whose file was written just before the process was killed."""
        ended = {trial["number"]: trial for trial in self.folder.endings()}
        for trial in list(searcher.interrupted):
            known = ended.get(trial.number)
            if known is not None:
                searcher.interrupted.remove(trial)
                fields = (known["state"], known["reason"], known["parameters"], known["objective"])
                searcher.finalize(TrialResult(trial.number, *fields, outcome={"known": known}))

    def _recompute(self) -> None:
        """Make trials complete again whose file or whose stages are missing; what the store still has is not computed.

        The search is not affected: Optuna knows these trials' points and values.
        """
        records = {record["number"]: record for record in self.folder.endings()}
        lacking: dict[str, TrialResult] = {}
        trials = self.study.get_trials(deepcopy=False)
        for trial in trials:
            record = records.get(trial.number)
            if not trial.state.is_finished() or (record is not None and self.folder.has_stages(record)):
                continue
            where = self.folder.trials if record is None else self.folder.store.folder
            name = job_name(trial.number)
            self.session.display.say(f"{name}: results are missing in {where}; they are computed again")
            point = {**trial.params, "p_drop": round(trial.params["p_drop"], 10)}
            ending = TrialResult(trial.number, trial.state.name, trial.user_attrs.get("reason"), point, trial.value)
            if ending.state == "COMPLETE":
                lacking[f"{name}-again"] = ending
            else:
                self._write(ending, trial.user_attrs.get("seconds", {}))
        jobs = {
            name: DetectorJob(trial_settings(self.settings, ending.parameters), score=self.settings.search.score)
            for name, ending in lacking.items()
        }
        for name, outcome in self.session.each(jobs):
            if outcome.state == "failed":
                self.session.display.say(f"{name}: could not be computed again: {outcome.reason}")
                continue
            self._say_recomputed(outcome.result)
            ending = replace(lacking[name], outcome=outcome.result)
            self._write(ending, trials[ending.number].user_attrs.get("seconds", outcome.result["seconds"]))
        self._count()

    def _ended(self, ending: TrialResult) -> dict[str, Any]:
        """Write a trial's file."""
        outcome = ending.outcome
        if "known" in outcome:
            return {key: outcome["known"].get(key) for key in ATTRIBUTES}
        name = job_name(ending.number)
        if ending.state == "PRUNED":
            self.session.worker_groups.queue.cancel.remote(name)
        self.folder.note_precision(outcome.get("precision"))
        self._say_recomputed(outcome)
        seconds = dict(outcome.get("seconds", {}))
        if name in self.session.submitted:
            total = time.monotonic() - self.session.submitted[name]
            seconds = {**seconds, "overhead": round(total - sum(seconds.values()), 3), "total": round(total, 3)}
        record = self._write(ending, seconds)
        self._count()
        self._drop_arrays(record["stages"])
        if ending.state == "COMPLETE":
            words = ", ".join(f"{key} {value:.3g}" for key, value in ending.parameters.items())
            result = f"{self.settings.search.objective} {ending.objective:.3f} ({words})"
        else:
            result = f"{ending.state}: {ending.reason}"
        self.session.display.say(f"{name}: {result}, {seconds.get('total', 0):.0f} s")
        return {key: record[key] for key in ATTRIBUTES}

    def _write(self, ending: TrialResult, seconds: Mapping[str, float]) -> dict[str, Any]:
        """Write a trial's file; return its content."""
        stages = ending.outcome.get("stages", {})
        judged = evaluation_of(self.folder, stages) if "evaluation" in stages else {}
        record = {
            "number": ending.number,
            "state": ending.state,
            "reason": ending.reason,
            "parameters": ending.parameters,
            "objective": ending.objective,
            "objectives": judged.get("objectives", {}),
            "encoders": judged.get("encoders", {}),
            "stages": stages,
            "seconds": dict(seconds),
            "validation": judged.get("validation", {}),
            "test": judged.get("test", {}),
            "optuna": known_to_optuna(self.study.get_trials(deepcopy=False)[ending.number]),
        }
        self.folder.write_ending(ending.number, record)
        return record

    def _say_recomputed(self, result: Mapping[str, Any]) -> None:
        for line in result.get("recomputed", ()):
            self.session.display.say(line)

    def _drop_arrays(self, stages: Mapping[str, str]) -> None:
        """Free the disk of representations of trials that have ended, but for those that the next ones may share.

        Args:
            stages: of the trial that has just ended.
        """
        best = self.folder.best()
        keep = to_be_followed(self.folder.endings(), self.settings.search.step_sizes_per_encoder)
        if best is not None:
            keep.add(best["stages"]["representation"])
        self._on_disk |= representations(stages)
        self.folder.store.drop_arrays(of=self._on_disk - keep)
        self._on_disk &= keep

    def _count(self) -> None:
        endings = self.folder.endings()
        self.session.count({job_name(trial["number"]): trial["state"] for trial in endings})
        best = self.folder.best()
        if best is not None:
            name = self.settings.search.objective
            self.session.standing.best = f"trial {best['number']} ({name} {best['objective']:.3f})"
            signals = best["validation"].get(self.settings.search.score, {})
            self.session.metrics.best_trial(
                best["objective"], {s: e["matched"]["rejection"]["0.2"]["value"] for s, e in signals.items()}
            )


def representations(stages: Mapping[str, str]) -> set[str]:
    """Return the stage of a trial that holds its representations; a trial that failed early has none."""
    return {stages["representation"]} if "representation" in stages else set()


def to_be_followed(endings: Sequence[Mapping[str, Any]], shared: int) -> set[str]:
    """Stages of the encoders that a trial at work or to come may take; see `SharedEncoderSampler`.

    Args:
        endings: files of the trials that have ended.
        shared: trials an encoder.
    """

    def encoder(trial: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(trial["parameters"][name] for name in ENCODER)

    users = Counter(map(encoder, endings))
    complete = (trial for trial in endings if trial["state"] == "COMPLETE")
    return {trial["stages"]["representation"] for trial in complete if users[encoder(trial)] < shared}
