"""The page of a small study: its numbers against the study's files, what it says, what it refuses."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from darkclr_ray.evaluation.matching import PtBins
from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.evaluation.published import REJECTION
from darkclr_ray.reports import build, text
from darkclr_ray.reports.labels import decay_rules
from darkclr_ray.reports.page import section_html
from darkclr_ray.reports.sections import criteria, head, provenance, training
from darkclr_ray.reports.sections import study as summary
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.read_results import read_results as read
from darkclr_ray.study.records import Start
from darkclr_ray.study.results import StudyResults

from .make_study import SHIFTS, make_study, seal_study
from .pages import Text, bounded, changed, rows, said

TABLES = {"areas", "provenance", "ratios", "rejections", "rejections_tight", "samples", "settings", "significance"}
TABLES |= {"means", "timings", "trainings", "trials", "published"}


@pytest.fixture(scope="session")
def page(report):
    return Text(report.read_text(encoding="utf-8"))


def test_every_figure_and_table_is_there(report, page):
    with_data = {"rejection", "detectors_rejection", "roc_methods", "roc_signals"}
    with_data |= {"encoder_training", "energy_training", "training_curves", "importances", "timeline"}
    with_data |= {"score_histograms", "jets_most", "jets_least", "occlusion"}
    others = {"scan", "augmentations", "coordinates", "slices", "score_menu", "score_maps", "representations"}
    assert {*others, *with_data, *TABLES} <= set(page.names)
    assert TABLES | with_data == {path.stem for path in report.parent.glob("*.csv")}


def test_best_trial_is_the_one_with_the_highest_validation_objective(study_folder, page):
    trials = [json.loads(path.read_text()) for path in study_folder.glob("trials/*.json")]
    best = max((t for t in trials if t["objectives"]), key=lambda t: t["objectives"]["matched"])
    assert read(study_folder).best.number == best["number"]
    assert f"step size {best['parameters']['step_size']:g}) reaches" in str(page)


def test_table_holds_what_the_trial_wrote(study_folder, report):
    study = read(study_folder)
    found = {
        (row["detector"], row["signal"], row["weighting"], row["eps_s"]): row for row in rows(report, "rejections")
    }
    for signal in SHIFTS:
        for weighting in ("raw", "matched"):
            entry = getattr(study.best.test["s_NAE"][signal], weighting).at(0.1)
            row = found["s_NAE", signal, weighting, "0.1"]
            assert float(row["rejection"]) == entry.value
            assert float(row["rejection_low"]) == entry.bootstrap_low
            if weighting == "raw":
                assert float(row["rejection_binomial_low"]) == entry.low
            assert row["rejection_lower_bound"] == str(int(entry.lower_bound))
        assert float(found["paper", signal, "raw", "0.2"]["rejection"]) == REJECTION["DarkCLR"][signal].value


def test_rejection_of_multiplicity_agrees_with_counting_jets(study_folder, report):
    jets = read(study_folder).jets
    for row in rows(report, "rejections"):
        if row["detector"] != "multiplicity" or row["weighting"] == "matched":
            continue
        background = jets.multiplicity[jets.of("qcd")]
        signal = np.sort(jets.multiplicity[jets.of(row["signal"])])
        cut = signal[int(float(row["eps_s"]) * len(signal)) - 1]
        assert np.mean(background < cut) <= 1 / float(row["rejection"]) <= np.mean(background <= cut)


def test_a_ratio_is_significant_where_its_interval_leaves_out_1():
    """Two scores of the same power or not: the sign is that which the two-sided 95% interval shows."""
    random, found, jets = np.random.default_rng(2), [], 400
    pt, event = np.full(jets, 200.0), np.arange(jets)
    for power in np.repeat([0.5, 0.8, 1.0, 1.25, 1.6], 12):
        parts = [random.normal(mean, size=jets) for mean in (0.0, power, 0.0, 1.0)]
        found.append(paired_ratio(*parts, pt, pt, event, event, seed=1, replicas=200).matched)
    assert [ratio.significant for ratio in found] == [(ratio.low > 1) - (ratio.high < 1) for ratio in found]
    ahead = sum(ratio.significant == 1 for ratio in found)
    assert 0 < ahead < sum(ratio.confidence >= 0.95 for ratio in found)  # a one-sided word would contradict intervals


def test_two_rules_of_decay_on_one_line_are_said(study_folder, page, comparison):
    """The rules are those of the samples themselves; of signals that share one there is nothing to say."""
    words = "at Aachen only the neutral rho decays, and always"
    assert words in str(page)
    assert words in str(Text(comparison.read_text(encoding="utf-8")))
    samples = read(study_folder).samples
    same = {name: sample.model_copy(update={"decays": "all_mesons"}) for name, sample in samples.items()}
    unknown = {name: sample.model_copy(update={"decays": None}) for name, sample in samples.items()}
    assert decay_rules(samples)
    assert not decay_rules(same)
    assert not decay_rules(unknown)
    assert not decay_rules({name: samples[name] for name in ("aachen", "mass_10", "mass_20")})


ENDS = "A curve ends where less than one background jet of average weight survives."


def test_a_curve_ends_where_its_caption_says(study_folder, report, page, comparison):
    """Survivors counted by hand. Of weighted background a few may survive where the curve has ended already."""
    assert ENDS in str(page)
    assert ENDS in str(Text(comparison.read_text(encoding="utf-8")))
    study, few = read(study_folder), 0
    jets, scores = study.jets, study.scores(study.methods["s_NAE"])
    background = jets.of("qcd")
    for row in rows(report, "roc_signals"):
        signal = jets.of(row["signal"])
        cut = np.sort(scores[signal])[-math.ceil(float(row["eps_s"]) * len(signal))]
        weights = np.ones(len(background))
        if row["weighting"] == "matched":
            weights = PtBins.of(jets.pt[background], jets.pt[signal]).weights()
        above = scores[background] >= cut
        assert (row["rejection"] == "") == (weights[above].sum() < 0.999 * weights.mean())
        few += row["rejection"] == "" and above.any()
    assert few > 0


def test_scores_stand_with_their_jets(study_folder):
    """The score of a jet is the one that its row of scores.parquet has, whatever the order of the rows."""
    import pyarrow.parquet as pq

    study = read(study_folder)
    jets = pq.read_table(study_folder / "jets.parquet").to_pylist()
    table = pq.read_table(study.stage("scores", study.best.stages["scores"]) / "scores.parquet").to_pylist()
    scores = {row["jet_id"]: row["score"] for row in table if row["detector"] == "s_CLR"}
    expected = [scores[jet["jet_id"]] for jet in sorted(jets, key=lambda jet: jet["jet_id"]) if jet["split"] == "test"]
    assert study.scores(study.methods["s_CLR"]).tolist() == expected


def test_ratio_is_that_of_the_two_rejections(report):
    rejections = {
        (row["detector"], row["signal"], row["weighting"]): float(row["rejection"])
        for row in rows(report, "rejections")
        if row["eps_s"] == "0.2"
    }
    ratios = rows(report, "ratios")
    assert {row["denominator"] for row in ratios} == {"s_CLR", "untrained s_NAE", "multiplicity"}
    for row in ratios:
        place = row["signal"], row["weighting"]
        expected = rejections["s_NAE", *place] / rejections[row["denominator"], *place]
        assert float(row["ratio"]) == pytest.approx(expected)
        assert 0 < float(row["confidence"]) < 1


def test_page_says_what_chose_what_and_where_thresholds_come_from(page):
    said = str(page)
    assert "10,000 QCD jets without labels" in said
    assert "validation split (1,200 QCD jets and 300 of each of 5 signals)" in said
    assert "test signal itself" in said
    assert "the choice among trials is not" in said


@pytest.mark.parametrize(
    ("nae", "words"),
    [
        ({"views_p_drop": []}, "the autoencoder’s that with the energy difference closest to zero."),
        (
            {"views_p_drop": [0.5], "divergence_selection": "energy_difference"},
            "anomalous views, and after it that with the energy difference closest to zero.",
        ),
        ({"views_p_drop": [0.5], "divergence_selection": "views"}, "from their own anomalous views (by area). The"),
        ({"views_p_drop": [0.5], "divergence_epochs": 0}, "from their own anomalous views. The search"),
        ({"views_p_drop": [], "divergence_epochs": 0}, "the autoencoder’s the last. The search"),
    ],
)
def test_what_chose_the_autoencoders_epoch(study_folder, nae, words):
    assert words in said(changed(read(study_folder), nae=nae), summary.section)


def test_what_no_background_survives_is_a_bound_in_the_headline(study_folder):
    study = bounded(read(study_folder), "s_NAE", "mass_20")
    assert re.search(r"and of \d+ to more than 900,000 on the other signals", said(study, head.section))


def test_a_signal_stands_in_both_panels_where_lines_of_both_go_through_it(study_folder, page, comparison):
    words = "In both kinds of panels: Aachen (rinv = 0.75, 4 GeV)."
    assert words in str(page)
    assert words in str(Text(comparison.read_text(encoding="utf-8")))
    study = read(study_folder)
    for names in (["rinv_0.5", "rinv_0.2", "mass_10", "mass_20"], ["aachen", "rinv_0.5", "rinv_0.2"]):
        samples = {name: study.about.samples[name] for name in names}
        tests = {score: {name: one[name] for name in names} for score, one in study.runs[0].test.items()}
        runs = (study.runs[0].model_copy(update={"test": tests}),)
        few = replace(study, about=study.about.model_copy(update={"samples": samples}), runs=runs)
        assert text.both_panels(few) == []


def test_the_background_has_its_own_name(study_folder, page, comparison):
    words = "Where jets of a signal and of QCD differ in pT, a score may"
    assert words in str(page)
    assert words in str(Text(comparison.read_text(encoding="utf-8")))
    light = changed(read(study_folder), background="light_quarks")
    assert "of a signal and of light_quarks differ in" in said(light, summary.section)


@pytest.mark.parametrize(
    ("objective", "jets"),
    [
        ("signal_blind", "1,200 QCD jets"),
        ("leave_out:aachen", "1,200 QCD jets and 300 of each of 4 signals"),
        ("my_module:median", "1,200 QCD jets and 300 of each of 5 signals"),
    ],
)
def test_jets_that_chose_the_model_depend_on_the_objective(study_folder, objective, jets):
    study = changed(read(study_folder), search={"objective": objective})
    assert text.selecting_jets(study) == jets
    assert f"on validation jets ({jets})." in said(study, summary.section)


def test_pruned_and_failed_trials_are_listed_with_their_reasons(report, page):
    states = {row["trial"]: (row["state"], row["reason"]) for row in rows(report, "trials")}
    assert states["4"] == ("pruned", "behind two thirds of the trials after 4 epochs")
    assert states["5"] == ("failed", "Langevin chains ran away <in epoch 3>")
    assert "ran away <in epoch 3>" in str(page)


def test_chains_that_stand_still_are_reported(page):
    assert "1 epoch with a warning, the selected one; the last one: Langevin chains stand still." in str(page)


def test_a_plain_autoencoder_has_no_epoch_of_contrastive_divergence(study_folder, monkeypatch):
    study, history = read(study_folder), StudyResults.history
    monkeypatch.setattr(StudyResults, "history", lambda *which: [one for one in history(*which) if one["epoch"] < 30])
    assert "No epoch of contrastive divergence was recorded" in said(study, training.section)


def test_settings_that_differ_from_the_papers_are_listed(report):
    differing = {row["setting"]: (row["here"], row["paper"]) for row in rows(report, "settings")}
    assert differing["inputs.pt"] == ("fraction", "gev")
    assert "contrastive.temperature" not in differing


def test_defaults_that_are_not_the_papers_are_always_said(study_folder, page):
    """Three of the autoencoder: a study of the defaults lists them beside the paper's values, and nothing else."""
    assert "Three defaults of the autoencoder are not the paper’s" in str(page)
    table = provenance.differing_settings(StudySettings())
    listed = {row["setting"]: (row["here"], row["paper"]) for row in table.rows}
    assert listed == {
        "nae.scale": ("global", "none"),
        "nae.energy_penalty": ("1", "0"),
        "nae.views_p_drop": ("0.3, 0.5, 0.7", "none"),
    }


