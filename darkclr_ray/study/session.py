"""The part of a study that computes: workers, the search, and the reference points beside it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from darkclr_ray.crews.crews import Broken, Crews
from darkclr_ray.crews.resources import Allocation
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import write_json
from darkclr_ray.streams import materialise
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.jobs import MULTIPLICITY, CalibrationJob, DetectorJob, job_name, trial_settings
from darkclr_ray.study.metrics import StudyMetrics
from darkclr_ray.study.plan import Plan
from darkclr_ray.study.progress import Display, Standing
from darkclr_ray.study.records import evaluation_of, write_best
from darkclr_ray.study.search import Ending, Halving, SharedEncoderSampler, StudySearch, open_storage, rungs
from darkclr_ray.study.trial import StudyTrial
from darkclr_ray.study.work import JetPlaces, Work

if TYPE_CHECKING:
    from darkclr_ray.study.run import StudyJets

logger = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks at the desk."""


def muster(settings: StudySettings, jets: StudyJets, folder: StudyFolder, allocation: Allocation) -> Crews:
    """Crews that fit detectors on a study's jets: `Crews.run` of a `DetectorJob` is all that a study needs of Ray."""
    places = JetPlaces(
        source=materialise(jets.folder, "train", settings.background, limit=settings.compute.materialise_limit),
        evaluation=ray.put(jets.judged),
        background=settings.background,
    )
    work = Work(folder.store.folder.resolve(), places, folder.logs.resolve(), allocation.data_cpus)
    return Crews(allocation, work, (folder.logs / "train").resolve(), settings.compute.worker_failures)


