"""A small comparison's folder in the real format, with random numbers for scores: quick to make, complete, not physics.

``python -m tests.reports.make_comparison FOLDER`` makes one to look at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.evaluation.sculpting import sculpting
from darkclr_ray.evaluation.variance import variance_components
from darkclr_ray.jets.generation.samples import NAMED
from darkclr_ray.presets import preset

from .make_study import (
    SHIFTS,
    START,
    judged,
    make_examples,
    make_jets,
    seal_study,
    stage_folder,
    write_histories,
    write_interpretation,
    write_json,
)

GRID = {f"rinv_{r:g}_mass_{mass:g}": (r, mass) for r in (0.1, 0.5, 0.9) for mass in (4.0, 20.0)}
METHODS = {
    "DarkCLR": {"s_NAE": 0.9, "s_CLR": 0.5, "s_AE": 0.4, "views_classifier": 1.2},
    "JetCLR": {"JetCLR s_NAE": 0.3, "JetCLR s_CLR": 0.2},
    "untrained": {"untrained s_NAE": 0.2, "untrained views_classifier": 0.9},
    "cuts": {"multiplicity": 0.0, "jet_mass": 0.1, "jet_pt": 0.0, "isolation_forest": 0.3, "mine": 0.7},
    "supervised": {"supervised": 1.4, "boosted_trees": 1.2},
}
"""Label -> detector -> how well it separates (see SHIFTS)."""
SEEDS = {"DarkCLR": (1, 2, 3), "JetCLR": (1, 2), "untrained": (1,), "cuts": (None,), "supervised": (1, 2)}
HOW = {"epoch": "that of the lowest training loss", "settings": "those of the preset"}

Arrays = dict[str, np.ndarray]


class Maker:
    """Writes the parts of one study; scores of all jets by run and detector."""

    def __init__(self, folder: Path, kind: str, background: int, signal: int, replicas: int, grid: bool) -> None:
        self.folder, self.kind, self.replicas = folder, kind, replicas
        self.random = np.random.default_rng(1)
        self.signals = [*SHIFTS, *(GRID if grid else ())]
        self.samples = {"qcd": background, **dict.fromkeys(self.signals, signal)}
        self.jets = make_jets(self.random, self.samples)
        self.scores: dict[tuple[str, str], np.ndarray] = {}

    def frame(self) -> None:
        settings = preset("laptop").updated({"name": "toy"})
        samples: dict[str, Any] = {name: NAMED[name].model_dump(mode="json") for name in ("qcd", *SHIFTS)}
        for name in self.signals:
            if name in GRID:
                r_inv, mass = GRID[name]
                samples[name] = {"r_inv": r_inv, "pion_mass": mass, "decays": "all_mesons"}
                samples[name]["invisible_fraction_selected"] = 0.9 * r_inv
        samples["qcd_quarks"] = {"kind": "qcd", "variation": "quarks"}
        about = {
            "name": "toy",
            "kind": self.kind,
            "preset": "laptop",
            "created": "2026-01-01T12:00:00Z",
            "command": ["python", f"studies/{self.kind}.py"],
            "jets": {"path": "starter", "fingerprints": {"train": {"qcd": "0123456789abcdef"}}, "further": []},
            "samples": samples,
            "counts": {"train": {"qcd": 10000, "aachen": 3000}, "validation": self.samples, "test": self.samples},
            "starts": [START],
        }
        write_json(self.folder / "study.json", about)
        (self.folder / "settings.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
        pq.write_table(pa.table(self.jets), self.folder / "jets.parquet")
        np.savez(self.folder / "examples.npz", **make_examples(self.random))

    def shift(self) -> np.ndarray:
        shifts = {**SHIFTS, **{name: 0.3 + r_inv for name, (r_inv, _) in GRID.items()}}
        return np.array([shifts.get(sample, 0.0) for sample in self.jets["sample"]])

    def run_spec(self, key: str, label: str, detectors: dict[str, float], **facts: Any) -> None:
        """Score all jets with a run's detectors and write its files."""
        tables, test, signal_blind = [], {}, {}
        supervised = label == "supervised"
        for detector, power in detectors.items():
            noise = self.random.normal(size=len(self.jets["sample"]))
            score = power * self.shift() * self.random.gamma(2.0, 1.0, len(noise)) + noise
            score = -self.jets["multiplicity"].astype(float) if detector == "multiplicity" else score
            self.scores[key, detector] = score
            columns = {name: self.jets[name] for name in ("jet_id", "sample", "split")}
            tables.append(pa.table({**columns, "detector": np.repeat(detector, len(score)), "score": score}))
            signals = self.signals if facts.get("sections", ["methods"]) == ["methods"] else ["aachen"]
            test[detector] = judged(score, self.jets, "test", self.replicas, signals)
            if not supervised and power:
                signal_blind[detector] = test[detector]["aachen"]
        stages = {"scores": f"scores-{key}", "representation": "chains", "energy": "chains"}
        pq.write_table(
            pa.concat_tables(tables), stage_folder(self.folder, "scores", stages["scores"]) / "scores.parquet"
        )
        trained_on = {"background": "qcd", "jets": 10000, "signal": None, "labels": False, "fraction": 0.0}
        trained_on["words"] = "10,000 QCD jets without labels"
        if supervised:
            trained_on |= {"signal": "aachen", "labels": True, "words": "10,000 QCD and 3,000 Aachen jets with labels"}
        named = {name: {"title": f"title of {name}", "labels": supervised, "stages": stages} for name in detectors}
        common = {"detectors": named, "trained_on": trained_on, "stages": stages, "test": test}
        self.file(key, label=label, signal_blind=signal_blind, **{**common, **facts})

    def file(self, key: str, **facts: Any) -> None:
        common = {"key": key, "kind": "detectors", "sections": ["methods"], "state": "COMPLETE", "reason": None}
        common |= {"seeds": {}, "parameters": {"d_z": 64}, "selected_on": HOW, "seconds": {"representation": 30.0}}
        write_json(self.folder / "runs" / f"{key}.json", {**common, **facts})

    def methods(self) -> None:
        for label, detectors in METHODS.items():
            for seed in SEEDS[label]:
                chains = {"energy_data": 0.045, "energy_chain": 0.05, "above_data": seed == 2, "displacement": 0.4}
                self.run_spec(
                    f"{label}-e{seed}",
                    label,
                    detectors,
                    seeds={"encoder": seed, "autoencoder": seed},
                    chains={"s_NAE": chains} if label == "DarkCLR" else {},
                    warnings=["chains end above the data in energy"] if seed == 2 and label == "DarkCLR" else [],
                )
        self.file("DarkCLR-e9", label="DarkCLR", state="FAIL", reason="Langevin chains ran away <in epoch 3>")
        write_histories(self.folder, "chains")

    def dimensions(self) -> None:
        for d_z in (16, 64, 256):
            for label, detector in (("DarkCLR", "s_NAE"), ("JetCLR", "JetCLR s_NAE")):
                for seed in (1, 2):
                    power = METHODS[label][detector] * d_z**0.1 / 1.5
                    where = {"sections": ["dimensions"], "parameters": {"d_z": d_z}}
                    self.run_spec(f"{label}-{d_z}-{seed}", label, {detector: power}, **where)

    def terms(self) -> None:
        collapse = {"share_at_median": 0.0, "median_distance": 0.4}
        for term, rank in (("variance", 4.5), ("uniformity", 3.0)):
            for seed in (1, 2):
                self.run_spec(
                    f"term-{term}-{seed}",
                    "DarkCLR",
                    {"s_NAE": 0.8, "s_AE": 0.5},
                    sections=["terms"],
                    parameters={"d_z": 64, "term": term},
                    encoders=dict.fromkeys(("s_NAE", "s_AE"), collapse | {"effective_rank": rank + seed / 10}),
                )

    def linear(self) -> None:
        for encoder in ("DarkCLR", "untrained"):
            for d_z in (16, 64):
                for features, power in (("head", 0.4), ("pooled", 0.6)):
                    parameters = {"d_z": d_z, "dimension": d_z, "features": features, "encoder": encoder}
                    facts = {"sections": ["linear"], "parameters": parameters}
                    power *= 1.0 if encoder == "DarkCLR" else 0.6
                    self.run_spec(f"{features}-{encoder}-{d_z}", "linear", {f"linear {features}": power}, **facts)
        for count in (5, 50):
            parameters = {"d_z": 64, "dimension": 3 * count, "features": "constituents", "encoder": "none"}
            facts = {"sections": ["linear"], "parameters": parameters}
            self.run_spec(f"constituents-{count}", "linear", {"linear constituents": 0.3}, **facts)

    def contamination(self) -> None:
        for fraction in (0.0, 0.001, 0.01, 0.03, 0.1):
            for detector in ("s_NAE", "views_classifier"):
                words = f"10,000 QCD jets without labels, {fraction:.1%} of them Aachen"
                trained_on = {"signal": "aachen", "fraction": fraction, "labels": False, "words": words}
                power = METHODS["DarkCLR"][detector] * (1 - 3 * fraction)
                facts = {"sections": ["contamination"], "trained_on": trained_on}
                self.run_spec(f"{detector}-{fraction}", "DarkCLR", {detector: power}, **facts)

    def sections(self) -> None:
        keys = "views_classifier", "DarkCLR-e1"
        write_interpretation(self.folder, self.random, self.jets, *keys, list(SHIFTS))
        for name, result in self.results():
            write_json(self.folder / "sections" / f"{name}.json", {"name": name, "result": result, "words": ""})

    def results(self) -> Iterator[tuple[str, Any]]:
        test = self.jets["split"] == "test"
        background = test & (self.jets["sample"] == "qcd")
        yield (
            "pairs",
            [
                {
                    "a": a,
                    "b": b,
                    "a_key": one,
                    "b_key": other,
                    "signal": signal,
                    **self.pair((one, a), (other, b), signal),
                }
                for (one, a), (other, b) in (
                    (("DarkCLR-e1", "views_classifier"), ("cuts-eNone", "multiplicity")),
                    (("DarkCLR-e1", "views_classifier"), ("supervised-e1", "supervised")),
                    (("DarkCLR-e1", "s_NAE"), ("JetCLR-e1", "JetCLR s_NAE")),
                )
                for signal in SHIFTS
            ],
        )
        score = self.scores["DarkCLR-e1", "s_NAE"][background]
        observables = {"mass": self.jets["mass"][background], "pt": self.jets["pt"][background]}
        cut = {
            name: [one.to_json() for one in sculpting(score, values, random_cuts=50, seed=1)]
            for name, values in observables.items()
        }
        yield "sculpting", {"s_NAE": cut, "views_classifier": cut}
        ratio = {"ratio": 0.9, "low": 0.8, "high": 1.1, "confidence": 0.2, "bound": None}
        pair = {"raw": ratio, "matched": ratio, "eps_s": 0.2, "level": 0.95, "replicas": 100, "seed": 1}
        shift = {"mean": 0.01, "rms": 0.12, "median_abs": 0.05, "correlation": 0.99}
        fixed = {"fixed_eps_s": 0.19, "fixed_eps_b_ratio": 1.1}
        signals = {"aachen": {"shift": shift, "nominal": 30.0, "perturbed": 29.0, "ratio": pair, **fixed}}
        kinds = ("soft_emission", "collinear_splitting", "scale_up", "scale_down", "smearing")
        stable = {kind: {"spread": 1.0, "background": shift, "signals": signals} for kind in kinds}
        yield "stability", dict.fromkeys(("s_NAE", "views_classifier", "supervised"), stable)
        sides = {side: {"nominal": 30.0, "varied": 28.0, "ratio": ratio} for side in ("raw", "matched")}
        other = {"mean_shift": 0.03, "mean_shift_low": 0.02, "mean_shift_high": 0.04, "signals": {"aachen": sides}}
        other |= {"n_nominal": 100, "n_varied": 100, "eps_s": 0.2, "level": 0.68, "replicas": 100, "seed": 1}
        yield "systematics", {name: {"quarks": other, "no_mpi": other} for name in ("s_NAE", "views_classifier")}
        parts = variance_components(self.random.normal(3.5, 0.2, (3, 2, 4))).to_json()
        yield "variance", {"s_NAE": {signal: {"raw": parts, "matched": parts} for signal in SHIFTS}}
        choice = {
            "trial": 3,
            "parameters": {"d_z": 64},
            "objective": 3.1,
            "raw": 30.0,
            "raw_low": 27.0,
            "raw_high": 34.0,
        }
        choice |= {
            "matched": 20.0,
            "matched_low": 17.0,
            "matched_high": 24.0,
            "raw_bound": False,
            "matched_bound": False,
        }
        left = [
            {"signal": signal, "left_out": choice, "oracle": choice, "signal_blind": None, "loss": 1.0}
            for signal in SHIFTS
        ]
        yield "leave_one_out", left

    def pair(self, a: tuple[str, str], b: tuple[str, str], signal: str) -> dict[str, Any]:
        test = self.jets["split"] == "test"
        rows = [test & (self.jets["sample"] == name) for name in ("qcd", signal)]
        parts = [self.scores[one][row] for one in (a, b) for row in rows]
        parts += [self.jets[name][row] for name in ("pt", "event_id") for row in rows]
        return paired_ratio(*parts, seed=1, replicas=5 * self.replicas).to_json()


def make_comparison(
    folder: Path,
    kind: str = "robustness",
    *,
    background: int = 1200,
    signal: int = 200,
    replicas: int = 8,
    grid: bool = True,
) -> Path:
    """Write a study with every section ("robustness"), or with linear classifiers alone; returns ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker(folder, kind, background, signal, replicas, grid)
    maker.frame()
    if kind == "linear_classifier_test":
        maker.linear()
        return seal_study(folder)
    maker.methods()
    maker.dimensions()
    maker.terms()
    maker.contamination()
    maker.linear()
    maker.sections()
    return seal_study(folder)


if __name__ == "__main__":
    print(make_comparison(Path(sys.argv[1]), *sys.argv[2:], background=6000, signal=1500, replicas=40))
