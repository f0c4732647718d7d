"""Jobs of comparisons beside fitting and judging: the linear classifier test, and stability under small changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from darkclr_ray.settings import StudySettings
from darkclr_ray.study.jobs import DetectorJob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from darkclr_ray.jets.packed import Jets
    from darkclr_ray.runtime.worker_loop import WorkerContext
    from darkclr_ray.study.job_context import JobContext
    from darkclr_ray.study.job_runner import JobRunner

Features = Literal["head", "pooled", "constituents"]
"""What a linear classifier looks at: the representation z, the one before the head, or the jets themselves."""


@dataclass(frozen=True)
class LinearJob:
    """The linear classifier test of Appendix A on test jets.

    Attributes:
        settings: of the encoder.
        features: what the classifier looks at.
        constituents: how many, where it looks at them.
        seed: of the folds and of what judges the scores.
    """

    settings: StudySettings
    features: Features
    constituents: int
    seed: int

    @property
    def name(self) -> str:
        """What the scores are called."""
        return f"linear {self.features}"

    def run(self, work: JobContext, place: WorkerContext) -> dict[str, Any]:
        """Run on every rank of a worker group; return hashes of the stages, seconds."""
        from darkclr_ray.detectors.darkclr import contrastive_training
        from darkclr_ray.study.job_runner import EPS_S, REPLICAS, JobRunner

        fitting = JobRunner(work, DetectorJob(self.settings, (), seed=self.seed), place)
        runner = fitting.runner
        features: Callable[[Jets], NDArray[np.floating]]
        if self.features == "constituents":
            from darkclr_ray.evaluation.linear_classifier import constituent_features

            def features(jets: Jets) -> NDArray[np.floating]:
                return constituent_features(jets, self.constituents)
        else:
            layer = self.features
            encoder = runner.train(contrastive_training(self.settings, fitting.sample, runner))

            def features(jets: Jets) -> NDArray[np.floating]:
                return runner.represent(encoder, jets, layer)

        description = {
            "trained": runner.stages,
            "features": self.features,
            "constituents": self.constituents if self.features == "constituents" else None,
            "seed": self.seed,
            "jets": fitting.fingerprints["test"],
            "background": work.jets.background,
            "eps_s": EPS_S,
            "replicas": REPLICAS,
        }
        stage = fitting.cached_json(
            "evaluation",
            description,
            lambda: self.judged(fitting, features),
            "darkclr_ray.evaluation.linear_classifier",
            "darkclr_ray.evaluation.rejection",
            "darkclr_ray.training.inference",
        )
        stages = {**runner.stages, "evaluation": stage}
        return {"stages": stages, "detectors": {self.name: dict(runner.stages)}, "seconds": fitting.all_seconds}

    def judged(self, fitting: JobRunner, features: Callable[[Jets], NDArray[np.floating]]) -> dict[str, Any]:
        """Evaluations of the scores that each test jet got from a classifier that had not seen it."""
        from darkclr_ray.evaluation.linear_classifier import linear_classifier_test

        jets = fitting.jets["test"]
        name = fitting.work.jets.background
        seen = {sample: features(jets[sample]) for sample in (name, *fitting.signals)}
        evaluations, folds = {}, {}
        for signal in fitting.signals:
            events = jets[name].events, jets[signal].events
            test = linear_classifier_test(seen[name], seen[signal], *events, seed=self.seed)
            samples = {name: jets[name], signal: jets[signal]}
            compared = fitting.compare(samples, {name: test.background, signal: test.signal})
            evaluations[signal] = compared[signal].to_json()
            folds[signal] = test.fold_aucs.tolist()
        return {
            "validation": {},
            "test": {self.name: evaluations},
            "signal_blind": {},
            "objectives": {},
            "dimension": seen[name].shape[1],
            "fold_aucs": {self.name: folds},
        }


@dataclass(frozen=True)
class StabilityJob:
    """Score test jets again after small changes of them.

    Attributes:
        run: whose detectors; their trainings are in the store.
        limit: jets of a sample, at most.
    """

    run_spec: DetectorJob
    limit: int

    def run(self, work: JobContext, place: WorkerContext) -> dict[str, Any]:
        """Run on every rank of a worker group; return the hash of the stage with the outcome."""
        from darkclr_ray.study.job_runner import JobRunner

        fitting = JobRunner(work, self.run_spec, place)
        scores = fitting.scores()
        stage = fitting.cached_json(
            "stability",
            {"scores": scores.hash, "limit": self.limit, "seed": fitting.seed},
            lambda: self.judged(fitting),
            "darkclr_ray.evaluation.stability",
            "darkclr_ray.augmentations.perturbations",
        )
        return {"stages": {"stability": stage}}

    def judged(self, fitting: JobRunner) -> dict[str, Any]:
        """By detector and perturbation; see `darkclr_ray.evaluation.stability`."""
        import numpy as np

        from darkclr_ray.augmentations.perturbations import PERTURBATIONS, perturbed
        from darkclr_ray.evaluation.stability import ScorePair, stability

        background = fitting.work.jets.background
        samples = {name: fitting.jets["test"][name] for name in (background, *fitting.signals)}
        samples = {name: jets.take(np.arange(min(len(jets), self.limit))) for name, jets in samples.items()}
        detectors, _ = fitting.fit()
        nominal = {d.name: {name: d.score(jets) for name, jets in samples.items()} for d in detectors}
        found: dict[str, dict[str, Any]] = {detector.name: {} for detector in detectors}
        for change in PERTURBATIONS:
            changed = {name: perturbed(jets, change, seed=fitting.seed) for name, jets in samples.items()}
            for detector in detectors:
                pairs = {
                    name: ScorePair(nominal[detector.name][name], detector.score(changed[name]), jets.pt, jets.events)
                    for name, jets in samples.items()
                }
                outcome = stability(pairs.pop(background), pairs, seed=fitting.seed)
                found[detector.name][change] = outcome.to_json()
        return found
