"""Further jobs of studies: the linear classifier test, scores of perturbed jets, and examples for interpretation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from darkclr_ray.settings import StudySettings
from darkclr_ray.study.jobs import DetectorJob
from darkclr_ray.study.records import EvaluationRecord, Interpretation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from darkclr_ray.jets.packed import Jets
    from darkclr_ray.runtime.worker_loop import WorkerContext
    from darkclr_ray.store.stages import Stage
    from darkclr_ray.study.job_context import JobContext
    from darkclr_ray.study.job_runner import JobRunner

Features = Literal["head", "pooled", "constituents"]
"""Features of a linear classifier: representation z, representation before the head, or the constituents."""


@dataclass(frozen=True)
class LinearJob:
    """The linear classifier test of Appendix A on test jets.

    Attributes:
        settings: settings of the encoder.
        features: features of the classifier.
        constituents: number of constituents, if these are the features.
        seed: seed of the folds and of the evaluation.
    """

    settings: StudySettings
    features: Features
    constituents: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the scores."""
        return f"linear {self.features}"

    def run(self, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
        """Run on every rank of a worker group; return hashes of the stages, seconds."""
        from darkclr_ray.detectors.darkclr import contrastive_training
        from darkclr_ray.study.job_runner import EPS_S, REPLICAS, JobRunner

        job_runner = JobRunner(context, DetectorJob(self.settings, (), seed=self.seed), worker)
        runner = job_runner.runner
        features: Callable[[Jets], NDArray[np.floating]]
        if self.features == "constituents":
            from darkclr_ray.evaluation.linear_classifier import constituent_features

            def features(jets: Jets) -> NDArray[np.floating]:
                return constituent_features(jets, self.constituents)
        else:
            layer = self.features
            encoder = runner.train(contrastive_training(self.settings, job_runner.sample, runner))

            def features(jets: Jets) -> NDArray[np.floating]:
                return runner.represent(encoder, jets, layer)

        description = {
            "trained": runner.stages,
            "features": self.features,
            "constituents": self.constituents if self.features == "constituents" else None,
            "seed": self.seed,
            "jets": job_runner.fingerprints["test"],
            "background": context.jets.background,
            "eps_s": EPS_S,
            "replicas": REPLICAS,
        }
        stage = job_runner.cached_json(
            "evaluation",
            description,
            lambda: self.evaluate(job_runner, features).content(),
            "darkclr_ray.evaluation.linear_classifier",
            "darkclr_ray.evaluation.rejection",
            "darkclr_ray.training.inference",
        )
        stages = {**runner.stages, "evaluation": stage}
        return {"stages": stages, "detectors": {self.name: dict(runner.stages)}, "seconds": job_runner.all_seconds}

    def evaluate(self, job_runner: JobRunner, features: Callable[[Jets], NDArray[np.floating]]) -> EvaluationRecord:
        """Return the evaluation of scores from classifiers that were not fitted to the scored jets."""
        from darkclr_ray.evaluation.linear_classifier import linear_classifier_test

        jets = job_runner.jets["test"]
        name = job_runner.context.jets.background
        seen = {sample: features(jets[sample]) for sample in (name, *job_runner.signals)}
        evaluations, folds = {}, {}
        for signal in job_runner.signals:
            events = jets[name].events, jets[signal].events
            test = linear_classifier_test(seen[name], seen[signal], *events, seed=self.seed)
            samples = {name: jets[name], signal: jets[signal]}
            compared = job_runner.compare(samples, {name: test.background, signal: test.signal})
            evaluations[signal] = compared[signal]
            folds[signal] = test.fold_aucs.tolist()
        return EvaluationRecord(
            test={self.name: evaluations}, dimension=seen[name].shape[1], fold_aucs={self.name: folds}
        )


@dataclass(frozen=True)
class StabilityJob:
    """Score perturbed test jets.

    Attributes:
        run_spec: job of the detectors; their trainings are in the store.
        limit: largest number of jets of a sample.
    """

    run_spec: DetectorJob
    limit: int

    def run(self, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
        """Run on every rank of a worker group; return the hash of the stage with the result."""
        from darkclr_ray.study.job_runner import JobRunner

        job_runner = JobRunner(context, self.run_spec, worker)
        scores = job_runner.scores()
        stage = job_runner.cached_json(
            "stability",
            {"scores": scores.hash, "limit": self.limit, "seed": job_runner.seed},
            lambda: self.evaluate(job_runner),
            "darkclr_ray.evaluation.stability",
            "darkclr_ray.augmentations.perturbations",
        )
        return {"stages": {"stability": stage}}

    def evaluate(self, job_runner: JobRunner) -> dict[str, Any]:
        """Return the stability by detector and perturbation; see `darkclr_ray.evaluation.stability`."""
        import numpy as np

        from darkclr_ray.augmentations.perturbations import PERTURBATIONS, perturbed
        from darkclr_ray.evaluation.stability import ScorePair, stability

        background = job_runner.context.jets.background
        samples = {name: job_runner.jets["test"][name] for name in (background, *job_runner.signals)}
        samples = {name: jets.take(np.arange(min(len(jets), self.limit))) for name, jets in samples.items()}
        detectors, _ = job_runner.fit()
        nominal = {d.name: {name: d.score(jets) for name, jets in samples.items()} for d in detectors}
        found: dict[str, dict[str, Any]] = {detector.name: {} for detector in detectors}
        for change in PERTURBATIONS:
            changed = {name: perturbed(jets, change, seed=job_runner.seed) for name, jets in samples.items()}
            for detector in detectors:
                pairs = {
                    name: ScorePair(nominal[detector.name][name], detector.score(changed[name]), jets.pt, jets.events)
                    for name, jets in samples.items()
                }
                outcome = stability(pairs.pop(background), pairs, seed=job_runner.seed)
                found[detector.name][change] = outcome.to_json()
        return found


@dataclass(frozen=True)
class InterpretationJob:
    """Interpret one detector on test jets; see `darkclr_ray.study.interpretation`.

    Attributes:
        run_spec: job of the detectors; their trainings and scores are in the store.
        detector: name of the detector.
    """

    run_spec: DetectorJob
    detector: str

    def run(self, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
        """Run on every rank of a worker group; return the hashes of the scores and of the stage with the result."""
        from darkclr_ray.study.job_runner import JobRunner

        job_runner = JobRunner(context, self.run_spec, worker)
        scores = job_runner.scores()
        stage = job_runner.cached_json(
            "interpretation",
            {"scores": scores.hash, "detector": self.detector, "seed": job_runner.seed},
            lambda: self.evaluate(job_runner, scores).content(),
            "darkclr_ray.study.interpretation",
            "darkclr_ray.evaluation.occlusion",
        )
        return {"stages": {"interpretation": stage, "scores": scores.hash}, "seconds": job_runner.seconds}

    def evaluate(self, job_runner: JobRunner, scores: Stage) -> Interpretation:
        """Return the interpretation of the detector, with the encoder that it, or another detector of its job, uses."""
        from darkclr_ray.detectors.darkclr import RepresentationDetector
        from darkclr_ray.store.scores import read_scores
        from darkclr_ray.study.interpretation import interpret

        background = job_runner.context.jets.background
        samples = {name: job_runner.jets["test"][name] for name in (background, *job_runner.signals)}
        table = read_scores(scores.folder / "scores.parquet")["test"][self.detector]
        detectors, _ = job_runner.fit()
        chosen = next(detector for detector in detectors if detector.name == self.detector)
        encoders = [one.fitted[0] for one in (chosen, *detectors) if isinstance(one, RepresentationDetector)]
        encoder = encoders[0] if encoders else None
        return interpret(chosen, encoder, samples, table, background=background, seed=job_runner.seed)
