"""The page of a small comparison: its numbers against the record, what it says, what it leaves out."""

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from markupsafe import Markup
from scipy.stats import chi2, norm

from darkclr_ray.evaluation.intervals import clopper_pearson
from darkclr_ray.evaluation.published import REJECTION
from darkclr_ray.reports import build
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.curves import as_rows
from darkclr_ray.reports.sections import head, leave_one_out, observables, selection
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.display import OTHERS, display_of, in_order, is_prominent
from darkclr_ray.study.labels import is_grid
from darkclr_ray.study.read_results import read_results as read

from .make_comparison import GRID, METHODS, SEEDS, make_comparison
from .make_study import SHIFTS, seal_study, write_json
from .pages import Text, bounded, changed, rows, said

FIGURES = {
    *("score_histograms", "score_menu", "score_maps", "representations", "jets_most", "jets_least", "occlusion"),
    "rejection",
    "detectors_rejection",
    "roc_methods",
    "roc_signals",
    "dimensions",
    "linear",
    "plane_rejection",
    "plane_ratio",
    "plane_selected",
    "contamination_rejection",
    "spectra",
    "encoder_training",
    "energy_training",
    "augmentations",
}
TABLES = {"samples", "rejections", "ratios", "areas", "rejections_tight", "dimensions_numbers", "linear_numbers"}
TABLES |= {"signal_blind", "leave_one_out", "sculpting", "stability", "systematics", "variance", "runs"}
TABLES |= {"settings", "provenance", "timings", "published", "terms", "normalisation"}


@pytest.fixture(scope="module")
def text(comparison):
    return Text(comparison.read_text(encoding="utf-8"))


def runs(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("runs/*.json"))]


def test_every_figure_and_table_is_there(comparison, text):
    assert {*FIGURES, *TABLES} <= set(text.names)
    without = {"encoder_training", "energy_training", "augmentations", "score_menu", "score_maps", "representations"}
    assert {path.stem for path in comparison.parent.glob("*.csv")} >= (FIGURES - without) | TABLES


def test_published_numbers_stand_beside_the_detectors_that_implement_them(comparison, text):
    found = {row["method"]: row for row in rows(comparison, "published")}
    assert found["DarkCLR, sNAE"]["rejection_published"] == "59.0"
    assert float(found["DarkCLR, sNAE"]["rejection_matched"]) > 0
    assert found["DVAE"]["auc_published"] == "0.71"  # no detector of the study implements it
    assert "SciPost Phys. Core 6, 074" in found["NAE on jet images"]["source"]
    assert not found["few constituents"]["source"]
    assert "most likely those of the DVAE in SciPost Phys. 15, 168" in str(text)
    assert "image_nae: images.pixels 20 (40)" in str(text)


def test_mean_and_spread_are_those_of_the_networks(comparison_folder, comparison):
    """Regression against the record itself, by hand: mean over runs, standard deviation with N - 1."""
    networks = [one for one in runs(comparison_folder) if one["key"].startswith("DarkCLR-e") and "test" in one]
    networks = [one["test"]["s_NAE"] for one in networks if one["sections"] == ["methods"]]
    assert len(networks) == len(SEEDS["DarkCLR"])
    found = {
        (row["detector"], row["signal"], row["weighting"], row["eps_s"]): row for row in rows(comparison, "rejections")
    }
    for signal in [*SHIFTS, *GRID]:
        for weighting in ("raw", "matched"):
            values = [one[signal][weighting]["rejection"]["0.2"] for one in networks]
            row = found["s_NAE", signal, weighting, "0.2"]
            numbers = [value["value"] for value in values]
            assert float(row["rejection"]) == pytest.approx(np.mean(numbers))
            assert float(row["rejection_deviation"]) == pytest.approx(np.std(numbers, ddof=1))
            assert float(row["rejection_low"]) == pytest.approx(np.mean([value["bootstrap_low"] for value in values]))
            if weighting == "raw":
                assert float(row["rejection_binomial_low"]) == pytest.approx(
                    np.mean([value["low"] for value in values])
                )
    assert float(found["paper", "mass_10", "raw", "0.2"]["rejection"]) == REJECTION["DarkCLR"]["mass_10"].value
    assert found["multiplicity", "aachen", "raw", "0.2"]["rejection_deviation"] == ""


