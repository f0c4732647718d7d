"""What a crew does for a trial: fit detectors, score jets, judge the scores. Every step is a stage of the store."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from darkclr_ray import plugins
from darkclr_ray.augmentations import registry as augmentations
from darkclr_ray.augmentations.anomalous import blind_jets
from darkclr_ray.crews.loop import Place
from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import Detector
from darkclr_ray.evaluation.rejection import Evaluation, evaluate
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.store.fingerprints import code_fingerprint
from darkclr_ray.store.runner import StoredRunner
from darkclr_ray.store.scores import extend, read_scores, write_scores
from darkclr_ray.store.stages import Stage, Store
from darkclr_ray.study import objectives
from darkclr_ray.study.jobs import DetectorJob
from darkclr_ray.study.objectives import Judgement
from darkclr_ray.study.provisional import LinearAutoencoder, Norm
from darkclr_ray.study.work import Work
from darkclr_ray.training.representing import JetEncoder, represent

NO_MATTER = {"name", "out", "jets", "background", "search", "compute"}
"""Settings that no detector is made of; jets count by their content."""

EPS_S = (0.2, 0.1)
REPLICAS = 400
RUNG_JETS = 4000
"""Background jets on which an unfinished encoder is judged, at most."""


@dataclass(eq=False)
class Fitting:
    """One job on one worker; all ranks of a crew hold one and go through the same steps."""

    work: Work
    job: DetectorJob
    place: Place
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The stages' hashes, the objectives and the seconds spent; scores and evaluations are in the store."""
        scores = self.scores()
        evaluation = self.evaluation(scores)
        noted = scores.notes()
        content = read_json(evaluation.folder / "evaluation.json")
        return {
            "stages": {**noted["stages"], "scores": scores.hash, "evaluation": evaluation.hash},
            "objectives": content["objectives"],
            "seconds": {**self.runner.seconds, **self.seconds},
            "precision": self.runner.precision,
        }

    @cached_property
    def runner(self) -> StoredRunner:
        return StoredRunner(
            Store(self.work.store),
            self.place,
            source=self.work.jets.source,
            sample=self.sample,
            precision=self.job.settings.compute.precision,
            data_cpus=self.work.data_cpus,
            rungs=self.job.rungs,
            judge=self.provisional,
        )

    @cached_property
    def sample(self) -> TrainingSample:
        return self.work.jets.sample()

    @cached_property
    def jets(self) -> dict[str, dict[str, Jets]]:
        return ray.get(self.work.jets.evaluation)

    @cached_property
    def blind(self) -> Jets:
        settings = self.job.settings
        background = self.jets["validation"][self.work.jets.background]
        return blind_jets(background, settings.inputs, settings.search.blind_p_drop, settings.seed)

    def detectors(self) -> list[Detector[Any]]:
        """The detectors, not fitted yet."""
        return [registry.make(entry, self.job.settings) for entry in self.job.detectors]

    def scores(self) -> Stage:
        """Fit the detectors, score all validation and test jets."""
        settings = self.job.settings
        fingerprints = {
            split: {name: TrainingSample(jets).fingerprint for name, jets in samples.items()}
            for split, samples in self.jets.items()
        }
        modules = {registry.find(entry).__module__ for entry in self.job.detectors}
        modules.update(augmentations.foreign_modules(settings.views))
        description = {
            "settings": settings.model_dump(mode="json", exclude=NO_MATTER),
            "detectors": list(self.job.detectors),
            "background": self.sample.fingerprint,
            "jets": fingerprints,
            "blind": TrainingSample(self.blind).fingerprint,
            "code": code_fingerprint(*sorted(modules), "darkclr_ray.training.loop"),
            "precision": self.runner.precision,
        }
        stage = self.runner.store.stage("scores", description, owner=self.place.job)
        if self.place.agreed(stage.finished):
            return stage
        fitted = [detector.fit(self.sample, self.runner) for detector in self.detectors()]
        started = time.monotonic()
        self.place.go_on({"stage": "scores", "epoch": 0, "epochs": 1, "part": 0.0})
        columns: dict[str, list[Any]] = {name: [] for name in ("jet_id", "sample", "split", "detector", "score")}
        for split, samples in self.jets.items():
            for name, jets in samples.items():
                for detector in fitted:
                    extend(columns, jets, name, split, detector.name, detector.score(jets))
        views = {detector.name: detector.score(self.blind) for detector in fitted}
        with stage.lock:
            if self.place.rank == 0 and (stage.lock.acquire() or not stage.finished):
                stage.partial.mkdir(parents=True, exist_ok=True)
                write_scores(stage.partial / "scores.parquet", columns)
                np.savez(stage.partial / "views.npz", **views)  # type: ignore[arg-type]
                stage.commit({"stages": self.runner.stages})
            self.place.agreed(True)
        self.seconds["scores"] = time.monotonic() - started
        return stage

    def evaluation(self, scores: Stage) -> Stage:
        """Rejections of all scores on validation and on test jets, and the objectives, from validation jets only."""
        settings = self.job.settings
        chosen = settings.search.objective
        module = plugins.module_of("objectives", chosen)
        own = [module] if module not in (None, "leave_out") else []
        names = objectives.all_named(self.signals, chosen)
        description = {
            "scores": scores.hash,
            "objectives": list(names),
            "score": self.job.score,
            "eps_s": EPS_S,
            "replicas": REPLICAS,
            "seed": settings.seed,
            "code": code_fingerprint("darkclr_ray.evaluation.rejection", "darkclr_ray.study.objectives", *own),
        }
        stage = self.runner.store.stage("evaluation", description, owner=self.place.job)
        if self.place.rank == 0 and not stage.finished:
            started = time.monotonic()
            self.place.tell({"stage": "evaluation", "epoch": 0, "epochs": 1, "part": 0.0})
            content = self.judged(scores, names)
            with stage.lock:
                if stage.lock.acquire():
                    stage.partial.mkdir(parents=True, exist_ok=True)
                    write_json(stage.partial / "evaluation.json", content)
                    stage.commit()
            self.seconds["evaluation"] = time.monotonic() - started
        self.place.agreed(True)
        return stage

    @property
    def signals(self) -> list[str]:
        return [name for name in self.jets["validation"] if name != self.work.jets.background]

    def judged(self, scores: Stage, names: tuple[str, ...]) -> dict[str, Any]:
        table = read_scores(scores.folder / "scores.parquet")
        found: dict[str, dict[str, dict[str, Evaluation]]] = {}
        for split, samples in self.jets.items():
            found[split] = {
                detector: self.compare(samples, {name: by_sample[name] for name in samples})
                for detector, by_sample in table[split].items()
            }
        with np.load(scores.folder / "views.npz") as views:
            blind = {name: self.blindly(table["validation"][name], views[name]) for name in views.files}
        score = self.job.score if self.job.score in blind else next(iter(blind))
        judgement = Judgement(found["validation"][score], blind[score])
        return {
            **{
                split: {d: {s: e.to_json() for s, e in signals.items()} for d, signals in detectors.items()}
                for split, detectors in found.items()
            },
            "signal_blind": {name: evaluation.to_json() for name, evaluation in blind.items()},
            "objectives": {name: number(objectives.find(name, self.signals)(judgement)) for name in names},
        }

    def compare(
        self, samples: Mapping[str, Jets], scores: Mapping[str, NDArray[np.float64]], replicas: int = REPLICAS
    ) -> dict[str, Evaluation]:
        """One detector's scores on each signal against background."""
        background = samples[self.work.jets.background]
        return {
            name: evaluate(
                scores[self.work.jets.background],
                scores[name],
                background.pt,
                jets.pt,
                background.events,
                jets.events,
                eps_s=EPS_S,
                seed=self.job.settings.seed,
                replicas=replicas,
            )
            for name, jets in samples.items()
            if name != self.work.jets.background
        }

    def blindly(
        self, scores: Mapping[str, NDArray[np.float64]], views: NDArray[np.float64], replicas: int = REPLICAS
    ) -> Evaluation:
        """One detector's scores on background against anomalous views of it."""
        name = self.work.jets.background
        samples = {name: self.jets["validation"][name], "views": self.blind}
        return self.compare(samples, {name: scores[name], "views": views}, replicas)["views"]

    def provisional(self, encoder: JetEncoder) -> float:
        """The objective with what an encoder in training allows: its norm where s_CLR is judged, else the error of the
        best linear autoencoder with the bottleneck of the real one on scaled representations."""
        background = self.work.jets.background
        samples = {
            name: jets.take(np.arange(min(len(jets), RUNG_JETS))) for name, jets in self.jets["validation"].items()
        }
        z = {name: represent(encoder.encoder, encoder.inputs, jets) for name, jets in samples.items()}
        z_views = represent(encoder.encoder, encoder.inputs, self.blind)
        if not all(np.isfinite(values).all() for values in z.values()):
            return math.nan
        if self.job.score == "s_CLR":
            judge = Norm()
        else:
            training = self.sample.jets.take(np.arange(min(len(self.sample), RUNG_JETS)))
            fitted = represent(encoder.encoder, encoder.inputs, training)
            judge = LinearAutoencoder(fitted, self.job.settings.nae.bottleneck)
        evaluations = self.compare(samples, {name: judge(values) for name, values in z.items()}, replicas=2)
        full = represent(encoder.encoder, encoder.inputs, self.jets["validation"][background])
        blind = self.blindly({background: judge(full)}, judge(z_views), replicas=2)
        objective = objectives.find(self.job.settings.search.objective, self.signals)
        return objective(Judgement(evaluations, blind))


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