class Session:
    """Everything that lives as long as Ray does.

    Ctrl-C or SIGTERM once: trainings end after their epoch, with a checkpoint. Twice: at once; the last epoch is lost.
    """

    def __init__(
        self, settings: StudySettings, jets: StudyJets, folder: StudyFolder, allocation: Allocation, display: Display
    ) -> None:
        self.settings, self.folder, self.allocation, self.display = settings, folder, allocation, display
        self.standing = Standing(settings.search.trials)
        self.metrics = StudyMetrics(settings.name)
        self.interrupted = False
        self.paused = False
        self.trouble: str | None = None
        self.searcher: StudySearch | None = None
        self.plan: Plan | None = None
        self.began = time.monotonic()
        self.submitted: dict[str, float] = {}
        self.crews = muster(settings, jets, folder, allocation)
        self.watching = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True, name="watch")

    def __enter__(self) -> Session:
        self._handlers = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        self.watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.watching.set()
        if kind is None:  # else Ray's end is theirs
            self.watcher.join(5)
            with suppress(Exception):
                self.crews.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def calibrate(self) -> dict[str, float]:
        """Seconds of everything that a plan adds up; see `darkclr_ray.study.calibration.calibrate`."""
        outcome = self.crews.run(CalibrationJob(self.settings), "measuring")
        if outcome.state != "finished":
            raise Broken(f"the first steps of a training failed: {outcome.reason}")
        return outcome.result

    def search(self, plan: Plan) -> bool:
        """Run the trials that are left; False where the study was interrupted."""
        self.plan = plan
        settings, search = self.settings, self.settings.search
        self._count()
        storage = open_storage(self.folder.optuna)
        sampler = SharedEncoderSampler(search.step_sizes_per_encoder, settings.seed)
        self.searcher = searcher = StudySearch(settings, storage, sampler, self._ended)
        searcher.paused = self.interrupted or self.paused
        self._settle(searcher)
        past = searcher.study.get_trials(deepcopy=False)
        left = search.trials - sum(trial.state.is_finished() for trial in past)
        if left > 0:
            marks = rungs(settings.contrastive.epochs) if search.prune else ()
            scheduler = Halving(settings.contrastive.epochs, past) if marks else None
            trainable = tune.with_resources(
                tune.with_parameters(StudyTrial, desk=self.crews.desk, settings=settings, rungs=marks),
                {"CPU": 0, "node:__internal_head__": 0.001},
            )
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=scheduler,
                    num_samples=left,
                    max_concurrent_trials=self.allocation.crews,
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
            self.began = time.monotonic()
            tuner.fit()
        self.crews.check()
        if self.trouble is not None:
            raise Broken(self.trouble)
        return not self.interrupted

    def conclude(self) -> bool:
        """The reference points on the same jets, and the best trial; False where the study was interrupted."""
        best = self.folder.best()
        assert best is not None
        settings = trial_settings(self.settings, best["parameters"])
        self.standing.left = None
        untrained = settings.updated({"contrastive": {"epochs": 0}})
        score = settings.search.score
        jobs = {
            "untrained": DetectorJob(untrained, score=score),
            "multiplicity": DetectorJob(settings, MULTIPLICITY, score="multiplicity"),
        }
        found: dict[str, Any] = {}
        for name, job in jobs.items():
            outcome = self.crews.run(job, f"reference-{name}")
            if outcome.state == "stopped":
                return False
            if outcome.state == "broken":
                raise Broken(outcome.reason)
            if outcome.state == "failed":
                logger.warning("reference %s: %s", name, outcome.reason)
                continue
            stages = outcome.result["stages"]
            evaluation = evaluation_of(self.folder, stages)
            found[name] = {"stages": stages, "validation": evaluation["validation"], "test": evaluation["test"]}
            if name == "untrained":
                found[name]["parameters"] = best["parameters"]
        write_best(self.folder, best, settings)
        self.folder.note(best=best["number"])
        self.folder.store.drop_arrays({best["stages"]["representation"]})
        write_json(self.folder.path / "references.json", found)
        return True

    def _settle(self, searcher: StudySearch) -> None:
        """Tell Optuna of trials whose file was written just before the process was killed."""
        ended = {trial["number"]: trial for trial in self.folder.endings()}
        for trial in list(searcher.interrupted):
            known = ended.get(trial.number)
            if known is not None:
                searcher.interrupted.remove(trial)
                fields = (known["state"], known["reason"], known["parameters"], known["objective"])
                searcher.conclude(Ending(trial.number, *fields, outcome={"known": known}))

    def _ended(self, ending: Ending) -> dict[str, Any]:
        """Write a trial's file."""
        outcome = ending.outcome
        if "known" in outcome:
            return {"stages": outcome["known"]["stages"], "seconds": outcome["known"]["seconds"]}
        name = job_name(ending.number)
        if ending.state == "PRUNED":
            self.crews.desk.cancel.remote(name)
        stages = outcome.get("stages", {})
        judged = evaluation_of(self.folder, stages) if "evaluation" in stages else {}
        seconds = dict(outcome.get("seconds", {}))
        if name in self.submitted:
            total = time.monotonic() - self.submitted[name]
            seconds = {**seconds, "overhead": round(total - sum(seconds.values()), 3), "total": round(total, 3)}
        write_json(
            self.folder.trials / f"{ending.number:04d}.json",
            {
                "number": ending.number,
                "state": ending.state,
                "reason": ending.reason,
                "parameters": ending.parameters,
                "objective": ending.objective,
                "objectives": judged.get("objectives", {}),
                "stages": stages,
                "seconds": seconds,
                "precision": outcome.get("precision"),
                "validation": judged.get("validation", {}),
                "test": judged.get("test", {}),
            },
        )
        self._count()
        self._drop_arrays()
        if ending.state == "COMPLETE":
            words = ", ".join(f"{key} {value:.3g}" for key, value in ending.parameters.items())
            result = f"{self.settings.search.objective} {ending.objective:.3f} ({words})"
        else:
            result = f"{ending.state}: {ending.reason}"
        self.display.say(f"{name}: {result}, {seconds.get('total', 0):.0f} s")
        return {"stages": stages, "seconds": seconds}

    def _drop_arrays(self) -> None:
        """Free the disk of representations that nobody needs any more."""
        best = self.folder.best()
        keep = {best["stages"]["representation"]} if best is not None else set()
        kept = self.allocation.crews * self.settings.search.step_sizes_per_encoder
        keep |= {trial["stages"].get("representation") for trial in self.folder.endings()[-kept:]}
        self.folder.store.drop_arrays(keep)

    def _count(self) -> None:
        endings = self.folder.endings()
        self.standing.counts = dict(Counter(trial["state"] for trial in endings))
        best = self.folder.best()
        if best is not None:
            name = self.settings.search.objective
            self.standing.best = f"trial {best['number']} ({name} {best['objective']:.3f})"
            signals = best["validation"].get(self.settings.search.score, {})
            self.metrics.best_trial(
                best["objective"], {s: e["matched"]["rejection"]["0.2"]["value"] for s, e in signals.items()}
            )

    def _watch(self) -> None:
        """Keep the display and the gauges up to date; end what stalls; pause where the surroundings fail."""
        while not self.watching.wait(TICK):
            try:
                desk = self.crews.desk
                jobs: dict[str, dict[str, Any]] = ray.get(desk.snapshot.remote(), timeout=30)
                for name in jobs:
                    self.submitted.setdefault(name, time.monotonic() - jobs[name]["seconds"])
                broken = ray.get(desk.broken.remote(), timeout=30)
                self.trouble = self.trouble or broken or self.crews.trouble
                if (self.interrupted or self.trouble) and not self.paused:
                    self._pause()
                    if self.interrupted:
                        self.standing.note = "stopping after the epoch at work; Ctrl-C once more stops at once"
                        self.display.say(self.standing.note)
                ray.get(desk.stalled.remote(self.settings.compute.stall_limit), timeout=30)
                self.standing.left = self._left(jobs)
                self.metrics.jobs(jobs)
                self.metrics.standing(self.standing.counts, sum(name.startswith("trial-") for name in jobs))
                self.display.update(jobs, self.standing)
            except Exception:
                if self.watching.is_set():
                    return
                logger.exception("watching the study")

    def _left(self, jobs: Mapping[str, Mapping[str, Any]]) -> float | None:
        """Seconds left: the plan's for what is to come, scaled by how it fared so far."""
        plan = self.plan
        if plan is None:
            return None
        done = sum(plan.trial_seconds(number) for number in range(plan.finished, self.standing.ended))
        for name, job in jobs.items():
            part = (job.get("epoch", 0) + job.get("part", 0.0)) / max(1, job.get("epochs", 1))
            if job.get("stage") == "representation":
                done += part * plan.encoder_seconds
            elif name.startswith("trial-"):
                number = int(name.removeprefix("trial-"))
                done += plan.trial_seconds(number) - plan.follower_seconds
                done += part * plan.follower_seconds if job.get("stage") == "energy" else plan.follower_seconds
        done /= self.allocation.crews
        elapsed = time.monotonic() - self.began
        speed = done / elapsed if done > 0.1 * plan.seconds else 1.0
        return max(0.0, plan.seconds - done) / max(speed, 1e-3)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            os.write(2, b"\nstopping at once\n")
            raise KeyboardInterrupt
        self.interrupted = True  # the watcher does the rest: a handler must not call into Ray

    def _pause(self) -> None:
        """No new trials; those at work end after their epoch."""
        self.paused = True
        if self.searcher is not None:
            self.searcher.paused = True
        self.crews.desk.stop.remote()
