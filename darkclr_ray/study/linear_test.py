"""Linear classifier test of Appendix A (Fig. 6) on representations that were trained without signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darkclr_ray.study.comparison import Comparison

if TYPE_CHECKING:
    from darkclr_ray.study.extra_jobs import Features
    from darkclr_ray.study.run_specs import RunSpec


class LinearClassifierStudy(Comparison):
    """Study of linear classifiers on representations, representations before the head, and constituents."""

    kind = "linear_classifier_test"

    def expand_runs(self) -> list[RunSpec]:
        comparison = self.settings.comparison
        dimensions = comparison.d_z or (self.settings.encoder.d_z,)
        runs = []
        for d_z in dimensions:
            for number in range(comparison.encoder_seeds):
                seed = self.settings.seed + number
                for epochs, encoder in ((self.settings.contrastive.epochs, "DarkCLR"), (0, "untrained")):
                    changes = {"encoder": {"d_z": d_z}, "contrastive": {"epochs": epochs}, "seed": seed}
                    runs += [self.run_spec(encoder, layer, changes, seed) for layer in ("head", "pooled")]
        most = self.settings.inputs.constituents
        for count in sorted({min(most, max(1, d_z // 3)) for d_z in dimensions} | {most}):
            runs.append(self.run_spec("none", "constituents", {}, None, count))
        return runs

    def run_spec(
        self, encoder: str, features: Features, changes: dict[str, object], seed: int | None, constituents: int = 0
    ) -> RunSpec:
        """Return the run of one classifier test."""
        from darkclr_ray.study.extra_jobs import LinearJob
        from darkclr_ray.study.run_specs import RunSpec, reader_parameters, trainings

        settings = self.settings.updated(changes)
        d_z = settings.encoder.d_z
        name = f"{features}-{constituents}" if features == "constituents" else f"{encoder}-{features}-d_z_{d_z}-e{seed}"
        job = LinearJob(settings, features, constituents, self.settings.seed)
        parameters = {"features": features, "encoder": encoder, "constituents": constituents}
        title = {"head": "representation", "pooled": "before the head", "constituents": "constituents"}[features]
        return RunSpec(
            key=f"linear-{name}",
            label=encoder if seed is not None else "constituents",
            sections=("linear",),
            job=job,
            detectors={job.name: {"title": f"linear classifier, {title}", "entry": None, "labels": True}},
            encoder_seed=seed,
            parameters={**reader_parameters(settings), **parameters},
            trains=trainings(["s_CLR"], settings) if encoder == "DarkCLR" else {},
        )
