"""How each detector fares as the dark sector changes (Table 3, Fig. 4), and how far that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darkclr_ray.study.comparison import Comparison

if TYPE_CHECKING:
    from darkclr_ray.study.run_specs import RunSpec

DETECTORS = (
    "s_NAE",
    "s_AE",
    "s_CLR",
    "views_classifier",
    "views_observables",
    "wnae",
    "wnae_observables",
    "ae_observables",
    "image_nae",
    "dvae_reconstruction",
    "dvae_prior",
    "dvae_density",
    "inn",
    "kmeans_images",
    "supervised",
    "supervised_observables",
    "boosted_trees",
    "multiplicity",
    "jet_pt",
    "jet_mass",
    "untrained s_NAE",
    "untrained views_classifier",
)
CONTAMINATED = ("s_NAE", "s_CLR", "views_classifier", "views_observables")


class Robustness(Comparison):
    """Detectors trained once, judged on every signal; contamination, and what moves their scores."""

    kind = "robustness"
    sections = ("pairs", "variance", "sculpting", "systematics", "stability", "leave_one_out")

    def expand_runs(self) -> list[RunSpec]:
        from darkclr_ray.study.run_specs import check_unique, expand_runs

        comparison = self.settings.comparison
        encoders, autoencoders = comparison.encoder_seeds, comparison.autoencoder_seeds
        everybody = check_unique([*DETECTORS, *comparison.detectors])
        runs = expand_runs(self.settings, everybody, ("methods",), encoders=encoders, autoencoders=autoencoders)
        for fraction in comparison.contamination:
            runs += expand_runs(
                self.settings, CONTAMINATED, ("contamination",), fraction=fraction, prefix=f"signal_{fraction:g}-"
            )
        return runs
