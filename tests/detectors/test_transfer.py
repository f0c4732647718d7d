"""Transfer between families of views: of detectors whose scores are known."""

from __future__ import annotations

import numpy as np
import pytest

from darkclr_ray.augmentations.families import DONORS, FAMILIES, family_jets
from darkclr_ray.detectors.multiplicity import Multiplicity
from darkclr_ray.detectors.transfer import EFFICIENCIES, evaluation_views, held_out_means, reached, transfer
from darkclr_ray.jets.folder import open_jets, starter_donors, starter_jets
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.trainer import Trainer


def test_rejections_are_averaged_over_efficiencies():
    """A flat background and views at its upper end: one over the share above the quantile of the views."""
    background, views = np.arange(1000) / 1000, 0.5 + np.arange(500) / 1000
    found = reached(background, views)
    assert found.auc == pytest.approx(0.75, abs=0.001)
    assert found.rejection == pytest.approx(np.exp(-np.log(EFFICIENCIES / 2).mean()), rel=0.02)


def test_counting_constituents_finds_what_was_dropped_and_no_shifted_angles():
    background = toy_jets(400, seed=1)
    views = evaluation_views(background, seed=2)
    assert set(views) == set(FAMILIES) - {DONORS}
    (row,) = transfer({"cut": Multiplicity()}, TrainingSample(background), views, background, Trainer()).values()
    assert row["angular_shift"].auc == 0.5
    assert min(row[name].auc for name in ("dropping", "branch_dropping", "cell_dropping")) > 0.55


def test_means_leave_out_the_families_of_the_training():
    background = toy_jets(400, seed=1)
    views = evaluation_views(background, seed=2, families=("dropping", "pt_power"))
    table = transfer({"dropping": Multiplicity()}, TrainingSample(background), views, background, Trainer())
    assert held_out_means(table) == {"dropping": pytest.approx(np.log(table["dropping"]["pt_power"].rejection))}


def test_donors_and_unknown_families():
    jets = open_jets(starter_jets()).load("validation", "qcd").take(slice(0, 300))
    donors = open_jets(starter_donors()).load("train", "donors").take(slice(0, 300))
    (views,) = evaluation_views(jets, seed=1, donors=donors, families=(DONORS,)).values()
    assert jets.pt.min() <= views.pt.min() < views.pt.max() <= jets.pt.max()
    assert views.multiplicity.mean() < jets.multiplicity.mean()
    with pytest.raises(ValueError, match="are made from harder jets; give them as donors"):
        family_jets(DONORS, jets, seed=1, purpose="test")
    with pytest.raises(ValueError, match="unknown family of views 'droping'"):
        family_jets("droping", jets, seed=1, purpose="test")
