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
