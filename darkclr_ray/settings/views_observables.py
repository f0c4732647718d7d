"""Settings of the classifiers of observables that are trained on views."""

from __future__ import annotations

from pydantic import Field

from darkclr_ray.settings.base import Settings
from darkclr_ray.settings.views import ViewSettings, Weights


class ViewsObservablesSettings(Settings):
    """Classifiers on observables of jets, trained with background and anomalous views or, for comparison, with labels.

    The views were fixed before any signal was used: branches have the size of the decay of a dark meson of a few GeV in
    these jets (2 m / pT), and the range of drop probabilities is as wide as is possible without removing most of a jet.

    Observables, families and draws were selected without any signal, on background validation jets of the starter set
    against views of other families than those of the training (`studies/views_transfer.py`): constituents dropped
    independently, by softness, in Cambridge/Aachen branches, in cells around random constituents, and branches of
    harder jets. The finer observables raise the rejection of every family that was not trained on. One to four draws
    are equal there.
    """

    observables: tuple[str, ...] = Field(
        (
            "multiplicity",
            "pt_dispersion",
            "width",
            "les_houches_angularity",
            "thrust",
            "leading_fraction",
            "leading_fraction_2",
            "leading_fraction_3",
            "leading_fraction_5",
            "leading_fraction_10",
            "smallest_fraction",
            "soft_constituents",
            "correlator_0.2",
            "correlator_0.5",
            "correlator_1",
            "correlator_2",
            "subjets_0.05",
            "subjets_0.1",
            "subjets_0.2",
            "subjets_0.4",
            "hard_subjets_0.1_0.01",
            "hard_subjets_0.1_0.03",
            "hard_subjets_0.1_0.1",
            "hard_subjets_0.2_0.01",
            "hard_subjets_0.2_0.03",
            "hard_subjets_0.2_0.1",
            "lund_emissions_0.002",
            "lund_emissions_0.005",
            "lund_emissions_0.02",
            "hard_splittings",
        ),
        min_length=1,
    )
    """Observables that the classifiers use; see `darkclr_ray.jets.observables`. They are computed from all
    constituents, independently of `inputs.constituents`.
    """
    families: Weights = (("branch_dropping", 1.0),)
    """Transformations with weights, such as {branch_dropping: 3, donor_branches: 1}. A regression is trained on views
    of each; the score is their weighted mean. `donor_branches` are views of the harder jets in `donors`.
    """
    views: ViewSettings = ViewSettings(
        anchor=(), positive=(), anomalous=("branch_dropping",), p_drop=(0.1, 0.7), conserved_pt="floor"
    )
    """Parameters of the transformations."""
    draws: int = Field(4, ge=1, le=1000)
    """Number of views of each background jet and family; more views reduce the variance of the weights."""
    donors: str | None = None
    """Folder of jets that are harder than the background (sample `donors` in its split `train`), or "starter" for those
    in the package, which belong to QCD jets of 150 to 300 GeV; only used by the family `donor_branches`.
    """