def test_headline_states_the_outcome_in_numbers(comparison_folder, text):
    study = read(comparison_folder)
    assert study.selected.detector == "views_classifier"
    pairs = [pair for pair in study.result("pairs") if pair.b == "supervised" and pair.signal != "aachen"]
    ahead = sum(pair.matched.low > 1 for pair in pairs)
    assert "Trained once and without labels, the views’ classifier has a pT-matched background" in str(text)
    assert "; the choice among detectors was made without signals" in str(text)
    assert "With 95% confidence, on the same jets and with the first network of each, it is ahead of" in str(text)
    assert f"ahead of the supervised classifier on {ahead} of 4 signals that it was not trained on" in str(text)
    assert "where the paper has 58, 35, 28, 65, 33" in str(text)


def test_page_says_once_what_was_trained_on_what(comparison, text):
    """The table has every detector of the page; no caption repeats what it says."""
    found = {row["trained_on"]: row for row in rows(comparison, "trainings")}
    supervised = found["10,000 QCD and 3,000 Aachen jets with labels"]
    assert supervised["detectors"] == "supervised; boosted trees (supervised)"
    assert (supervised["epochs"], supervised["settings"]) == ("that of the lowest training loss", "those of the preset")
    assert "views’ classifier" in found["10,000 QCD jets without labels"]["detectors"]
    assert "10,000 QCD jets without labels, 3.0% of them Aachen" in found
    assert str(text).count("that of the lowest training loss") == len(found)


def test_first_sentence_of_a_comparison_answers_the_question_of_its_title(comparison_folder):
    """With numbers of the tables, for each kind of comparison."""
    study = read(comparison_folder)
    entries = study.selected.entries(signals=study.main_signals)
    values = sorted(entries[signal, "matched"].rejection for signal in study.main_signals)
    lead = entries["aachen", "matched"].rejection

    def first(kind):
        one = replace(study, about=study.about.model_copy(update={"kind": kind}))
        return head.title(one), said(one, head.section).partition("2026-01-01 ")[2]

    title, words = first("method_comparison")
    assert title.endswith("how well are dark showers found without labels?")
    start = f"Without labels, the views’ classifier reaches a pT-matched background rejection of {lead:.0f} "
    assert words.startswith(start)
    title, words = first("robustness")
    assert title.endswith("does one training hold when the dark sector changes?")
    assert f"rejection of {values[0]:.0f} to {values[-1]:.0f} on 5 signals at εS = 0.2 (chance: 5)." in words
    assert words.startswith("Trained once and without labels, the views’ classifier has a pT-matched background")


def test_page_says_where_thresholds_come_from(text):
    page = str(text)
    assert "test signal itself" in page
    assert "covers less than it claims, the less the smaller the rejection" in page


def test_exact_interval_covers_less_than_it_claims_the_less_the_smaller_the_rejection():
    """What the page says of it, by toys: normal scores, the cut that keeps a fifth of 1,500 signal jets."""
    random, covered = np.random.default_rng(1), []
    for separation in (0.4, 1.6):  # rejections of 9 and 140
        rejection = 1 / norm.sf(norm.isf(0.2) + separation)
        cuts = norm.isf(random.beta(300, 1201, size=1000)) + separation  # order statistics of the signal
        intervals = [clopper_pearson(survivors, 6000) for survivors in random.binomial(6000, norm.sf(cuts))]
        covered.append(np.mean([low < 1 / rejection < high for low, high in intervals]))
    assert covered[0] < covered[1] - 0.1
    assert covered[1] < 0.68


