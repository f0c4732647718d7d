"""How each detector fares as the dark sector changes (Table 3, Fig. 4), and how far that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darkclr_ray.study.comparison import Comparison

if TYPE_CHECKING:
    from darkclr_ray.study.entrants import Entrant

DETECTORS = (
    "s_NAE",
    "s_AE",
    "s_CLR",
    "views_classifier",
    "supervised",
    "boosted_trees",
    "multiplicity",
    "jet_pt",
    "jet_mass",
    "untrained s_NAE",
    "untrained views_classifier",
)
CONTAMINATED = ("s_NAE", "s_CLR", "views_classifier")


class Robustness(Comparison):
    """Detectors trained once, judged on every signal; contamination, and what moves their scores."""

    kind = "robustness"
    sections = ("pairs", "variance", "sculpting", "systematics", "stability", "leave_one_out")

    def line_up(self) -> list[Entrant]:
        from darkclr_ray.study.entrants import distinct, line_up

        comparison = self.settings.comparison
        encoders, autoencoders = comparison.encoder_seeds, comparison.autoencoder_seeds
        everybody = distinct([*DETECTORS, *comparison.detectors])
        entrants = line_up(self.settings, everybody, ("methods",), encoders=encoders, autoencoders=autoencoders)
        for fraction in comparison.contamination:
            entrants += line_up(
                self.settings, CONTAMINATED, ("contamination",), fraction=fraction, prefix=f"signal_{fraction:g}-"
            )
        return entrants
