"""Comparison of all methods (Table 2, Fig. 3 and 5), and of variants of the views' classifier."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from darkclr_ray.study.comparison import Comparison

if TYPE_CHECKING:
    from darkclr_ray.study.run_specs import RunSpec

OVER_DIMENSIONS = ("DarkCLR", "JetCLR")
"""Families that are compared over embedding dimensions."""

FORM_P_DROP = (0.4, 0.6, (0.3, 0.7))
"""Drop probabilities with which variants of the views' classifier are trained. They are evaluated with the mix
`search.blind_p_drop`: its defaults lie in the range, and differ from the two fixed values."""


TERMS: dict[str, dict[str, float]] = {
    "variance": {"variance_weight": 1.0, "covariance_weight": 0.04},
    "uniformity": {"uniformity_weight": 1.0},
    "denominator": {"denominator_weight": 1.0},
}
"""Terms in the loss that keep the variance of dimensions of z above zero, by name: changes to the contrastive settings.

The ratio of VICReg's weights is that of its authors (25 to 1); with weight 1 the denominator makes the loss that of
AnomalyCLR.
"""


class MethodComparison(Comparison):
    """Study of all detectors on all signals, of DarkCLR and JetCLR over d_z, and of DarkCLR with terms in its loss."""

    kind = "method_comparison"
    sections = ("pairs", "variance", "interpretation")

    def expand_runs(self) -> list[RunSpec]:
        from darkclr_ray.detectors import registry
        from darkclr_ray.study.run_specs import check_unique, expand_runs

        comparison = self.settings.comparison
        encoders, autoencoders = comparison.encoder_seeds, comparison.autoencoder_seeds
        ensemble = partial(expand_runs, encoders=encoders, autoencoders=autoencoders)
        entries = check_unique([*registry.names(), *comparison.detectors])
        both = [entry for entry in entries if registry.find(entry).family in OVER_DIMENSIONS]
        others = [entry for entry in entries if entry not in both]
        also = ("dimensions",) if comparison.d_z else ()
        runs = ensemble(self.settings, both, ("methods", "terms", *also))
        runs += ensemble(self.settings, others, ("methods",))
        for d_z in comparison.d_z:
            if d_z != self.settings.encoder.d_z:
                changes = {"encoder": {"d_z": d_z}}
                prefix = f"d_z_{d_z}-"
                runs += ensemble(self.settings, both, ("dimensions", "terms"), changes=changes, prefix=prefix)
        return runs + self.forms() + self.terms()

    def terms(self) -> list[RunSpec]:
        """DarkCLR with terms in its loss that keep variances of dimensions above zero, one autoencoder per encoder."""
        from darkclr_ray.study.run_specs import expand_runs

        runs = []
        for name, weights in TERMS.items():
            runs += expand_runs(
                self.settings,
                ["s_NAE", "s_AE", "s_CLR"],
                ["terms"],
                encoders=self.settings.comparison.encoder_seeds,
                changes={"contrastive": weights},
                prefix=f"term-{name}-",
                parameters={"term": name},
            )
        return runs

    def forms(self) -> list[RunSpec]:
        """Return runs of variants of the views' classifier, on the first encoder."""
        from darkclr_ray.study.run_specs import expand_runs

        runs = []
        for layer, hidden, p_drop in product(("head", "pooled"), ((), (64,)), FORM_P_DROP):
            form = {"layer": layer, "hidden": hidden, "p_drop": p_drop}
            shown = {"layer": layer, "hidden": str(list(hidden)), "p_drop_views": str(p_drop)}
            prefix = f"form-{layer}-{'linear' if not hidden else 'hidden'}-{p_drop}-"
            runs += expand_runs(
                self.settings,
                ["views_classifier"],
                ["forms"],
                changes={"views_classifier": form},
                prefix=prefix,
                parameters=shown,
            )
        return runs