def test_components_of_variance_stand_with_their_degrees_of_freedom(comparison, text):
    """Of 3 encoders, 2 autoencoders on each and 4 parts of the test sample."""
    words = [row["row"] for row in rows(comparison, "variance")]
    assert [re.search(r", (\d+ degrees?) of freedom", one)[1] for one in words] == [
        "2 degrees",
        "3 degrees",
        "3 degrees",
        "15 degrees",
    ]
    for freedom, low, high in ((1, 0.7, 5), (3, 0.8, 1.9)):
        interval = [math.sqrt(freedom / chi2.isf(tail, freedom)) for tail in (0.1587, 0.8413)]
        assert interval == pytest.approx([low, high], abs=0.05)
        assert f"from {low} to {high} times" in str(text)


def test_what_no_background_survives_is_a_bound_in_the_headline(comparison_folder):
    study = bounded(read(comparison_folder), "views_classifier", "mass_20")
    assert re.search(r"and of \d+ to more than 900,000 on the other signals", said(study, head.section))
    study = bounded(read(comparison_folder), "s_NAE", "mass_20")
    assert "more than 900,000 where the paper has 58, 35, 28, 65, 33" in said(study, head.section)


def test_papers_numbers_stand_beside_methods_on_signals_that_are_there(comparison_folder, comparison):
    for name in ("rejections", "rejection"):
        assert {row["signal"] for row in rows(comparison, name) if row["detector"] == "paper"} == set(SHIFTS)
    for name in ("linear", "contamination_rejection", "dimensions"):
        assert not [row for row in rows(comparison, name) if row["detector"].startswith("paper")]
    study = read(comparison_folder)
    samples = {name: sample for name, sample in study.about.samples.items() if name in ("qcd", "aachen", "mass_10")}
    runs = tuple(
        run.model_copy(
            update={"test": {name: {s: one[s] for s in samples if s in one} for name, one in run.test.items()}}
        )
        for run in study.runs
    )
    study = replace(study, about=study.about.model_copy(update={"samples": samples}), runs=runs)
    table = as_rows(study, study.methods.values())
    assert {row["signal"] for row in table if row["detector"] == "paper"} == {"aachen", "mass_10"}


@pytest.mark.parametrize(
    ("bounds", "shown", "note"),
    [
        ((False, False), "2.00", ""),
        ((True, False), "> 2.00", ""),
        ((False, True), "2.00", "at most"),
        ((True, True), "2.00", "no background survives either"),
    ],
)
def test_an_oracle_over_the_other_choice_is_marked_as_a_bound(comparison_folder, bounds, shown, note):
    study = read(comparison_folder)
    [one, *_] = study.result("leave_one_out")
    kinds = {
        kind: replace(getattr(one, kind), matched_bound=bound)
        for kind, bound in zip(("oracle", "left_out"), bounds, strict=True)
    }
    analysis = study.analyses["leave_one_out"].model_copy(update={"result": [replace(one, loss=2.0, **kinds)]})
    table = leave_one_out.section(replace(study, analyses={"leave_one_out": analysis})).parts["leave_one_out"]
    assert (str(table.rows[0]["loss"]), table.rows[0]["loss"].note) == (shown, note)


def test_who_was_taught_the_views_that_judge_is_said(comparison_folder, text):
    """The laptop preset's numbers; nothing where no constituents are dropped in training."""
    words = "(pdrop = 0.15, 0.3, 0.45). DarkCLR’s encoder (0.7) and the views’ classifier (0.3 to 0.7) were trained"
    assert words in str(text)
    study = changed(read(comparison_folder), views={"anomalous": ["translation"]})
    assert "were trained" not in said(study, selection.section).replace("Encoders were trained", "")


def test_a_detector_with_labels_is_never_the_selected_detector(comparison_folder):
    study = read(comparison_folder)
    assert study.methods["supervised"].labels
    assert not study.selected.labels
    assert study.by_blind_objective(study.methods.values())[0] == study.selected


