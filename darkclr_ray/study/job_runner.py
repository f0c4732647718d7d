"""What training workers do for a trial: fit detectors, score jets, judge scores. Each step is a stage of the store."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from safetensors import safe_open

from darkclr_ray import plugins
from darkclr_ray.augmentations import registry as augmentations
from darkclr_ray.augmentations.anomalous import blind_jets
from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.evaluation.rejection import Evaluation, evaluate
from darkclr_ray.jets.contamination import contaminated
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.runtime.cached_trainer import CachedTrainer
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.store.fingerprints import code_fingerprint
from darkclr_ray.store.scores import read_scores, score_table, write_scores
from darkclr_ray.store.stages import Stage, Store
from darkclr_ray.study import objectives
from darkclr_ray.study.detector_spec import DetectorSpec
from darkclr_ray.study.diagnostics import training_health
from darkclr_ray.study.job_context import JobContext
from darkclr_ray.study.objectives import ObjectiveInput
from darkclr_ray.study.proxy_scores import LinearAutoencoder, Norm
from darkclr_ray.training.inference import JetEncoder, represent

IRRELEVANT_SETTINGS = {"name", "out", "jets", "background", "search", "comparison", "compute", "tracking"}
"""Settings that no detector is made of; jets count by their content."""

EPS_S = (0.2, 0.1, 0.5)
REPLICAS = 400
RUNG_JETS = 4000
"""Background jets on which an unfinished encoder is judged, at most."""


@dataclass(eq=False)
class JobRunner:
    """One job on one worker; all ranks of a worker group hold one and go through the same steps."""

    work: JobContext
    job: DetectorSpec
    place: WorkerContext
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The stages' hashes, the objectives and the seconds spent; scores and evaluations are in the store."""
        scores = self.scores()
        evaluation = self.evaluation(scores)
        trained = scores.notes()["stages"]
        content = read_json(self.runner.store.find("evaluation", evaluation).folder / "evaluation.json")
        # what the judged detector is made of, and of the others what it has none of
        stages = {kind: name for used in (*trained.values(), trained[self.judged_name]) for kind, name in used.items()}
        return {
            "stages": {**stages, "scores": scores.hash, "evaluation": evaluation},
            "detectors": trained,
            "objectives": {**content["objectives"], **self.costs(trained[self.judged_name])},
            "score": self.judged_name,
            "seconds": self.all_seconds,
            "precision": self.runner.precision,
        }

    def costs(self, stages: Mapping[str, str]) -> dict[str, float]:
        """Seconds of the trainings of the judged detector, and parameters of its networks; see `objectives.COSTS`."""
        found = [self.runner.store.find(kind, name) for kind, name in stages.items()]
        sizes = [[weight_count(path) for path in stage.folder.glob("*.safetensors")] for stage in found]
        seconds = sum(float(stage.notes().get("seconds", 0.0)) for stage in found)
        return {"seconds": seconds, "parameters": float(sum(max(networks, default=0) for networks in sizes))}

    @cached_property
    def runner(self) -> CachedTrainer:
        return CachedTrainer(
            Store.of_study(self.work.store.parent),
            self.place,
            source=None if self.job.fraction else self.work.jets.source,
            sample=self.sample,
            precision=self.job.settings.compute.precision,
            data_cpus=self.work.data_cpus,
            rungs=self.job.rungs,
            judge=self.proxy_scores,
        )

    @cached_property
    def sample(self) -> TrainingSample:
        background = self.work.jets.sample()
        if not self.job.fraction:
            return background
        return contaminated(background.jets, self.signal, self.job.fraction, seed=self.seed)

    @cached_property
    def signal(self) -> Jets:
        """Training jets of the signal that some detectors are taught with."""
        name = self.job.settings.supervised.signal
        if name not in self.work.jets.labelled:
            raise ValueError(f"no training jets of the signal {name!r} (supervised.signal) are at hand")
        return ray.get(self.work.jets.labelled[name])

    @property
    def seed(self) -> int:
        """Of what is drawn to judge scores."""
        return self.job.settings.seed if self.job.seed is None else self.job.seed

    @property
    def judged_name(self) -> str:
        """Name of the detector that objectives judge."""
        names = {entry: registry.find(entry).name for entry in self.job.detectors}
        score = names.get(self.job.score, self.job.score)
        return score if score in names.values() else next(iter(names.values()))

    def fit(self) -> tuple[list[AnomalyDetector[Any]], dict[str, dict[str, str]]]:
        """The detectors, fitted on what their types ask for, and the stages that each is made of."""
        samples: dict[type[Any], Callable[[], Any]] = {
            TrainingSample: lambda: self.sample,
            LabelledSample: lambda: LabelledSample(self.sample.jets, self.signal),
        }
        fitted, stages = [], {}
        for detector in self.detectors():
            self.runner.stages = {}
            fitted.append(detector.fit(samples[detector.sample_type()](), self.runner))
            stages[detector.name] = self.runner.stages
        return fitted, stages

    @cached_property
    def jets(self) -> dict[str, dict[str, Jets]]:
        return ray.get(self.work.jets.evaluation)

    @cached_property
    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Of the jets that are judged, by split and sample."""
        return {
            split: {name: TrainingSample(jets).fingerprint for name, jets in samples.items()}
            for split, samples in self.jets.items()
        }

    @cached_property
    def blind(self) -> Jets:
        settings = self.job.settings
        background = self.jets["validation"][self.work.jets.background]
        return blind_jets(background, settings.inputs, settings.search.blind_p_drop, self.seed)

    def detectors(self) -> list[AnomalyDetector[Any]]:
        """The detectors, not fitted yet."""
        return [registry.make(entry, self.job.settings) for entry in self.job.detectors]

    def scores(self) -> Stage:
        """Fit the detectors, score all validation and test jets."""
        settings = self.job.settings
        classes = [registry.find(entry) for entry in self.job.detectors]
        modules = {cls.__module__ for cls in classes}
        labels = any(cls.sample_type() is LabelledSample for cls in classes)
        modules.update(augmentations.plugin_modules(settings.views))
        description = {
            "settings": settings.model_dump(mode="json", exclude=IRRELEVANT_SETTINGS),
            "detectors": list(self.job.detectors),
            "background": self.sample.fingerprint,
            **({"signal": TrainingSample(self.signal).fingerprint} if labels else {}),
            "jets": self.fingerprints,
            "blind": TrainingSample(self.blind).fingerprint,
            "code": code_fingerprint(*sorted(modules), "darkclr_ray.training.loop"),
            "precision": self.runner.precision,
        }
        stage = self.runner.store.stage("scores", description, owner=self.place.job)
        if self.place.broadcast(self.place.rank == 0 and self.complete(stage)):
            return stage
        fitted, stages = self.fit()
        started = time.monotonic()
        self.place.check_stop({"stage": "scores", "epoch": 0, "epochs": 1, "part": 0.0})
        tables = []
        for split, samples in self.jets.items():
            for name, jets in samples.items():
                for detector in fitted:
                    tables.append(score_table(jets, name, split, detector.name, detector.score(jets)))
        views = {detector.name: detector.score(self.blind) for detector in fitted}

        def write(folder: Path) -> None:
            write_scores(folder / "scores.parquet", tables)
            np.savez(folder / "views.npz", **views)  # type: ignore[arg-type]
            write_json(folder / "weights.json", {detector.name: detector.weights() for detector in fitted})

        if self.place.rank == 0:
            stage.get_or_compute(write, {"stages": stages})
        self.place.broadcast(True)
        self.seconds["scores"] = time.monotonic() - started
        return stage

    def complete(self, scores: Stage) -> bool:
        """Return whether scores are there, and with them the trainings that they were made from, none damaged."""
        if not scores.usable():
            return False
        named = {(kind, name) for used in scores.notes()["stages"].values() for kind, name in used.items()}
        return all(self.runner.store.named(kind, name).usable() for kind, name in sorted(named))

    def evaluation(self, scores: Stage) -> str:
        """Rejections of all scores on validation and on test jets, and the objectives, from validation jets only."""
        settings = self.job.settings
        search = settings.search
        chosen = (search.objective, *search.further_objectives)
        modules_of = [plugins.module_of("objectives", name) for name in chosen]
        own = sorted({module for module in modules_of if module is not None and module != "leave_out"})
        names = objectives.all_named(self.signals, *chosen)
        description = {
            "scores": scores.hash,
            "objectives": list(names),
            "score": self.judged_name,
            "eps_s": EPS_S,
            "replicas": REPLICAS,
            "seed": self.seed,
        }
        modules = ("darkclr_ray.evaluation.rejection", "darkclr_ray.study.objectives", *own)
        return self.cached_json("evaluation", description, lambda: self.judged(scores, names), *modules)

    def cached_json(
        self, kind: str, description: Mapping[str, Any], content: Callable[[], dict[str, Any]], *modules: str
    ) -> str:
        """Hash of the stage with a JSON file of the same name, computed by all ranks unless it is there.

        Args:
            kind: of the stage.
            description: what determines its content, beside the code.
            content: computes it.
            modules: whose code does.
        """
        described = {**description, "code": code_fingerprint(*modules)}
        stage = self.runner.store.stage(kind, described, owner=self.place.job)
        if not self.place.broadcast(self.place.rank == 0 and stage.usable()):
            started = time.monotonic()
            self.place.report({"stage": kind, "epoch": 0, "epochs": 1, "part": 0.0})
            computed = content()
            if self.place.rank == 0:
                stage.get_or_compute(lambda folder: write_json(folder / f"{kind}.json", computed))
            self.seconds[kind] = time.monotonic() - started
            self.place.broadcast(True)
        return stage.hash

    @property
    def all_seconds(self) -> dict[str, float]:
        """Time spent here so far, by stage."""
        return {**self.runner.seconds, **self.seconds}

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
            blind = {name: self.evaluate_signal_blind(table["validation"][name], views[name]) for name in views.files}
        objective_input = ObjectiveInput(found["validation"][self.judged_name], blind[self.judged_name])
        return {
            **{
                split: {d: {s: e.to_json() for s, e in signals.items()} for d, signals in detectors.items()}
                for split, detectors in found.items()
            },
            "signal_blind": {name: evaluation.to_json() for name, evaluation in blind.items()},
            "objectives": {name: number(objectives.find(name, self.signals)(objective_input)) for name in names},
            **training_health(self.runner.store, scores.notes()["stages"]),
        }

    def compare(
        self,
        samples: Mapping[str, Jets],
        scores: Mapping[str, NDArray[np.float64]],
        replicas: int = REPLICAS,
        *,
        shared: bool = False,
    ) -> dict[str, Evaluation]:
        """One detector's scores on each signal against background; of the same events where these are ``shared``."""
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
                seed=self.seed,
                replicas=replicas,
                shared=shared,
            )
            for name, jets in samples.items()
            if name not in (self.work.jets.background, *self.work.jets.variants)
        }

    def evaluate_signal_blind(
        self, scores: Mapping[str, NDArray[np.float64]], views: NDArray[np.float64], replicas: int = REPLICAS
    ) -> Evaluation:
        """One detector's scores on background against anomalous views of it."""
        name = self.work.jets.background
        samples = {name: self.jets["validation"][name], "views": self.blind}
        return self.compare(samples, {name: scores[name], "views": views}, replicas, shared=True)["views"]

    def proxy_scores(self, encoder: JetEncoder) -> float:
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
        blind = self.evaluate_signal_blind({background: judge(full)}, judge(z_views), replicas=2)
        objective = objectives.find(self.job.settings.search.objective, self.signals)
        return objective(ObjectiveInput(evaluations, blind))


def weight_count(path: Path) -> int:
    """Return the number of parameters in a file of weights."""
    with safe_open(path, "numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
