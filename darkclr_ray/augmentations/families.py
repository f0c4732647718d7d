"""Families of anomalous views: different pictures of how a jet may differ from background, none of which is a signal.

A detector that is trained on one family and evaluated on another shows what transfers to anomalies that it has not
seen. The parameters of the families were fixed before any signal was used: branches have the angular size 2 m / pT of
the decay of a particle of a few GeV, and the range of probabilities is as wide as is possible without the removal of
most of a jet.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.augmentations.donor_branches import donor_jets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import InputSettings, ViewSettings

ALL = InputSettings(constituents=1000)
"""Settings of inputs under which no constituent is removed."""

DONORS = "donor_branches"
"""Name of the family that is made from harder jets, see `darkclr_ray.augmentations.donor_branches`."""


def _family(transformation: str, **changes: object) -> ViewSettings:
    fixed = {"anchor": (), "positive": (), "anomalous": (transformation,), "p_drop": (0.1, 0.7)}
    return ViewSettings.model_validate({**fixed, "conserved_pt": "floor", **changes})


FAMILIES: dict[str, ViewSettings] = {
    "dropping": _family("dropping", conserved_pt="vector"),
    "dropping_floor": _family("dropping"),
    "branch_dropping": _family("branch_dropping"),
    "cell_dropping": _family("cell_dropping"),
    "hardness_dropping": _family("hardness_dropping"),
    "softness_dropping": _family("hardness_dropping", hardness=-1.0),
    "angular_shift": _family("angular_shift"),
    "pt_power": _family("pt_power"),
    DONORS: _family("branch_dropping"),
}
"""Settings of the views of each family by name."""


def family_jets(
    name: str,
    jets: Jets,
    *,
    seed: int,
    purpose: str,
    p_drop: float | None = None,
    donors: Jets | None = None,
    inputs: InputSettings = ALL,
) -> Jets:
    """Return views of a family: one of each jet, or one of most donors for the family `DONORS`.

    Args:
        name: a key of `FAMILIES`.
        jets: background jets.
        seed: seed of the draws, which also depend on ``purpose``.
        p_drop: probability to drop a part of a jet; None: the range of the family.
        donors: harder jets, which only the family `DONORS` needs.
        inputs: settings of the inputs; jets are cut to their hardest constituents.

    Raises ValueError for an unknown family, and for donors that are missing or too soft.
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown family of views {name!r}; there are: {', '.join(FAMILIES)}")
    views, purpose = FAMILIES[name], f"{purpose} {name}"
    if p_drop is not None:
        views = views.model_copy(update={"p_drop": p_drop})
    if name != DONORS:
        return anomalous_jets(jets, views, inputs, seed=seed, purpose=purpose)
    if donors is None:
        raise ValueError(f"views of the family {DONORS} are made from harder jets; give them as donors")
    return donor_jets(donors, jets, views, seed=seed, purpose=purpose).hardest(inputs.constituents)


def blind_views(jets: Jets, inputs: InputSettings, families: Sequence[str], p_drop: Sequence[float], seed: int) -> Jets:
    """Return one view of each jet for signal-blind selection, with all combinations of family and probability in turn.

    The views are the same for all trials of a study; otherwise a trial with anomalies that are easy to find would be
    selected. Raises ValueError for an unknown family, and for `DONORS`, whose views are not made from ``jets``.
    """
    if DONORS in families:
        raise ValueError(f"views of {DONORS} are made from other jets than the background; name other families")
    combinations = list(product(families, p_drop))
    parts = []
    for first, (family, probability) in enumerate(combinations):
        some = jets.take(np.arange(first, len(jets), len(combinations)))
        if len(some):
            parts.append(
                family_jets(family, some, seed=seed, purpose="signal-blind", p_drop=probability, inputs=inputs)
            )
    return Jets.concatenate(parts)