def with_views(study, change):
    """The study after ``change``, a function of a detector and its rejections against anomalous views by efficiency."""
    runs = []
    for run in study.runs:
        blind = {}
        for detector, one in run.signal_blind.items():
            cuts = change(detector, {cut.eps_s: cut for cut in one.matched.rejections})
            blind[detector] = replace(one, matched=replace(one.matched, rejections=tuple(cuts.values())))
        runs.append(run.model_copy(update={"signal_blind": blind}))
    return replace(study, runs=tuple(runs))


def views(cut, value, low=None, high=None, bound=False):
    """A cut with another rejection of anomalous views and its interval."""
    return replace(cut, value=value, bootstrap_low=low or value, bootstrap_high=high, lower_bound=bound)


def test_the_choice_without_signals_has_its_interval(comparison_folder, comparison):
    """Geometric means over networks of the record's own ends."""
    table = {row["form"]: row for row in rows(comparison, "signal_blind")}
    for detector in ("s_NAE", "views_classifier"):
        networks = [one for one in runs(comparison_folder) if one["key"] in ("DarkCLR-e1", "DarkCLR-e2", "DarkCLR-e3")]
        cuts = [one["signal_blind"][detector]["matched"]["rejection"]["0.2"] for one in networks]
        row = table[Markup(ensemble_label(read(comparison_folder).methods[detector])).striptags()]
        for column, key in (("blind", "value"), ("blind_low", "bootstrap_low"), ("blind_high", "bootstrap_high")):
            assert float(row[column]) == pytest.approx(np.exp(np.mean(np.log([cut[key] for cut in cuts]))))


def test_a_choice_that_no_background_survives_is_a_bound(comparison_folder):
    """And not the number of background jets, as if that had been measured."""

    def change(detector, cuts):
        return {**cuts, 0.2: views(cuts[0.2], 400.0, bound=True)} if detector == "views_classifier" else cuts

    study = with_views(read(comparison_folder), change)
    assert study.selected.detector == "views_classifier"
    table = selection.section(study).parts["selection"]
    assert [str(row["blind"]) for row in table.rows if row["best"]] == ["> 400"]


def test_whom_the_choice_does_not_exclude_is_said(comparison_folder):
    """Those whose interval reaches the selected detector's value or is open, and no others."""
    reach = {"views_classifier": (100.0, 80.0, 130.0), "s_NAE": (70.0, 50.0, 101.0), "s_CLR": (60.0, 40.0, None)}

    def change(detector, cuts):
        return {**cuts, 0.2: views(cuts[0.2], *reach.get(detector, (50.0, 40.0, 99.0)))}

    study = with_views(read(comparison_folder), change)
    assert [one.detector for one in study.not_excluded()] == ["s_NAE", "s_CLR"]
    assert "without signals and does not exclude DarkCLR, sNAE." in said(study, head.section)
    assert "intervals reach the chosen value: DarkCLR, sNAE; DarkCLR, sCLR." in said(study, selection.section)
    reach |= {"s_NAE": (70.0, 50.0, 99.0), "s_CLR": (60.0, 40.0, 99.0)}
    study = with_views(read(comparison_folder), change)
    assert study.not_excluded() == []
    assert "does not exclude" not in said(study, head.section)


def test_more_surviving_background_chooses_where_every_run_kept_it(comparison_folder):
    """At half of the views where all have it, at a fifth where one run lacks it; never where all jets pass."""

    def change(detector, cuts):
        more = {eps_s: replace(cuts[0.2], eps_s=eps_s) for eps_s in (0.5, 1.0)}
        better = {0.5: "s_NAE", 1.0: "s_CLR"}
        return {**cuts, **{at: views(cut, 9.0 if detector == better[at] else 3.0) for at, cut in more.items()}}

    study = with_views(read(comparison_folder), change)
    assert (study.blind_eps_s, study.selected.detector) == (0.5, "s_NAE")
    assert "so that 50% of the views pass" in said(study, selection.section)

    def older(detector, cuts):
        return {at: cut for at, cut in cuts.items() if at != 0.5} if detector == "s_AE" else cuts

    study = with_views(study, older)
    assert (study.blind_eps_s, study.selected.detector) == (0.2, "views_classifier")


