"""Robustness of detectors against the parameters of the dark sector (Table 3, Fig. 4), with its uncertainties."""

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
    """Study of detectors on every signal, of contaminated training jets, and of shifts of the scores."""

    kind = "robustness"
    sections = ("pairs", "variance", "sculpting", "systematics", "stability", "leave_one_out", "interpretation")

    def expand_runs(self) -> list[RunSpec]:
        from darkclr_ray.study.run_specs import check_unique, expand_runs

        comparison = self.settings.comparison
        encoders, autoencoders = comparison.encoder_seeds, comparison.autoencoder_seeds
        entries = check_unique([*DETECTORS, *comparison.detectors])
        runs = expand_runs(self.settings, entries, ("methods",), encoders=encoders, autoencoders=autoencoders)
        for fraction in comparison.contamination:
            runs += expand_runs(
                self.settings, CONTAMINATED, ("contamination",), fraction=fraction, prefix=f"signal_{fraction:g}-"
            )
        return runs
