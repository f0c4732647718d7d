"""Define all settings of a study as typed, frozen groups with the paper's values as defaults; unknown keys are errors.

Where the paper does not specify a value, the default is that of its authors' code, or of earlier papers of the same
group, and the description says so. Presets change many values at once; a YAML file and the command line change single
ones.
"""

from __future__ import annotations

from darkclr_ray.settings.base import Settings, merged, nested
from darkclr_ray.settings.comparison import ComparisonSettings
from darkclr_ray.settings.compute import ComputeSettings
from darkclr_ray.settings.dirichlet_vae import DirichletVAESettings
from darkclr_ray.settings.encoder import ContrastiveSettings, EncoderSettings
from darkclr_ray.settings.image_nae import ImageNAESettings
from darkclr_ray.settings.inn import INNSettings
from darkclr_ray.settings.inputs import ImageSettings, InputSettings
from darkclr_ray.settings.kmeans import KMeansSettings
from darkclr_ray.settings.nae import NAESettings
from darkclr_ray.settings.search import Range, SearchSettings
from darkclr_ray.settings.study import StudySettings
from darkclr_ray.settings.supervised import SupervisedSettings
from darkclr_ray.settings.views import ViewSettings
from darkclr_ray.settings.views_classifier import ViewsClassifierSettings
from darkclr_ray.settings.views_network import ViewsNetworkSettings
from darkclr_ray.settings.views_observables import ViewsObservablesSettings
from darkclr_ray.settings.wnae import WNAESettings

__all__ = [
    "ComparisonSettings",
    "ComputeSettings",
    "ContrastiveSettings",
    "DirichletVAESettings",
    "EncoderSettings",
    "INNSettings",
    "ImageNAESettings",
    "ImageSettings",
    "InputSettings",
    "KMeansSettings",
    "NAESettings",
    "Range",
    "SearchSettings",
    "Settings",
    "StudySettings",
    "SupervisedSettings",
    "ViewSettings",
    "ViewsClassifierSettings",
    "ViewsNetworkSettings",
    "ViewsObservablesSettings",
    "WNAESettings",
    "merged",
    "nested",
]
