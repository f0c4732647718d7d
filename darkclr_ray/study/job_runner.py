"""Run a job on a training worker: fit detectors, score jets, evaluate scores. Each step is a stage of the store."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from darkclr_ray import plugins
from darkclr_ray.augmentations import registry as augmentations
from darkclr_ray.augmentations.families import blind_views
from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import PlainEnergy
from darkclr_ray.evaluation.rejection import Evaluation, evaluate_signals
from darkclr_ray.evaluation.scored import Scored
from darkclr_ray.jets.contamination import contaminated
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.runtime.cached_trainer import CachedTrainer
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.store.files import write_json
from darkclr_ray.store.fingerprints import code_fingerprint
from darkclr_ray.store.scores import read_scores, score_table, write_scores
from darkclr_ray.store.stages import Stage, Store
from darkclr_ray.study import objectives
from darkclr_ray.study.detector_spec import SCORES, DetectorSpec
from darkclr_ray.study.diagnostics import training_diagnostics
from darkclr_ray.study.job_context import JobContext
from darkclr_ray.study.objectives import ObjectiveInput
from darkclr_ray.study.proxy_scores import LinearAutoencoder, Norm
from darkclr_ray.study.records import EvaluationRecord
from darkclr_ray.training.energy_model import fitted_bottleneck
from darkclr_ray.training.inference import JetEncoder, represent

IRRELEVANT_SETTINGS = {"name", "out", "jets", "background", "search", "comparison", "compute", "tracking"}
"""Settings that do not affect a detector; jets are identified by their content."""

EPS_S = (0.2, 0.1, 0.5)
REPLICAS = 400
RUNG_JETS = 4000
"""Largest number of jets of a sample on which an unfinished encoder is evaluated."""


@dataclass(eq=False)
class JobRunner:
    """Runs one job on one worker; all ranks of a worker group run the same steps."""

    context: JobContext
    job: DetectorSpec
    worker: WorkerContext
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Return hashes of the stages, objectives and seconds; scores and evaluations are in the store."""
        scores = self.scores()
        evaluation = self.evaluation(scores)
        trained = scores.notes()["stages"]
        content = EvaluationRecord.read(self.runner.store.find("evaluation", evaluation).folder / "evaluation.json")
        # stages of the evaluated detector, and other kinds of stages of the other detectors
        stages = {kind: name for used in (*trained.values(), trained[self.score_name]) for kind, name in used.items()}
        return {
            "stages": {**stages, "scores": scores.hash, "evaluation": evaluation},
            "detectors": trained,
            "objectives": {**content.objectives, **self.costs(trained[self.score_name])},
            "score": self.score_name,
            "seconds": self.all_seconds,
            "precision": self.runner.precision,
            "kernels": scores.notes()["kernels"],
        }

    def costs(self, stages: Mapping[str, str]) -> dict[str, float]:
        """Return the seconds of a detector's trainings and the parameters of its networks; see `objectives.COSTS`."""
        found = [self.runner.store.find(kind, name) for kind, name in stages.items()]
        sizes = [[weight_count(path) for path in stage.folder.glob("*.safetensors")] for stage in found]
        seconds = sum(float(stage.notes().get("seconds", 0.0)) for stage in found)
        return {"seconds": seconds, "parameters": float(sum(max(networks, default=0) for networks in sizes))}

    @cached_property
    def runner(self) -> CachedTrainer:
        return CachedTrainer(
            Store.of_study(self.context.store.parent),
            self.worker,
            source=None if self.job.fraction else self.context.jets.source,
            sample=self.sample,
            precision=self.job.settings.compute.precision,
            kernels=self.job.settings.compute.kernels,
            data_cpus=self.context.data_cpus,
            rungs=self.job.rungs,
            proxy_objective=self.proxy_objective,
            validation=TrainingSample(self.jets["validation"][self.context.jets.background]),
        )

    @cached_property
    def sample(self) -> TrainingSample:
        background = self.context.jets.sample()
        if not self.job.fraction:
            return background
        return contaminated(background.jets, self.signal, self.job.fraction, seed=self.seed)

    @cached_property
    def signal(self) -> Jets:
        """Training jets of the signal for detectors that use labels."""
        name = self.job.settings.supervised.signal
        if name not in self.context.jets.labelled:
            raise ValueError(f"no training jets of the signal {name!r} (supervised.signal) were loaded")
        return self.context.jets.labelled[name].load()

    @property
    def seed(self) -> int:
        """Seed of the evaluation's random numbers."""
        return self.job.settings.seed if self.job.seed is None else self.job.seed

    @property
    def score_name(self) -> str:
        """Name of the detector for which the objectives are computed."""
        names = {entry: registry.find(entry).name for entry in self.job.detectors}
        score = names.get(self.job.score, self.job.score)
        return score if score in names.values() else next(iter(names.values()))

    def fit(self) -> tuple[list[AnomalyDetector[Any]], dict[str, dict[str, str]]]:
        """Return the detectors, fitted on the samples that their types require, and the stages of each."""
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
        return {
            split: {name: source.load() for name, source in samples.items()}
            for split, samples in self.context.jets.evaluation.items()
        }

    @cached_property
    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Fingerprints of the evaluation jets by split and sample."""
        return {
            split: {name: jets.fingerprint for name, jets in samples.items()} for split, samples in self.jets.items()
        }

    @cached_property
    def blind(self) -> Jets:
        settings = self.job.settings
        background, search = self.jets["validation"][self.context.jets.background], settings.search
        return blind_views(background, settings.inputs, search.blind_families, search.blind_p_drop, self.seed)

    def detectors(self) -> list[AnomalyDetector[Any]]:
        """Return the unfitted detectors."""
        return [registry.make(entry, self.job.settings) for entry in self.job.detectors]

    def scores(self) -> Stage:
        """Fit the detectors, score all validation and test jets, and return the stage with the scores."""
        settings = self.job.settings
        classes = [registry.find(entry) for entry in self.job.detectors]
        modules = {cls.__module__ for cls in classes}
        labels = any(cls.sample_type() is LabelledSample for cls in classes)
        modules.update(augmentations.plugin_modules(settings.views))
        description = {
            "settings": settings.model_dump(mode="json", exclude=IRRELEVANT_SETTINGS),
            "detectors": list(self.job.detectors),
            "background": self.sample.fingerprint,
            **({"signal": self.signal.fingerprint} if labels else {}),
            "jets": self.fingerprints,
            "blind": self.blind.fingerprint,
            "code": code_fingerprint(*sorted(modules), "darkclr_ray.training.loop"),
            "precision": self.runner.precision,
        }
        stage = self.runner.store.stage("scores", description, owner=self.worker.job)
        if self.worker.broadcast(self.worker.rank == 0 and self.complete(stage)):
            return stage
        fitted, stages = self.fit()
        started = time.monotonic()
        self.worker.check_stop({"stage": "scores", "epoch": 0, "epochs": 1, "part": 0.0})
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
            for detector in fitted:
                if detector.name == settings.search.score and detector.name not in SCORES:
                    save_parts(detector, folder)

        if self.worker.rank == 0:
            stage.get_or_compute(write, {"stages": stages, "kernels": self.runner.kernels_used})
        self.worker.broadcast(True)
        self.seconds["scores"] = time.monotonic() - started
        return stage

    def complete(self, scores: Stage) -> bool:
        """Return whether the store has the scores and the trainings that produced them, undamaged."""
        if not scores.usable():
            return False
        named = {(kind, name) for used in scores.notes()["stages"].values() for kind, name in used.items()}
        return all(self.runner.store.named(kind, name).usable() for kind, name in sorted(named))

    def evaluation(self, scores: Stage) -> str:
        """Return the hash of the stage with the evaluation of all scores; objectives use validation jets only."""
        settings = self.job.settings
        search = settings.search
        chosen = (search.objective, *search.further_objectives)
        modules_of = [plugins.module_of("objectives", name) for name in chosen]
        own = sorted({module for module in modules_of if module is not None and module != "leave_out"})
        names = objectives.all_named(self.signals, *chosen)
        description = {
            "scores": scores.hash,
            "objectives": list(names),
            "score": self.score_name,
            "eps_s": EPS_S,
            "replicas": REPLICAS,
            "seed": self.seed,
        }
        modules = ("darkclr_ray.evaluation.rejection", "darkclr_ray.study.objectives", *own)
        return self.cached_json(
            "evaluation", description, lambda: self.evaluate_scores(scores, names).content(), *modules
        )

    def cached_json(
        self, kind: str, description: Mapping[str, Any], content: Callable[[], Mapping[str, Any]], *modules: str
    ) -> str:
        """Return the hash of a stage with a JSON file of the same name, computed by all ranks if the store lacks it.

        Args:
            kind: of the stage.
            description: values that determine its content, besides the code.
            content: function that computes it.
            modules: names of the modules with that code.
        """
        described = {**description, "code": code_fingerprint(*modules)}
        stage = self.runner.store.stage(kind, described, owner=self.worker.job)
        if not self.worker.broadcast(self.worker.rank == 0 and stage.usable()):
            started = time.monotonic()
            self.worker.report({"stage": kind, "epoch": 0, "epochs": 1, "part": 0.0})
            computed = content()
            if self.worker.rank == 0:
                stage.get_or_compute(lambda folder: write_json(folder / f"{kind}.json", computed))
            self.seconds[kind] = time.monotonic() - started
            self.worker.broadcast(True)
        return stage.hash

    @property
    def all_seconds(self) -> dict[str, float]:
        """Seconds spent so far by stage."""
        return {**self.runner.seconds, **self.seconds}

    @property
    def signals(self) -> list[str]:
        return [name for name in self.jets["validation"] if name != self.context.jets.background]

    def evaluate_scores(self, scores: Stage, names: tuple[str, ...]) -> EvaluationRecord:
        """Return the evaluations of all scores, the objectives, and the diagnostics of the trainings."""
        table = read_scores(scores.folder / "scores.parquet")
        found: dict[str, dict[str, dict[str, Evaluation]]] = {}
        for split, samples in self.jets.items():
            found[split] = {
                detector: self.compare(samples, {name: by_sample[name] for name in samples})
                for detector, by_sample in table[split].items()
            }
        with np.load(scores.folder / "views.npz") as views:
            blind = {name: self.evaluate_signal_blind(table["validation"][name], views[name]) for name in views.files}
        objective_input = ObjectiveInput(found["validation"][self.score_name], blind[self.score_name])
        return EvaluationRecord(
            **found,
            signal_blind=blind,
            objectives={name: number(objectives.find(name, self.signals)(objective_input)) for name in names},
            **training_diagnostics(self.runner.store, self.diagnosed(scores)),
        )

    def diagnosed(self, scores: Stage) -> dict[str, dict[str, str]]:
        """Return the trainings of each detector; a plain autoencoder is not diagnosed, since no chain trained it."""
        plain = {cls.name for cls in map(registry.find, self.job.detectors) if issubclass(cls, PlainEnergy)}
        return {
            name: {kind: hash for kind, hash in used.items() if kind != "energy" or name not in plain}
            for name, used in scores.notes()["stages"].items()
        }

    def compare(
        self,
        samples: Mapping[str, Jets],
        scores: Mapping[str, NDArray[np.float64]],
        replicas: int = REPLICAS,
        *,
        shared: bool = False,
    ) -> dict[str, Evaluation]:
        """Return the evaluations of a detector on each signal; ``shared``: signal and background have common events."""
        scored = {name: Scored(scores[name], jets.pt, jets.events, name) for name, jets in samples.items()}
        background, variants = self.context.jets.background, self.context.jets.variants
        signals = {name: jets for name, jets in scored.items() if name not in (background, *variants)}
        return evaluate_signals(
            scored[background], signals, eps_s=EPS_S, seed=self.seed, replicas=replicas, shared=shared
        )

    def evaluate_signal_blind(
        self, scores: Mapping[str, NDArray[np.float64]], views: NDArray[np.float64], replicas: int = REPLICAS
    ) -> Evaluation:
        """Return the evaluation of a detector on background against its anomalous views."""
        name = self.context.jets.background
        samples = {name: self.jets["validation"][name], "views": self.blind}
        return self.compare(samples, {name: scores[name], "views": views}, replicas, shared=True)["views"]

    def proxy_objective(self, encoder: JetEncoder) -> float:
        """Return the objective of an encoder in training with a proxy for the score; nan if it is not finite.

        The proxy is the norm for s_CLR, else the error of the best linear autoencoder on scaled representations with
        the bottleneck of the real autoencoder.
        """
        background = self.context.jets.background
        samples = {
            name: jets.take(np.arange(min(len(jets), RUNG_JETS))) for name, jets in self.jets["validation"].items()
        }
        z = {name: represent(encoder.encoder, encoder.inputs, jets) for name, jets in samples.items()}
        z_views = represent(encoder.encoder, encoder.inputs, self.blind)
        if not all(np.isfinite(values).all() for values in z.values()):
            return math.nan
        if self.job.score == "s_CLR":
            score_of = Norm()
        else:
            training = self.sample.jets.take(np.arange(min(len(self.sample), RUNG_JETS)))
            fitted = represent(encoder.encoder, encoder.inputs, training)
            score_of = LinearAutoencoder(fitted, fitted_bottleneck(fitted, self.job.settings.nae))
        evaluations = self.compare(samples, {name: score_of(values) for name, values in z.items()}, replicas=2)
        full = represent(encoder.encoder, encoder.inputs, self.jets["validation"][background])
        blind = self.evaluate_signal_blind({background: score_of(full)}, score_of(z_views), replicas=2)
        objective = objectives.find(self.job.settings.search.objective, self.signals)
        return objective(ObjectiveInput(evaluations, blind))


def weight_count(path: Path) -> int:
    """Return the number of parameters in a file of weights."""
    with safe_open(path, "numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def save_parts(detector: AnomalyDetector[Any], folder: Path) -> None:
    """Write the weights of a detector, without its settings, to ``folder``; those of DarkCLR are stages themselves."""
    with tempfile.TemporaryDirectory(prefix=".parts.", dir=folder) as place:
        detector.save(Path(place))
        for path in Path(place).glob("*.safetensors"):
            path.replace(folder / path.name)


def number(value: float) -> float | None:
    """Return None for a number that is not finite, which JSON cannot represent."""
    return value if math.isfinite(value) else None
