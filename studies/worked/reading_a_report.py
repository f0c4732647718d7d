"""Worked example: reading the files of a report, and checking one of its numbers by hand.

    python studies/worked/reading_a_report.py results/embedding_scan

Everything on a report page is computed from the files of the study. The most important ones are study.json,
trials/*.json, the scores.parquet of the best trial's last stage, and jets.parquet. The example reads them without this
package, and uses only the two evaluation functions that the page uses as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from darkclr_ray.cli.program import cli_errors
from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.evaluation.rejection import evaluate


def main(study: Path) -> None:
    """Print the results of an embedding scan step by step; raise ValueError if the folder is no finished scan."""
    if not (study / "references.json").is_file():
        raise ValueError(f"{study}: no finished study of embeddings; `darkclr study embedding_scan` makes one")
    about = json.loads((study / "study.json").read_text())
    trials = [json.loads(path.read_text()) for path in sorted((study / "trials").glob("*.json"))]
    complete = [trial for trial in trials if trial["state"] == "COMPLETE"]
    best = max(complete, key=lambda trial: trial["objectives"][about["objective"]])
    # The best trial was selected on validation jets by the objective, without its results on test jets. Selecting the
    # trial with the highest test result would give an optimistic number.
    print(f"{len(trials)} trials, {len(complete)} complete; best by {about['objective']}: {best['parameters']}")

    score, background = about.get("score", "s_NAE"), about.get("background", "qcd")
    samples = joined(study, best["stages"]["scores"], score)
    qcd = samples.pop(background)
    for signal, some in samples.items():
        # By hand: the cut that keeps one fifth of the signal, and the fraction of background that passes it.
        cut = np.quantile(some["score"], 0.8)
        by_hand = 1 / max((qcd["score"] > cut).mean(), 1 / len(qcd["score"]))
        # As on the page: raw, and with the background weighted to the signal's jet pT. If the second number is far
        # below the first, the score uses the jet's pT rather than its substructure.
        jets = (qcd["pt"], some["pt"], qcd["event_id"], some["event_id"])
        found = evaluate(qcd["score"], some["score"], *jets, seed=1, replicas=100)
        raw, matched = found.raw.at(0.2), found.matched.at(0.2)
        bound = " (a lower bound)" if matched.lower_bound else ""
        print(f"{signal}: {by_hand:.1f} by hand, {raw.value:.1f} raw, {matched.value:.1f} matched{bound}")
        # Compare the score with a cut that needs no training. Both are evaluated on the same jets, so the ratio has a
        # smaller uncertainty than either number. "Better" means a high confidence, not just a larger number.
        pairs = (qcd["score"], some["score"], -qcd["multiplicity"], -some["multiplicity"])
        ratio = paired_ratio(*pairs, *jets, eps_s=0.2, seed=1, replicas=200).matched
        words = "better" if ratio.confidence > 0.975 else "worse" if ratio.confidence < 0.025 else "not told apart"
        print(f"  against few constituents: {words} (ratio {ratio.ratio:.2f}, confidence {ratio.confidence:.2f})")


def joined(study: Path, stage: str, detector: str) -> dict[str, dict[str, Any]]:
    """Return columns of the test jets by sample: jets.parquet joined with the scores of one stage by jet_id."""
    jets = pq.read_table(study / "jets.parquet")
    scores = pq.read_table(study / "stages" / "scores" / stage / "scores.parquet")
    chosen = np.asarray(scores["detector"].cast("string")) == detector
    chosen &= np.asarray(scores["split"].cast("string")) == "test"
    ids, values = scores["jet_id"].to_numpy()[chosen], scores["score"].to_numpy()[chosen]
    order = np.argsort(jets["jet_id"].to_numpy())
    rows = order[np.searchsorted(jets["jet_id"].to_numpy(), ids, sorter=order)]
    columns = {name: jets[name].to_numpy()[rows] for name in ("event_id", "pt", "multiplicity")}
    names = np.asarray(jets["sample"].cast("string"))[rows]
    columns["score"] = values
    return {name: {key: column[names == name] for key, column in columns.items()} for name in np.unique(names)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path, help="folder of an embedding scan")
    with cli_errors():
        main(parser.parse_args().study)
