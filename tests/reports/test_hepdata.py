"""A study as a submission to HEPData: accepted by its validator, with the study's own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from darkclr_ray.cli.darkclr import main
from darkclr_ray.reports import hepdata
from darkclr_ray.reports.measurement import rejection
from darkclr_ray.store.files import read_json
from darkclr_ray.study.read_results import read_results

pytest.importorskip("hepdata_lib", reason="needs the extra [hepdata]")


def accepted(folder: Path) -> dict[str, Any]:
    """The submission's tables, after the validator of HEPData has accepted it."""
    from hepdata_validator.full_submission_validator import FullSubmissionValidator

    validator = FullSubmissionValidator()
    assert validator.validate(directory=str(folder)), validator.get_messages()
    first, *documents = yaml.safe_load_all((folder / "submission.yaml").read_text())
    assert "darkclr_ray" in first["comment"]
    return {one["name"]: yaml.safe_load((folder / one["data_file"]).read_text()) for one in documents}


def column(table: dict[str, Any], eps_s: float) -> dict[str, Any]:
    signals = [value["value"] for value in table["independent_variables"][0]["values"]]
    for variable in table["dependent_variables"]:
        qualifiers = {one["name"]: one["value"] for one in variable["qualifiers"]}
        if float(qualifiers["eps_S"]) == eps_s:
            return dict(zip(signals, variable["values"], strict=True))
    raise AssertionError(eps_s)


@pytest.mark.filterwarnings("ignore")
def test_a_scan(study_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "submission"
    assert main(["export", str(study_folder), "--to", "hepdata", "--out", str(out)]) == 0
    assert f"written to {out}" in capsys.readouterr().out
    tables = accepted(out)
    study = read_results(study_folder)
    record = read_json(study_folder / "trials" / f"{study.best.number:04d}.json")
    for weighting in ("raw", "matched"):
        table = tables[f"Rejection of s_NAE, {weighting}"]
        for signal, value in column(table, 0.2).items():
            facts = record["test"]["s_NAE"][signal][weighting]["rejection"]["0.2"]
            if facts["lower_bound"]:
                assert str(value["value"]).startswith(">")
                continue
            assert float(value["value"]) == pytest.approx(facts["value"], rel=1e-3)
            error = value["errors"][0]["asymerror"]
            shown = rejection(study.methods["s_NAE"].entries()[signal, weighting])
            assert error["plus"] == pytest.approx(shown.up, rel=0.01)
            assert error["minus"] == pytest.approx(-shown.down, rel=0.01)
    with pytest.raises(SystemExit):
        main(["export", str(study_folder), "--to", "hepdata", "--out", str(out)])
    assert "exists" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_a_comparison_has_seed_errors(comparison_folder: Path, tmp_path: Path) -> None:
    names = hepdata.export(comparison_folder, tmp_path / "submission")
    tables = accepted(tmp_path / "submission")
    assert len(tables) == len(names)
    ensemble = read_results(comparison_folder).methods["s_NAE"]
    values = column(tables["Rejection of s_NAE, raw"], 0.2)
    checked = 0
    for (signal, weighting), entry in ensemble.entries(0.2).items():
        if weighting == "raw" and not entry.lower_bound:
            errors = {error["label"]: error for error in values[signal]["errors"]}
            assert entry.deviation is not None
            assert errors["seed"]["symerror"] == pytest.approx(entry.deviation, rel=0.01)
            checked += 1
    assert checked > 0