def test_building_again_gives_the_same_page(study_folder, report):
    before = report.read_bytes()
    assert build(study_folder) == report
    assert report.read_bytes() == before


def test_importing_the_reports_imports_neither_torch_nor_ray():
    code = "import sys, darkclr_ray.reports; print(sorted({'torch', 'ray', 'optuna'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def evil(facts):
    """A study whose every word is an attack."""
    attack = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    return facts | {
        "name": attack,
        "created": attack,
        "command": [attack],
        "starts": [{"time": attack, "versions": {attack: word}} for word in (attack, "x")],
    }


def test_words_of_a_study_stay_words(tmp_path, report):
    folder = make_study(tmp_path / "evil", background=600, signal=100, replicas=6)
    path = folder / "study.json"
    path.write_text(json.dumps(evil(json.loads(path.read_text()))))
    settings = folder / "settings.yaml"
    settings.write_text(settings.read_text().replace("jets: starter", "jets: <script>alert(1)</script>"))
    html = build(seal_study(folder)).read_text(encoding="utf-8")
    assert html.count("<script") == report.read_text(encoding="utf-8").count("<script")
    assert "<img" not in Text(html).rawdata
    assert "<script>alert(1)</script>" in str(Text(html))


def test_what_a_study_was_continued_with_is_said(study_folder):
    old = read(study_folder)
    assert "What made these numbers." in said(old, provenance.section)
    table = by_group(provenance.facts(old))
    assert (table["machine", "cpus"], table["versions", "darkclr_ray"]) == ("2", "0.1.0")

    def start(day, torch, cpus, **precision):
        return Start(time=day, versions={"torch": torch}, machine={"cpus": cpus, "gpus": 0}, **precision)

    starts = [
        start("2026-10-01T09:00:00+0000", "2.9.0", 2, precision="float32"),
        start("2026-10-02T09:00:00+0000", "2.9.0", 4),
        start("2026-11-01T09:00:00+0000", "<b>", 4, precision="bfloat16", kernels={"encoder": "C"}),
    ]
    study = replace(old, about=old.about.model_copy(update={"starts": starts}))
    caption, table = said(study, provenance.section), by_group(provenance.facts(study))
    assert "torch 2.9.0 until 2026-11-01, <b> since" in caption
    assert "cpus 2 until 2026-10-02, 4 since" in caption
    assert "precision float32 until 2026-11-01, bfloat16 since" in caption
    assert "gpus 0 until" not in caption
    assert (table["machine", "cpus"], table["versions", "torch"], table["precision", ""]) == ("4", "<b>", "bfloat16")
    assert table["implementation", "encoder"] == "C"


