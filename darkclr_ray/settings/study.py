"""All settings of a study in one model."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from darkclr_ray.settings.base import Settings, merged
from darkclr_ray.settings.comparison import ComparisonSettings
from darkclr_ray.settings.compute import ComputeSettings
from darkclr_ray.settings.dirichlet_vae import DirichletVAESettings
from darkclr_ray.settings.encoder import ContrastiveSettings, EncoderSettings
from darkclr_ray.settings.image_nae import ImageNAESettings
from darkclr_ray.settings.inn import INNSettings
from darkclr_ray.settings.inputs import InputSettings
from darkclr_ray.settings.kmeans import KMeansSettings
from darkclr_ray.settings.nae import NAESettings
from darkclr_ray.settings.search import SearchSettings
from darkclr_ray.settings.supervised import SupervisedSettings
from darkclr_ray.settings.views import ViewSettings
from darkclr_ray.settings.views_classifier import ViewsClassifierSettings
from darkclr_ray.settings.views_network import ViewsNetworkSettings
from darkclr_ray.settings.views_observables import ViewsObservablesSettings
from darkclr_ray.settings.wnae import WNAESettings


class StudySettings(Settings):
    """All settings of a study."""

    name: str = Field("embedding_scan", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    """Name of the study, of its folder and of its Optuna study."""
    out: str = "results"
    """Parent folder of the study's folder."""
    jets: str = "starter"
    """Folder of jet shards (<split>/<sample>/*.parquet), or "starter" for the set in the package."""
    background: str = Field("qcd", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    """Name of the background sample; every other sample is a signal."""
    seed: int = Field(1, ge=0, lt=2**31)
    """Seed of all random numbers."""
    tracking: tuple[str, ...] = ()
    """Experiment trackers to which trials are written as they end: tensorboard[:FOLDER], mlflow[:URI], wandb or
    wandb:offline. A tracker that cannot be reached does not affect the study.
    """
    inputs: InputSettings = InputSettings()
    """How jets are converted to the inputs of a network."""
    views: ViewSettings = ViewSettings()
    """Transformations that make the views of a jet."""
    encoder: EncoderSettings = EncoderSettings()
    """The transformer encoder."""
    contrastive: ContrastiveSettings = ContrastiveSettings()
    """Training of the encoder."""
    nae: NAESettings = NAESettings()
    """The normalised autoencoder."""
    image_nae: ImageNAESettings = ImageNAESettings()
    """The normalised autoencoder on jet images."""
    dirichlet_vae: DirichletVAESettings = DirichletVAESettings()
    """The Dirichlet variational autoencoder on jet images."""
    inn: INNSettings = INNSettings()
    """The coupling flow of energy-flow polynomials."""
    kmeans: KMeansSettings = KMeansSettings()
    """The clusters of jet images."""
    wnae: WNAESettings = WNAESettings()
    """The Wasserstein normalised autoencoder."""
    views_classifier: ViewsClassifierSettings = ViewsClassifierSettings()
    """The classifier between background and its own anomalous views."""
    views_observables: ViewsObservablesSettings = ViewsObservablesSettings()
    """Classifiers on observables."""
    views_network: ViewsNetworkSettings = ViewsNetworkSettings()
    """The network that is trained end to end on views."""
    supervised: SupervisedSettings = SupervisedSettings()
    """The supervised references."""
    search: SearchSettings = SearchSettings()
    """Search space and objective."""
    comparison: ComparisonSettings = ComparisonSettings()
    """Detectors and jets that are compared."""
    compute: ComputeSettings = ComputeSettings()
    """Resources that the study uses."""

    @model_validator(mode="after")
    def _views_for_the_loss(self) -> StudySettings:
        if self.contrastive.loss == "anomaly_contrastive" and not self.views.anomalous:
            raise ValueError(
                "views.anomalous = [] contradicts contrastive.loss = anomaly_contrastive, which needs anomalous views; "
                "name a transformation, or take contrastive.loss = nt_xent"
            )
        return self

    def updated(self, changes: dict[str, Any]) -> StudySettings:
        """Return these settings with nested ``changes`` applied and all values validated again.

        >>> StudySettings().updated({"encoder": {"d_z": 64}}).encoder.d_z
        64
        """
        return StudySettings.model_validate(merged(self.model_dump(), changes))
