from __future__ import annotations

import pytest
import torch

from darkclr_ray.settings import StudySettings

SETTINGS = StudySettings.model_validate(
    {
        "encoder": {"d_r": 8, "d_h": 16, "d_z": 6, "heads": 2, "layers": 1},
        "contrastive": {"batch_size": 16, "epochs": 2, "learning_rate": 1e-3},
        "views_network": {
            "batch_size": 16,
            "epochs": 2,
            "learning_rate": 1e-3,
            "networks": ("branch_dropping", "dropping"),
        },
        "supervised": {"batch_size": 16, "epochs": 2, "learning_rate": 1e-3},
        "nae": {
            "hidden": (8, 4),
            "bottleneck": 2,
            "batch_size": 16,
            "reconstruction_epochs": 2,
            "divergence_epochs": 2,
            "steps": 5,
        },
        "image_nae": {
            "images": {"pixels": 8},
            "channels": 2,
            "hidden": 6,
            "batch_size": 16,
            "reconstruction_epochs": 2,
            "divergence_epochs": 2,
            "latent_steps": 2,
            "steps": 2,
        },
        "dirichlet_vae": {"images": {"pixels": 8}, "hidden": 6, "batch_size": 16, "epochs": 2},
        "inn": {"blocks": 2, "hidden": 6, "batch_size": 16, "epochs": 2},
        "kmeans": {"images": {"pixels": 8, "smearing": 1.0}, "clusters": 5},
        "wnae": {
            "hidden": (8,),
            "bottleneck": 2,
            "batch_size": 16,
            "reconstruction_epochs": 2,
            "wasserstein_epochs": 2,
            "steps": 2,
        },
    }
)


@pytest.fixture(scope="session")
def settings() -> StudySettings:
    """Networks so small that a fit takes a fraction of a second."""
    return SETTINGS


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