def by_group(table):
    """A table's values by group and fact."""
    groups, group = {}, ""
    for row in table.rows:
        group = row["group"] or group
        groups[group, row["fact"]] = row["value"]
    return groups


def test_stage_names_cannot_leave_the_folder(tmp_path):
    folder = make_study(tmp_path / "toy", background=600, signal=100, replicas=6)
    for path in folder.glob("trials/*.json"):
        trial = json.loads(path.read_text())
        path.write_text(json.dumps(trial | {"stages": {"scores": "../../etc"}}))
    with pytest.raises(ValueError, match="letters, digits"):
        build(seal_study(folder))


def test_criteria_without_a_signal_are_shown_for_enough_trials(study_folder):
    study = read(study_folder)
    assert criteria.section(study) is None  # four complete trials
    complete = [trial for trial in study.trials if trial.state == "COMPLETE"]
    blind = {0: 0.3, 1: 0.1, 2: 0.4, 3: 0.2}
    more = [
        trial.model_copy(update={"number": 4 * turn + at, "objectives": {"signal_blind": blind[at]}})
        for turn in range(2)
        for at, trial in enumerate(complete)
    ]
    found = replace(study, trials=tuple(more))
    table = criteria.section(found).parts["criteria"]
    tests = [trial.test["s_NAE"]["aachen"].log_rejection("matched") for trial in complete]
    expected = spearmanr([blind[at] for at in range(4)], tests).statistic  # each trial is there twice
    assert table.rows[0]["aachen"].value == pytest.approx(expected)
    assert "over the 8 complete trials" in str(Text(section_html(found, criteria.section(found))))


