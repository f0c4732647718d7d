"""Submission to HEPData: background rejections of a study with their statistical and seed errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.fs_checks import check_writable
from darkclr_ray.reports import comparison, ensembles, runs, trials
from darkclr_ray.reports.comparison import WEIGHTINGS, Weighting
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.reader import Study, json_file, study_json

LEVEL = "68% of the test sample"


@dataclass(frozen=True)
class Result:
    """Rejection of one detector on one signal: value with its interval, and its deviation over seeds, if known."""

    detector: str
    signal: str
    weighting: Weighting
    eps_s: float
    value: Measurement
    deviation: float | None


def export(study_folder: Path, out: Path) -> list[str]:
    """Write a submission of a study's rejections into the folder ``out``; return the names of its tables.

    hepdata_lib writes the files and validates them against HEPData's schema.

    Raises:
        ImportError: hepdata_lib is not installed.
        ValueError: ``out`` is there already, or the study has no complete trial or run yet.
    """
    try:
        import hepdata_lib
    except ImportError:
        raise ImportError("hepdata_lib is not installed; pip install 'darkclr_ray[hepdata]'") from None
    if out.exists():
        raise ValueError(f"{out}: exists; name a new folder with --out")
    check_writable(out.parent, "--out")
    kind = study_json(study_folder).get("kind", "embedding_scan")
    study: Study = trials.read(study_folder) if kind == "embedding_scan" else runs.read(study_folder)
    found = list(of_scan(study) if isinstance(study, trials.Scan) else of_comparison(study))  # type: ignore[arg-type]
    submission = hepdata_lib.Submission()
    submission.comment = f"Background rejections of the study {study.name}, made with darkclr_ray."
    names = []
    for detector in dict.fromkeys(result.detector for result in found):
        for weighting in WEIGHTINGS:
            rows = [one for one in found if one.detector == detector and one.weighting == weighting]
            submission.add_table(table(hepdata_lib, study, detector, weighting, rows))
            names.append(f"{detector}, {weighting}")
    submission.create_files(str(out), validate=True)
    return names


def table(hepdata: Any, study: Study, detector: str, weighting: Weighting, rows: list[Result]) -> Any:
    """Return the hepdata_lib table of one detector: a row per signal, a column per signal efficiency."""
    signals = list(dict.fromkeys(row.signal for row in rows))
    found = hepdata.Table(f"Rejection of {detector}, {weighting}"[:64])
    how = "as they are" if weighting == "raw" else "with background weighted to the signal's spectrum of jet pT"
    found.description = (
        f"Background rejection 1/eps_B of {detector} on test jets {how}, at the threshold that keeps the fraction "
        f"eps_S of the test signal. stat: {LEVEL}; seed: standard deviation over networks with other seeds. A value "
        f"with > is a lower limit (95%)."
    )
    found.location = f"Study {study.name}"
    found.keywords["observables"] = ["1/eps_B"]
    found.keywords["phrases"] = ["Anomaly detection", "Dark showers", "Jets"]
    found.add_variable(_independent(hepdata, "signal", "", signals))
    for name, key, unit in (("r_inv", "r_inv", ""), ("dark pion mass", "pion_mass", "GeV")):
        values = [study.samples.get(signal, {}).get(key) for signal in signals]
        if all(value is not None for value in values):
            found.add_variable(_independent(hepdata, name, unit, values))
    for eps_s in sorted({row.eps_s for row in rows}):
        by_signal = {row.signal: row for row in rows if row.eps_s == eps_s}
        if by_signal.keys() >= set(signals):
            found.add_variable(_dependent(hepdata, eps_s, detector, [by_signal[signal] for signal in signals]))
    return found


def _independent(hepdata: Any, name: str, unit: str, values: list[Any]) -> Any:
    return hepdata.Variable(name, is_independent=True, is_binned=False, units=unit, values=values)


def _dependent(hepdata: Any, eps_s: float, detector: str, rows: list[Result]) -> Any:
    variable = hepdata.Variable("1/eps_B", is_independent=False, is_binned=False, units="")
    variable.values = [f">{row.value.value:.4g}" if row.value.bound else row.value.value for row in rows]
    variable.add_qualifier("eps_S", eps_s)
    variable.add_qualifier("detector", detector)
    statistical = hepdata.Uncertainty("stat", is_symmetric=False)
    statistical.values = [(0.0, 0.0) if row.value.bound else (-row.value.down, row.value.up) for row in rows]
    variable.add_uncertainty(statistical)
    if all(row.deviation is not None for row in rows):
        seed = hepdata.Uncertainty("seed", is_symmetric=True)
        seed.values = [0.0 if row.value.bound else row.deviation for row in rows]
        variable.add_uncertainty(seed)
    return variable


def of_scan(study: trials.Scan) -> Iterator[Result]:
    """Yield the results of a scan's best trial, with the deviation over its further seeds, and of the references."""
    repeats = repeated(study)
    for detector, signals in comparison.evaluations(study).items():
        for signal, evaluation in signals.items():
            for weighting in WEIGHTINGS:
                for eps_s in efficiencies(evaluation):
                    others = [at(one[detector][signal], weighting, eps_s).value for one in repeats if detector in one]
                    value = at(evaluation, weighting, eps_s)
                    yield Result(detector, signal, weighting, eps_s, value, stdev(others) if len(others) > 1 else None)


def repeated(study: trials.Scan) -> list[dict[str, dict[str, Evaluation]]]:
    """Return the evaluations of the best point on test jets with each further seed, by detector and signal."""
    points = [point for point in study.repeats.get("points", ()) if point["number"] == study.best.number]
    found = []
    for stages in (stages for point in points for stages in point["stages"] if stages):
        content = json_file(study.stage("evaluation", stages["evaluation"]) / "evaluation.json")["test"]
        found.append(
            {
                detector: {signal: Evaluation.from_json(facts) for signal, facts in signals.items()}
                for detector, signals in content.items()
            }
        )
    return found


def efficiencies(evaluation: Evaluation) -> list[float]:
    """Return the signal efficiencies at which rejections were evaluated."""
    return [one.eps_s for one in evaluation.raw.rejections]


def at(evaluation: Evaluation, weighting: Weighting, eps_s: float) -> Measurement:
    """Return the rejection at a signal efficiency with its interval."""
    return comparison.rejection(comparison.side(evaluation, weighting), eps_s)


def of_comparison(study: runs.Comparison) -> Iterator[Result]:
    """Yield the results of a comparison's methods: means and deviations over their networks."""
    for detector, ensemble in study.methods.items():
        known = [set(efficiencies(one)) for found in ensemble.evaluations.values() for one in found]
        for eps_s in sorted(set.intersection(*known)):
            for (signal, weighting), entry in ensembles.entries(ensemble, eps_s).items():
                yield Result(detector, signal, weighting, eps_s, ensembles.rejection(entry), entry.deviation)
