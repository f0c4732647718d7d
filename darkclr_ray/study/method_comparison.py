"""The methods side by side (Table 2, Fig. 3 and 5), and the forms of the views' classifier."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from darkclr_ray.study.comparison import Comparison

if TYPE_CHECKING:
    from darkclr_ray.study.entrants import Entrant

OVER_DIMENSIONS = ("DarkCLR", "JetCLR")
"""Families that are compared over embedding dimensions."""

FORM_P_DROP = (0.4, 0.6, (0.3, 0.7))
"""Drop probabilities that forms of the views' classifier are taught with. They are judged by the mix
`search.blind_p_drop`: its defaults lie in the range, and are none of the two fixed ones."""


class MethodComparison(Comparison):
    """All detectors on all signals; DarkCLR and JetCLR over embedding dimensions."""

    kind = "method_comparison"
    sections = ("pairs", "variance")

    def line_up(self) -> list[Entrant]:
        from darkclr_ray.detectors import registry
        from darkclr_ray.study.entrants import distinct, line_up

        comparison = self.settings.comparison
        encoders, autoencoders = comparison.encoder_seeds, comparison.autoencoder_seeds
        ensemble = partial(line_up, encoders=encoders, autoencoders=autoencoders)
        everybody = distinct([*registry.names(), *comparison.detectors])
        both = [entry for entry in everybody if registry.find(entry).family in OVER_DIMENSIONS]
        others = [entry for entry in everybody if entry not in both]
        also = ("dimensions",) if comparison.d_z else ()
        entrants = ensemble(self.settings, both, ("methods", *also))
        entrants += ensemble(self.settings, others, ("methods",))
        for d_z in comparison.d_z:
            if d_z != self.settings.encoder.d_z:
                changes = {"encoder": {"d_z": d_z}}
                prefix = f"d_z_{d_z}-"
                entrants += ensemble(self.settings, both, ("dimensions",), changes=changes, prefix=prefix)
        return entrants + self.forms()

    def forms(self) -> list[Entrant]:
        """The views' classifier in other forms, on the first encoder."""
        from darkclr_ray.study.entrants import line_up

        entrants = []
        for layer, hidden, p_drop in product(("head", "pooled"), ((), (64,)), FORM_P_DROP):
            form = {"layer": layer, "hidden": hidden, "p_drop": p_drop}
            shown = {"layer": layer, "hidden": str(list(hidden)), "p_drop_views": str(p_drop)}
            prefix = f"form-{layer}-{'linear' if not hidden else 'hidden'}-{p_drop}-"
            entrants += line_up(
                self.settings,
                ["views_classifier"],
                ["forms"],
                changes={"views_classifier": form},
                prefix=prefix,
                parameters=shown,
            )
        return entrants