def test_failures_warnings_and_rising_chains_are_said(text, comparison):
    assert "In 1 of them the Langevin chains end at energies far above or below the data’s" in str(text)
    table = {row["run"]: row for row in rows(comparison, "runs")}
    assert table["DarkCLR-e9"]["words"] == "Langevin chains ran away <in epoch 3>"
    assert "chains above the data" in table["DarkCLR-e2"]["words"]


def test_map_holds_the_grid_and_ratio_is_one_of_rejections(comparison_folder, comparison):
    points = {(float(row["r_inv"]), float(row["pion_mass_gev"])) for row in rows(comparison, "plane_selected")}
    assert points == set(GRID.values())
    assert all(is_grid(name) for name in GRID)
    assert not any(is_grid(name) for name in SHIFTS)
    found = {
        (row["detector"], row["signal"], row["weighting"]): float(row["rejection"])
        for row in rows(comparison, "plane_rejection")
    }
    names = {point: name for name, point in GRID.items()}
    for row in rows(comparison, "plane_ratio"):
        name = names[float(row["r_inv"]), float(row["pion_mass_gev"])]
        ratio = found[row["numerator"], name, row["weighting"]] / found["supervised", name, row["weighting"]]
        assert float(row["ratio"]) == pytest.approx(ratio)


def test_an_unfinished_comparison_is_reported_too(tmp_path, comparison_folder):
    """Two detectors of one network, no section of the study as a whole, no histories, hardly any facts."""
    folder = tmp_path / "toy"
    shutil.copytree(comparison_folder, folder, ignore=shutil.ignore_patterns("report", "stages", "sections"))
    (folder / "examples.npz").unlink()
    for path in folder.glob("runs/*.json"):
        if path.stem not in ("JetCLR-e1", "DarkCLR-e9"):
            path.unlink()
    path = folder / "runs" / "JetCLR-e1.json"
    kept = ("key", "state", "sections", "test")
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key in kept}))
    (folder / "study.json").write_text(json.dumps({"name": "toy", "kind": "robustness"}))
    html = build(seal_study(folder)).read_text(encoding="utf-8")
    assert "not recorded" in html
    assert 'id="rejection"' in html
    assert 'id="roc_methods"' not in html


def test_nothing_is_reported_before_a_complete_run(tmp_path, comparison_folder):
    folder = tmp_path / "toy"
    shutil.copytree(comparison_folder, folder, ignore=shutil.ignore_patterns("report", "stages", "sections"))
    for path in folder.glob("runs/*.json"):
        if path.stem != "DarkCLR-e9":
            path.unlink()
    with pytest.raises(ValueError, match=r"before the first complete run .DarkCLR-e9: FAIL"):
        build(folder)


def test_a_study_of_linear_classifiers_alone_has_its_page(tmp_path):
    folder = make_comparison(
        tmp_path / "linear", "linear_classifier_test", background=600, signal=100, replicas=6, grid=False
    )
    text = Text(build(folder).read_text(encoding="utf-8"))
    assert {"linear", "linear_numbers"} <= set(text.names)
    assert "A linear classifier of Aachen against QCD jets reaches" in str(text)


def test_every_detector_has_a_display_of_its_own():
    from darkclr_ray.detectors import registry

    names = [*registry.names(), *OTHERS]
    displays = [display_of(name) for name in names]
    assert None not in displays
    for field in ("label", "order"):
        assert len({getattr(display, field) for display in displays}) == len(names)
    detectors = [*registry.names(), "paper", "paper supervised"]
    assert len(set(theme.detector_styles(detectors).values())) == len(detectors)
    mine = theme.detector_styles([*names, "mine", "other"])
    assert mine["mine"] == theme.detector_styles(["mine"])["mine"]
    assert mine["mine"] != mine["other"]


