"""A small study's folder in the real format, with random numbers for scores: quick to make, complete, not physics.

``python tests/reports/make_study.py FOLDER`` makes one to look at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from darkclr_ray.evaluation.rejection import evaluate
from darkclr_ray.integrity import file_digest, folder_digests
from darkclr_ray.jets.generation.samples import NAMED
from darkclr_ray.presets import preset
from darkclr_ray.store import files
from darkclr_ray.store.files import CHECKSUM, SEAL, write_sealed_text
from darkclr_ray.study.artifacts import OBSERVED
from darkclr_ray.study.folder import DERIVED

SHIFTS = {"aachen": 0.55, "rinv_0.5": 0.4, "rinv_0.2": 0.2, "mass_10": 0.5, "mass_20": 0.3}
"""How far apart a signal's scores are from the background's, in standard deviations, for a perfect detector."""
START = {
    "time": "2026-01-01T12:00:00Z",
    "versions": {"darkclr_ray": "0.1.0", "python": "3.11"},
    "machine": {"cpus": 2, "gpus": 0},
}
POWERS = {"s_NAE": 1.0, "s_CLR": 0.6}


def make_study(
    folder: Path, *, name: str = "toy", seed: int = 1, background: int = 1200, signal: int = 300, replicas: int = 20
) -> Path:
    """Write a study with four complete trials, a pruned and a failed one; returns ``folder``."""
    random = np.random.default_rng(seed)
    searched = {"d_z": [16, 32, 64, 128], "p_drop": [0.1, 0.7, 0.05], "step_size": [0.01, 1.0]}
    settings = preset("laptop").updated({"name": name, "search": searched})
    samples = {"qcd": background, **dict.fromkeys(SHIFTS, signal)}
    jets = make_jets(random, samples)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / "study.json",
        {
            "name": name,
            "preset": "laptop",
            "created": "2026-01-01T12:00:00Z",
            "command": ["python", "studies/embedding_scan.py"],
            "objective": settings.search.objective,
            "jets": {"path": "starter", "fingerprints": {"train": {"qcd": "0123456789abcdef"}}},
            "samples": {sample: NAMED[sample].model_dump(mode="json") for sample in samples},
            "counts": {"train": {"qcd": 10000}, "validation": samples, "test": samples},
            "starts": [START],
        },
    )
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    pq.write_table(pa.table(jets), folder / "jets.parquet")
    parameters = [(64, 0.5, 0.05), (64, 0.5, 0.01), (16, 0.3, 0.05), (128, 0.3, 0.2)]
    objectives: dict[str, float] = {}
    for number, point in enumerate(parameters):
        stages = _stages(folder, random, jets, f"trial{number}", POWERS, quality=0.7 + 0.15 * (number == 2))
        trial = _trial(number, point, stages, jets, folder, replicas)
        objectives[f"trial{number}"] = trial["objective"]
        write_json(folder / f"trials/{number:04}.json", trial | {"execution": _execution(number)})
    ended = {"stages": {}, "validation": {}, "test": {}, "objectives": {}, "seconds": {"representation": 3.0}}
    pruned: dict[str, Any] = {"state": "PRUNED", "reason": "behind two thirds of the trials after 4 epochs"}
    failed = {"state": "FAIL", "reason": "Langevin chains ran away <in epoch 3>"}
    curve = [{"epoch": epoch, "loss": -4.0 - epoch, "validation_loss": -5.0 - epoch} for epoch in range(4)]
    pruned["unfinished"] = {"kind": "representation", "epochs": curve}
    pruned["optuna"] = {"intermediate_values": {"2": 1.5}, "user_attrs": {"stopped_at": [4, 1.25]}}
    for number, end in ((4, pruned), (5, failed)):
        facts = {
            "number": number,
            **end,
            "execution": _execution(number),
            "parameters": {"d_z": 32, "p_drop": 0.7, "step_size": 0.4},
            **ended,
        }
        write_json(folder / f"trials/{number:04}.json", facts)
    stages = _stages(folder, random, jets, "untrained", POWERS, quality=0.2)
    untrained = {"stages": stages, "test": _evaluations(folder, stages, jets, "test", replicas)}
    multiplicity = {"test": {"multiplicity": judged(-jets["multiplicity"].astype(float), jets, "test", replicas)}}
    write_interpretation(folder, random, jets, "s_NAE", max(objectives, key=objectives.__getitem__), list(SHIFTS))
    write_json(folder / "references.json", {"untrained": untrained, "multiplicity": multiplicity})
    np.savez(folder / "examples.npz", **make_examples(random))
    write_json(folder / "means.json", make_means(random))
    return seal_study(folder)


def seal_study(folder: Path) -> Path:
    """Give everything in a study's folder its checksum, as if the study had written it so; returns ``folder``."""
    for stage in folder.glob("stages/*/*"):
        write_json(stage / "stage.json", {"files": folder_digests(stage, but={"stage.json"})})
    settings = folder / "settings.yaml"
    write_sealed_text(settings, settings.read_text().partition(SEAL)[0])
    for path in (*folder.glob("*.json"), *folder.glob("[!s]*/*.json"), *folder.glob("sections/*.json")):
        content = json.loads(path.read_text())
        if path.name == "study.json":
            derived = [folder / name for name in DERIVED if (folder / name).exists()]
            content["files"] = {path.name: file_digest(path) for path in derived}
        write_json(path, {name: value for name, value in content.items() if name != CHECKSUM})
    return folder