def test_means_of_observables_are_those_of_background_views_and_signals(study_folder, report, page):
    """Ten observables of every kind of jets, and what the window of translations is."""
    content = json.loads((study_folder / "means.json").read_text())
    found = rows(report, "means")
    assert [row["jets"] for row in found[:3]] == ["QCD", "views: branch dropping", "views: pt power"]
    assert len(found) == 3 + len(SHIFTS)
    assert len(found[0]) == 11
    for row, expected in zip(found, [content["background"], *content["views"].values()], strict=False):
        assert {name: float(row[name]) for name in expected} == expected
    assert "1.66 times as wide as the paper’s text says" in str(page)


def test_study_without_extras_is_reported_too(tmp_path):
    """An unfinished study: no references, no examples, no histories, hardly any facts."""
    folder = make_study(tmp_path / "toy", background=600, signal=100, replicas=6)
    for name in ("references.json", "examples.npz", "means.json"):
        (folder / name).unlink()
    for path in folder.glob("stages/*/*/history.jsonl"):
        path.unlink()
    facts = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({"name": facts["name"]}))
    html = build(seal_study(folder)).read_text(encoding="utf-8")
    assert "not recorded" in html
    assert 'id="energy_training"' not in html


def test_references_of_an_earlier_best_trial_are_not_set_beside_this_one(tmp_path):
    folder = make_study(tmp_path / "toy", background=600, signal=100, replicas=6)
    known = json.loads((folder / "references.json").read_text())
    assert {run.label for run in read(folder).runs} == {"", "untrained", "multiplicity"}
    known["untrained"]["parameters"] = read(folder).best.parameters | {"d_z": 1}
    (folder / "references.json").write_text(json.dumps(known))
    assert {run.label for run in read(seal_study(folder)).runs} == {"", "multiplicity"}


@pytest.mark.parametrize("ended", ["FAIL", "PRUNED"])
def test_nothing_is_reported_before_a_complete_trial(tmp_path, ended):
    folder = tmp_path / "toy"
    (folder / "trials").mkdir(parents=True)
    (folder / "study.json").write_text('{"name": "toy"}')
    (folder / "settings.yaml").write_text("seed: 1\n")
    (folder / "trials/0000.json").write_text(json.dumps({"number": 0, "state": ended}))
    with pytest.raises(ValueError, match=f"before the first complete trial .trial 0: {ended}"):
        build(seal_study(folder))


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no study\.json"):
        build(tmp_path)
