"""Submission to HEPData: background rejections of a study with their statistical and seed errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from darkclr_ray.fs_checks import check_writable
from darkclr_ray.reports.measurement import Measurement, rejection
from darkclr_ray.study.ensemble import WEIGHTINGS, Weighting
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.records import EvaluationRecord
from darkclr_ray.study.results import StudyResults

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
    study = read_results(study_folder)
    found = list(results(study))
    submission = hepdata_lib.Submission()
    submission.comment = f"Background rejections of the study {study.about.name}, made with darkclr_ray."
    names = []
    for detector in dict.fromkeys(result.detector for result in found):
        for weighting in WEIGHTINGS:
            rows = [one for one in found if one.detector == detector and one.weighting == weighting]
            submission.add_table(table(hepdata_lib, study, detector, weighting, rows))
            names.append(f"{detector}, {weighting}")
    with contextlib.chdir(out.parent):  # the library writes submission.tar.gz into the working folder
        submission.create_files(str(out.resolve()), validate=True)
    return names


def table(hepdata: Any, study: StudyResults, detector: str, weighting: Weighting, rows: list[Result]) -> Any:
    """Return the hepdata_lib table of one detector: a row per signal, a column per signal efficiency."""
    signals = list(dict.fromkeys(row.signal for row in rows))
    found = hepdata.Table(f"Rejection of {detector}, {weighting}"[:64])
    how = "as they are" if weighting == "raw" else "with background weighted to the signal's spectrum of jet pT"
    found.description = (
        f"Background rejection 1/eps_B of {detector} on test jets {how}, at the threshold that keeps the fraction "
        f"eps_S of the test signal. stat: {LEVEL}; seed: standard deviation over networks with other seeds. A value "
        f"with > is a lower limit (95%)."
    )
    found.location = f"Study {study.about.name}"
    found.keywords["observables"] = ["1/eps_B"]
    found.keywords["phrases"] = ["Anomaly detection", "Dark showers", "Jets"]
    found.add_variable(_independent(hepdata, "signal", "", signals))
    for name, key, unit in (("r_inv", "r_inv", ""), ("dark pion mass", "pion_mass", "GeV")):
        values = [getattr(study.samples.get(signal), key, None) for signal in signals]
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


def results(study: StudyResults) -> Iterator[Result]:
    """Yield the results of a comparison's detectors, or of a scan's best trial and references.

    The deviation over seeds is that over the networks of a detector or, of a scan's best trial, over its further seeds.
    """
    further = repeated(study)
    for detector, ensemble in study.methods.items():
        evaluations = [one for found in ensemble.evaluations.values() for one in found]
        known = [{cut.eps_s for cut in one.raw.rejections} for one in evaluations]
        for eps_s in sorted(set.intersection(*known)):
            for (signal, weighting), entry in ensemble.entries(eps_s).items():
                halves = [getattr(one.test[detector][signal], weighting) for one in further if detector in one.test]
                others = [half.at(eps_s).value for half in halves]
                deviation = stdev(others) if len(others) > 1 else entry.deviation
                yield Result(detector, signal, weighting, eps_s, rejection(entry), deviation)


def repeated(study: StudyResults) -> list[EvaluationRecord]:
    """Return the evaluations of a scan's best point with each further seed."""
    points = [] if study.repeats is None else study.repeats.points
    stages = [stages for point in points if point.number == study.best.number for stages in point.stages if stages]
    folders = [study.stage("evaluation", one["evaluation"]) for one in stages]
    return [EvaluationRecord.read(folder / "evaluation.json") for folder in folders]