def make_jets(random: np.random.Generator, samples: dict[str, int]) -> dict[str, np.ndarray]:
    """Two splits; background falls in pT, signals are flat; two jets an event."""
    names = np.repeat(list(samples), list(samples.values()))
    names = np.concatenate([names, names])
    jets, is_signal = len(names), names != "qcd"
    pt = np.where(is_signal, random.uniform(150, 300, jets), 150 + np.minimum(random.exponential(35, jets), 149))
    return {
        "jet_id": random.permutation(10 * jets)[:jets].astype(np.int64),
        "event_id": np.arange(jets, dtype=np.int64) // 2,
        "split": np.repeat(["validation", "test"], jets // 2),
        "sample": names,
        "pt": pt.astype(np.float32),
        "eta": random.uniform(-2, 2, jets).astype(np.float32),
        "mass": random.uniform(10, 60, jets).astype(np.float32),
        "multiplicity": random.poisson(np.where(is_signal, 27, 31)).astype(np.int64),
    }


def _stages(
    folder: Path,
    random: np.random.Generator,
    jets: dict[str, np.ndarray],
    key: str,
    powers: dict[str, float],
    quality: float,
) -> dict[str, str]:
    """Three stages of a trial, with histories of the real shape and scores of both splits."""
    shift = np.array([SHIFTS.get(sample, 0.0) for sample in jets["sample"]])
    tables = []
    for detector, power in powers.items():
        score = quality * power * shift * random.gamma(2.0, 1.0, len(shift)) + random.normal(size=len(shift))
        columns = {name: jets[name] for name in ("jet_id", "sample", "split")}
        tables.append(pa.table({**columns, "detector": np.repeat(detector, len(score)), "score": score}))
    stage_folder(folder, "scores", key)
    pq.write_table(pa.concat_tables(tables), folder / "stages/scores" / key / "scores.parquet")
    write_histories(folder, key)
    return dict.fromkeys(("representation", "energy", "scores"), key)


def write_histories(folder: Path, key: str) -> None:
    """Histories of the real shape of an encoder and an energy stage, with a warning."""
    encoder = [
        {
            "epoch": epoch,
            "loss": -8.0 * (1 - 0.7**epoch),
            "similarity_positive": 0.9 - 0.2 * 0.6**epoch,
            "similarity_anomalous": 0.7 * 0.8**epoch,
            "norm_background": 2.0 + epoch / 10,
            "seconds": 2.5,
        }
        for epoch in range(12)
    ]
    reconstruction = [
        {"epoch": epoch, "phase": "reconstruction", "loss": 0.9**epoch, "energy_data": 0.9**epoch}
        for epoch in range(30)
    ]
    divergence = [
        {
            "epoch": epoch,
            "phase": "contrastive_divergence",
            "loss": 0.01,
            "energy_data": 0.045 + 0.001 * epoch,
            "energy_chain": 0.04 + 0.0012 * epoch,
            "energy_difference": 0.005 - 0.0002 * epoch,
            "displacement": 0.005 if epoch == 30 else 0.2 + epoch / 100,
            "acceptance": 0.8,
            "temperature": 0.004,
            "nonfinite": 0,
            **({"warning": "Langevin chains stand still"} if epoch == 30 else {}),
        }
        for epoch in range(30, 40)
    ]
    for kind, history in (("representation", encoder), ("energy", reconstruction + divergence)):
        text = "".join(json.dumps(line) + "\n" for line in history)
        (stage_folder(folder, kind, key) / "history.jsonl").write_text(text)


def _trial(
    number: int,
    point: tuple[int, float, float],
    stages: dict[str, str],
    jets: dict[str, np.ndarray],
    folder: Path,
    replicas: int,
) -> dict[str, Any]:
    validation = _evaluations(folder, stages, jets, "validation", replicas)
    logs = [np.log(one["matched"]["rejection"]["0.2"]["value"]) for one in validation["s_NAE"].values()]
    return {
        "number": number,
        "state": "COMPLETE",
        "reason": None,
        "parameters": dict(zip(("d_z", "p_drop", "step_size"), point, strict=True)),
        "stages": stages,
        "validation": validation,
        "test": _evaluations(folder, stages, jets, "test", replicas),
        "objective": float(np.mean(logs)),
        "objectives": {"matched": float(np.mean(logs))},
        "seconds": {"representation": 30.0 if number != 1 else 0.1, "energy": 12.5, "scores": 2.0, "overhead": 1.5},
    }


def _evaluations(
    folder: Path, stages: dict[str, str], jets: dict[str, np.ndarray], split: str, replicas: int
) -> dict[str, dict[str, Any]]:
    table = pq.read_table(folder / "stages/scores" / stages["scores"] / "scores.parquet").to_pydict()
    detectors, scores = np.array(table["detector"]), np.array(table["score"])
    return {str(name): judged(scores[detectors == name], jets, split, replicas) for name in dict.fromkeys(detectors)}


def judged(
    scores: np.ndarray, jets: dict[str, np.ndarray], split: str, replicas: int, signals: Iterable[str] = tuple(SHIFTS)
) -> dict[str, Any]:
    """Evaluations of all jets' scores on the signals of one split, as JSON."""
    rows = {name: (jets["split"] == split) & (jets["sample"] == name) for name in ("qcd", *signals)}
    parts = (scores, jets["pt"], jets["event_id"])
    return {
        name: evaluate(
            *(part[rows[one]] for part in parts for one in ("qcd", name)), seed=1, replicas=replicas
        ).to_json()
        for name in signals
    }


def make_examples(random: np.random.Generator) -> dict[str, np.ndarray]:
    pt = np.sort(random.pareto(1.2, 32) * 2 + 0.5)[::-1]
    jet = np.column_stack([pt, random.normal(0, 0.2, (32, 2))]).astype(np.float32)
    keep = random.random(32)
    turned = jet * [1, -1, -1]
    views = {"rotation": turned, "translation": jet + np.array([0, 0.2, -0.3]), "dropping_0.3": jet[keep > 0.3]}
    views |= {"dropping_0.5": jet[keep > 0.5], "smearing": jet + random.normal(0, 0.02, (32, 3)) * [0, 1, 1]}
    views["splitting"] = np.concatenate([jet * [0.4, 1, 1], jet * [0.6, 1, 1]])
    return {"original": jet, **{name: view.astype(np.float32) for name, view in views.items()}}


def _execution(number: int) -> dict[str, Any]:
    """Two worker groups that run trials of 50 seconds one after the other."""
    start = 60 * (number // 2) + number % 2
    times = [f"2026-01-01T12:{at // 60:02}:{at % 60:02}Z" for at in (start, start + 50)]
    return {"started": times[0], "ended": times[1], "worker_group": number % 2}


def write_interpretation(
    folder: Path, random: np.random.Generator, jets: dict[str, np.ndarray], detector: str, of: str, signals: list[str]
) -> None:
    """The record of a detector's interpretation, with random constituents and representations."""
    samples = ["qcd", *signals]

    def jet(sample: str) -> dict[str, Any]:
        pt = np.sort(random.pareto(1.2, 15) * 2 + 0.5)[::-1]
        rows = np.column_stack([pt, random.normal(0, 0.2, (15, 2))]).round(4).tolist()
        facts = {"sample": sample, "jet_id": 7, "pt": 180.0, "mass": 20.0, "multiplicity": 15}
        return {**facts, "score": 1.25, "background_above": 0.125, "constituents": rows}

    layers = {
        layer: {
            "dimension": 32,
            "effective_rank": rank,
            "fitted": 1000,
            "shares": [0.75, 0.125],
            "samples": {
                name: {axis: random.normal(size=40).round(4).tolist() for axis in ("x", "y")} for name in samples
            },
        }
        for layer, rank in (("pooled", 4.25), ("head", 2.5))
    }
    changes = random.normal(size=15).round(4).tolist()
    occlusion = {"size": 0.1, "constituents": changes, "branches": [0, 1, 2] * 5, "branch_changes": changes[::-1]}
    result = {
        "detector": detector,
        "jets": {name: int(((jets["sample"] == name) & (jets["split"] == "test")).sum()) for name in samples},
        "log": True,
        "layers": layers,
        "most": [jet(samples[at % len(samples)]) for at in range(12)],
        "least": [jet("qcd") for _ in range(12)],
        "occlusions": [{"jet": jet(sample), **occlusion} for sample in ("qcd", "qcd", signals[0], signals[0])],
    }
    content = {"name": "interpretation", "of": {detector: of}, "result": {detector: result}, "words": "test jets"}
    write_json(folder / "sections" / "interpretation.json", content)


def make_means(random: np.random.Generator) -> dict[str, Any]:
    def means() -> dict[str, float]:
        return {name: float(random.uniform(0, 30)) for name in OBSERVED}

    views = {name: means() for name in ("branch_dropping", "pt_power")}
    return {"jets": 1000, "background": means(), "views": views, "signals": {name: means() for name in SHIFTS}}


def stage_folder(folder: Path, kind: str, key: str) -> Path:
    path = folder / "stages" / kind / key
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, content)


if __name__ == "__main__":
    print(make_study(Path(sys.argv[1]), background=6000, signal=1500, replicas=100))