@pytest.mark.parametrize("blindness", ["none", "protan", "deutan", "tritan"])
def test_prominent_detectors_are_told_apart_by_colour_blind_people(blindness):
    """Their colours, as seen with each kind of colour blindness (Machado, Oliveira and Fernandes 2009, severity 1),
    stay apart in CIELAB; a distance of 2.3 is just noticeable."""
    matrix = {
        "none": np.eye(3),
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    }[blindness]
    from darkclr_ray.detectors import registry

    prominent = [name for name in registry.names() if is_prominent(name)]
    assert len(prominent) == 7
    seen = [_cielab(np.array(matrix) @ _linear(display_of(name).style.colour)) for name in prominent]
    nearest = min(math.dist(a, b) for at, a in enumerate(seen) for b in seen[:at])
    assert nearest > 5.0


def _linear(colour):
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _cielab(linear):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.maximum(to_xyz @ np.clip(linear, 0, 1) / [0.9505, 1.0, 1.089], 1e-6))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_methods_are_in_the_order_of_tables(comparison_folder):
    assert list(read(comparison_folder).methods) == in_order(name for group in METHODS.values() for name in group)


def test_a_selected_detector_without_recorded_comparisons_is_compared_here(comparison_folder, comparison):
    """Its ratios on the same jets are those that the study itself would have written."""
    study = read(comparison_folder)
    made = {(pair.b, pair.signal): pair for pair in replace(study, analyses={}).pairs}
    expected = [pair for pair in study.pairs if pair.a == study.selected.detector]
    assert len(expected) == len(made) == 2 * len(SHIFTS)
    for pair in expected:
        for side in ("raw", "matched"):
            ratio = getattr(made[pair.b, pair.signal], side).ratio
            assert ratio == pytest.approx(getattr(pair, side).ratio)


def test_weights_are_tabulated_as_means_over_networks(comparison_folder, tmp_path):
    folder = shutil.copytree(comparison_folder, tmp_path / "study")
    assert observables.section(read(folder)) is None
    given = {1: 2.0, 2: -1.0, 3: 5.0}
    for seed, weight in given.items():
        write_json(
            folder / "stages" / "scores" / f"scores-DarkCLR-e{seed}" / "weights.json",
            {"s_CLR": {"width": weight, "thrust": 1.0}, "s_NAE": {}},
        )
    table = observables.section(read(folder)).parts["weights"]
    width, thrust = table.rows
    assert (width["observable"], thrust["observable"]) == ("width", "thrust")
    assert [column.key for column in table.columns] == ["observable", "s_CLR"]
    assert (width["s_CLR"].value, width["s_CLR"].high) == pytest.approx((2.0, 2.0 + np.std([2, -1, 5], ddof=1)))
    assert (thrust["s_CLR"].value, thrust["s_CLR"].high) == (1.0, 1.0)
    assert "Weights of observables" in build(folder).read_text(encoding="utf-8")


def test_terms_with_their_effective_rank(comparison_folder, comparison):
    """Mean rank over encoders, and geometric mean of the rejections over networks and signals."""
    table = {row["loss"]: row for row in rows(comparison, "terms")}
    assert set(table) == {"Eq. 3 and variance term", "Eq. 3 and uniformity term"}
    assert float(table["Eq. 3 and variance term"]["effective_rank"]) == pytest.approx(4.65)
    runs = [json.loads((comparison_folder / f"runs/term-variance-{seed}.json").read_text()) for seed in (1, 2)]
    cuts = [run["test"]["s_AE"]["aachen"]["matched"]["rejection"]["0.2"]["value"] for run in runs]
    found = float(table["Eq. 3 and variance term"]["s_AE"])
    assert found == pytest.approx(math.sqrt(cuts[0] * cuts[1]), rel=1e-3)
