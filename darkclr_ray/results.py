"""Results of a finished or running study in notebooks: trials, evaluations, scores and histories as DataFrames.

from darkclr_ray import results

study = results.open("results/embedding_scan")
study.evaluations().query("weighting == 'matched' and eps_s == 0.2")
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.models import load_model
from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.study.ensemble import Ensemble
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.results import StudyResults


class Results:
    """Results of one study; every file is verified by its checksum when it is read.

    Args:
        study: content of the study's folder.
    """

    def __init__(self, study: StudyResults) -> None:
        self.study = study

    def trials(self) -> pd.DataFrame:
        """Return one row per trial: number, state, reason, objective, seconds and parameters; empty for a comparison.

        The objective is a mean natural logarithm of rejections; ``rejection`` is its exponential.
        """
        rows = [
            {
                "number": trial.number,
                "state": trial.state,
                "reason": trial.reason,
                "objective": trial.objective,
                "rejection": None if trial.objective is None else float(np.exp(trial.objective)),
                "seconds": trial.seconds.get("total"),
                **trial.parameters,
            }
            for trial in self.study.trials
        ]
        return pd.DataFrame(rows).set_index("number") if rows else pd.DataFrame()

    def evaluations(self) -> pd.DataFrame:
        """Return one row per network, signal, weighting and signal efficiency, on test jets.

        Columns: ``detector``, ``run``, ``signal``, ``weighting`` ("raw" or "matched" to the signal's pT), ``eps_s``,
        ``rejection`` with its bootstrap interval ``low``, ``high`` (None: unbounded), ``lower_bound``, and ``auc``.
        """
        rows = [
            {"detector": detector, "run": key, "signal": signal, **row}
            for detector, key, signal, evaluation in self._evaluations()
            for row in _rejections(evaluation)
        ]
        return pd.DataFrame(rows)

    def _evaluations(self) -> Iterator[tuple[str, str, str, Evaluation]]:
        for run in self.study.complete:
            for detector, signals in run.test.items():
                for signal, evaluation in signals.items():
                    yield detector, run.key, signal, evaluation

    def scores(self) -> pd.DataFrame:
        """Return one row per test jet: id, event, sample, pT [GeV], multiplicity, and the score of each detector.

        The score is that of the detector's first network; detectors without stored scores of all jets are left out.
        """
        jets = self.study.jets
        columns: dict[str, Any] = {
            "jet_id": jets.ids,
            "event_id": jets.events,
            "sample": jets.samples,
            "pt": jets.pt,
            "multiplicity": jets.multiplicity,
        }
        for name, ensemble in self.detectors().items():
            scores = self.study.scores(ensemble)
            if scores is not None:
                columns[name] = scores
        return pd.DataFrame(columns)

    def detectors(self) -> dict[str, Ensemble]:
        """Return the detectors at the study's own settings, by name, with their networks."""
        return self.study.methods

    def history(self, trial: int, stage: str = "representation") -> pd.DataFrame:
        """Return the training history of a trial, one row per epoch.

        Args:
            trial: number of the trial.
            stage: "representation" (encoder) or "energy" (autoencoder).

        Raises:
            ValueError: there is no such trial.
        """
        found = [record for record in self.study.trials if record.number == trial]
        if not found:
            raise ValueError(f"no trial {trial}; {self.study.folder} has {len(self.study.trials)} trials")
        return pd.DataFrame(self.study.history(found[0].stages, stage))

    def best_model(self, detector: str | None = None) -> AnomalyDetector[Any]:
        """Return a detector of the best trial, ready to score jets; by default the one that the search optimised.

        Raises ValueError if the study has no best trial.
        """
        if not (self.study.folder / "best").is_dir():
            raise ValueError(f"{self.study.folder}: there is no best/; only a search that has finished writes it")
        return load_model(self.study.folder / "best", detector or self.study.settings.search.score)

    def __repr__(self) -> str:
        count = f"{len(self.study.trials)} trials" if self.study.trials else f"{len(self.study.runs)} runs"
        return f"<{self.study.about.kind} {self.study.about.name!r}: {count}, {len(self.study.main_signals)} signals>"

    def _repr_html_(self) -> str:
        """Return a table of the matched rejections at a signal efficiency of 0.2, which notebooks show."""
        table = self.evaluations().query("weighting == 'matched' and eps_s == 0.2")
        shown = table.pivot_table("rejection", "detector", "signal", sort=False)
        return f"<p>{html.escape(repr(self))}: background rejection at eps_S = 0.2, pT-matched</p>" + str(
            shown.to_html(float_format="{:.3g}".format)
        )


def _rejections(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for weighting, performance in (("raw", evaluation.raw), ("matched", evaluation.matched)):
        for rejection in performance.rejections:
            yield {
                "weighting": weighting,
                "eps_s": rejection.eps_s,
                "rejection": rejection.value,
                "low": rejection.bootstrap_low,
                "high": rejection.bootstrap_high,
                "lower_bound": rejection.lower_bound,
                "auc": performance.auc,
            }


def open(folder: str | Path) -> Results:
    """Return the results of a study of any kind.

    Args:
        folder: the study's folder, which contains ``study.json``.

    Raises:
        ValueError: the folder contains no study, a file is damaged, or no trial or run is complete yet.
    """
    return Results(read_results(Path(folder)))
