"""Define all settings of a study as typed, frozen groups with the paper's values as defaults; unknown keys are errors.

Where the paper does not specify a value, the default is that of its authors' code, or of earlier papers of the same
group, and the description says so. Presets change many values at once; a YAML file and the command line change single
ones.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0, le=1000.0)]


def _pairs(value: Any) -> Any:
    return tuple(value.items()) if isinstance(value, dict) else value


def _named_once(value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    names = [name for name, _ in value]
    if len(set(names)) < len(names):
        raise ValueError("a transformation is there twice; name each once, with its whole weight")
    return value


Weights = Annotated[
    tuple[tuple[str, Positive], ...], BeforeValidator(_pairs), AfterValidator(_named_once), Field(min_length=1)
]
"""Transformations with weights, such as {dropping: 1, branch_dropping: 3}."""


class Settings(BaseModel):
    """Frozen group of settings. An unknown key or an invalid value raises pydantic's ValidationError, a ValueError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _complete_groups(cls, values: Any) -> Any:
        """Give a group that is set in part the other values of this class's default for it, not those of its own class.

        For example, ``views_observables: {views: {p_drop: 0.5}}`` keeps the transformations of `views_observables`.
        """
        if not isinstance(values, dict):
            return values
        return {name: _completed(cls.model_fields.get(name), value) for name, value in values.items()}


def _completed(field: FieldInfo | None, value: Any) -> Any:
    default = None if field is None else field.default
    if isinstance(default, Settings) and isinstance(value, dict):
        return merged(default.model_dump(), value)
    return value


class InputSettings(Settings):
    """How jets are converted to the inputs of a network."""

    constituents: int = Field(50, ge=1, le=1000)
    """Number of hardest constituents of each jet that are used (N_c of Table 1)."""
    pt: Literal["gev", "fraction"] = "gev"
    """Scale of the constituents' pT: divided by `pt_scale` ("gev", the paper), or by the jet's pT ("fraction"), so that
    the inputs do not contain the jet's pT.
    """
    pt_scale: float = Field(300.0, gt=0.0)
    """Divisor of the constituents' pT in GeV if `pt` is "gev" (authors' code; JetCLR uses 600)."""


class ViewSettings(Settings):
    """Transformations that make the views of a jet (Sec. 3.2). Names are those of the registered augmentations."""

    anchor: tuple[str, ...] = ("rotation", "translation")
    """Transformations of the anchor view, in order."""
    positive: tuple[str, ...] = ("rotation", "translation")
    """Transformations of the positive view, in order, with independent draws."""
    anomalous: tuple[str, ...] = ("dropping", "rotation", "translation")
    """Transformations of the anomalous view, in order: drop first, translate last. Empty: no such view (JetCLR)."""
    p_drop: Probability | tuple[Probability, Probability] = 0.5
    """Probability to drop a constituent in the anomalous view, or a range from which one is drawn for each jet."""
    conserved_pt: Literal["vector", "scalar", "floor"] = "vector"
    """pT that a dropping restores: that of the jet's vector sum ("vector"), the sum over constituents ("scalar",
    authors' code), or that of the vector sum with soft constituents at the detector's threshold unchanged ("floor").
    With a common factor, views lack constituents just above the threshold, which distinguishes them from background
    but not signals.
    """
    pt_threshold: float = Field(0.5, ge=0.0)
    """Smallest pT in GeV of a constituent that the detector registers, used if `conserved_pt` is "floor"."""
    pt_ramp: float = Field(2.5, gt=0.0)
    """Distance from the threshold in GeV above which constituents are scaled fully, if `conserved_pt` is "floor"."""
    branch_sizes: tuple[Positive, Positive] = (0.03, 0.2)
    """Smallest and largest angular size Delta R of the branches that `branch_dropping` drops, about 2 m / pT of the
    decaying particle. One is drawn for each jet, uniformly in the logarithm.
    """
    hardness: float = Field(1.0, ge=-10.0, le=10.0)
    """Power of a constituent's pT in the odds that `hardness_dropping` drops it; positive: hard ones more often."""
    angular_shift: float = Field(0.5, ge=0.0, le=5.0)
    """Largest absolute shift of ln Delta R by `angular_shift`: 0.5 changes angles by a factor of up to 1.65."""
    pt_powers: tuple[Positive, Positive] = (0.8, 1.5)
    """Range of the power of the constituents' pT in `pt_power`; one is drawn for each jet."""
    mixture: Weights = (("dropping", 1.0), ("branch_dropping", 1.0))
    """Transformations with weights, such as {dropping: 1, branch_dropping: 3}, of the transformation `mixture`; one of
    them is drawn for each jet.
    """

    @field_validator("mixture")
    @classmethod
    def _not_of_mixtures(cls, value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        if "mixture" in dict(value):
            raise ValueError("a mixture cannot contain itself; name the transformations that it is of")
        return value

    own: dict[str, JsonValue] = {}
    """Values for augmentations of one's own, by names of their choice; any of them can be searched."""
    translation: float = Field(1.0, ge=0.0, le=5.0)
    """Half width of the translation window in units of the jet's extent along each axis (authors' code: 1)."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _ordered_range(self) -> ViewSettings:
        for name in ("p_drop", "branch_sizes", "pt_powers"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name}: the range {value} runs backwards; write the smaller value first")
        return self


class EncoderSettings(Settings):
    """Transformer encoder (Sec. 3.3 and Table 1)."""

    d_r: int = Field(128, ge=4, le=4096)
    """Dimension of an embedded constituent and of the representation before the head (d_r)."""
    d_h: int = Field(512, ge=4, le=16384)
    """Hidden width of the feed-forward networks in the blocks (d_h)."""
    d_z: int = Field(512, ge=2, le=4096)
    """Dimension of the head's output, the representation, and width of the head's hidden layers (authors' code)."""
    heads: int = Field(4, ge=1, le=64)
    """Number of self-attention heads; must divide `d_r`."""
    layers: int = Field(4, ge=1, le=48)
    """Number of transformer blocks (N)."""
    head_layers: int = Field(2, ge=1, le=8)
    """Number of linear layers of the head network."""
    head_slope: float = Field(0.0, ge=0.0, lt=1.0)
    """Slope of the head's activation for negative values: 0 is the paper's ReLU. In a short training all units of a
    ReLU can become inactive for all jets, so that the encoder collapses; a slope of 0.1 prevents it (Maas et al.,
    Proc. ICML 30 (2013) 3).
    """
    dropout: float = Field(0.1, ge=0.0, le=0.99)
    """Dropout rate in the blocks during training."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> EncoderSettings:
        if self.d_r % self.heads:
            raise ValueError(
                f"encoder.heads = {self.heads} does not divide encoder.d_r = {self.d_r}; "
                f"choose d_r as a multiple of the number of heads"
            )
        return self


class ContrastiveSettings(Settings):
    """Training of the encoder (Sec. 3.1, Table 1)."""

    loss: Literal["anomaly_contrastive", "nt_xent"] = "anomaly_contrastive"
    """Eq. 3 with a penalty on the norm (DarkCLR), or NT-Xent over positive pairs (JetCLR)."""
    temperature: float = Field(0.1, gt=0.0, le=100.0)
    """Temperature tau that divides the cosine similarities (authors' code; Eq. 3 has none)."""
    norm_penalty: float = Field(1e-3, ge=0.0, le=10.0)
    """Weight of the mean L2 norm of the anchors' representations in the loss (Sec. 4; value of the authors' code)."""
    variance_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of a penalty on dimensions of the anchors' directions, times sqrt(d_z), whose standard deviation is below
    1 (VICReg, arXiv:2105.04906). Eq. 3 alone has its optimum at one direction for all background jets.
    """
    covariance_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of the squared covariances of these dimensions (VICReg)."""
    uniformity_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of the anchors' uniformity on the unit sphere (Wang & Isola, arXiv:2005.10242)."""
    denominator_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of the denominator over background jets; with 1 the loss is the full one of AnomalyCLR
    (arXiv:2301.04660).
    """
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0)
    """Adam's learning rate (Table 1)."""
    adam_beta1: Probability = 0.9
    """Adam's beta_1 (Table 1)."""
    adam_beta2: Probability = 0.999
    """Adam's beta_2 (Table 1)."""
    adam_epsilon: float = Field(1e-4, gt=0.0, le=1.0)
    """Adam's epsilon (authors' code; JetCLR uses 1e-8)."""
    batch_size: int = Field(256, ge=2, le=65536)
    """Number of jets per step, over all workers (Table 1)."""
    epochs: int = Field(150, ge=0, le=100000)
    """Number of epochs (Table 1); 0 leaves the encoder untrained."""


class NAESettings(Settings):
    """Normalised autoencoder (Sec. 4). Its energy is the squared error per dimension of the scaled representation.

    Scale and learning rate of pre-training were selected without signals, on two encoders of Table 1's size and 30,000
    jets, on background validation jets against their own views at p_drop 0.2, 0.35, 0.45, 0.6 and 0.8.
    """

    scale: Literal["dimension", "global", "none"] = "global"
    """Scaling of representations by the background's mean and standard deviation: one scale per dimension
    ("dimension"), one common scale ("global"), or none ("none", the paper). With a scale, a step size has the same
    meaning for every d_z.
    """
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = (128, 64, 32, 16, 8)
    """Widths of the encoder's hidden layers; the decoder mirrors them (Sec. 4)."""
    bottleneck: int = Field(3, ge=1, le=1024)
    """Dimension of the bottleneck (Sec. 4); with `narrow_bottleneck` the largest one."""
    narrow_bottleneck: bool = False
    """Whether the bottleneck is not wider than the effective rank of the background's representations, rounded down,
    and at least 1. A wider one reconstructs all directions in which z varies, so that its error says less of a jet.
    """
    activation: Literal["prelu", "relu", "gelu", "silu"] = "prelu"
    """Activation between layers (PReLU in the same group's jet-image NAE; not specified in the paper)."""
    batch_size: int = Field(2048, ge=2, le=1000000)
    """Number of representations per step, over all workers (same group's jet-image NAE; not specified in the paper)."""
    reconstruction_epochs: int = Field(200, ge=0, le=100000)
    """Number of epochs of pre-training by reconstruction (Sec. 4)."""
    views_p_drop: tuple[Probability, ...] = (0.3, 0.5, 0.7)
    """Drop probabilities of the background's own views that select the epoch of pre-training, by the energy's rejection
    at a view efficiency of 0.2, so that no signal is needed; empty: the last epoch is kept. Not specified in the
    paper.
    """
    reconstruction_learning_rate: float = Field(1e-4, gt=0.0, le=1.0)
    """Adam's learning rate in pre-training (same group's low-dimensional set-up; 1e-3 in their jet-image NAE). After a
    longer training the energy no longer depends on the norm, by which representations distinguish anomalies.
    """
    divergence_epochs: int = Field(100, ge=0, le=100000)
    """Number of epochs of contrastive divergence, Eq. 12 (Sec. 4); 0 leaves a plain autoencoder."""
    divergence_learning_rate: float = Field(1e-5, gt=0.0, le=1.0)
    """Adam's learning rate in contrastive divergence (same group's jet-image NAE)."""
    divergence_selection: Literal["energy_difference", "views"] = "energy_difference"
    """Criterion that selects the epoch of contrastive divergence: the energy difference closest to zero (Sec. 4), or
    the largest area under the ROC curve of the background's views at `views_p_drop` against background, among epochs
    whose chains gave no warning. Without views it is the energy difference.
    """
    steps: int = Field(40, ge=1, le=10000)
    """Number of Langevin steps of a chain, t of Eq. 11 (same group's low-dimensional set-up)."""
    step_size: float = Field(0.05, gt=0.0, le=1e6)
    """Langevin step size lambda of Eq. 10 for the squared error summed over dimensions (d_z times the energy), so that
    it has the same meaning for every d_z; from 1 on the descent overshoots. The same group's 50 in images of 1,600
    pixels corresponds to 0.03.
    """
    temperature: float | None = Field(None, gt=0.0, le=1e6)
    """Temperature T of the chains in units of the data's mean energy after pre-training; it defines the noise by
    sigma^2 = 2 lambda T. At 2 the ends of chains have the energy of the data, by equipartition: in a quadratic
    potential each dimension holds T / 2. None: `noise` is given.
    """
    noise: float | None = Field(0.005, ge=0.0, le=100.0)
    """Langevin noise sigma of Eq. 10, in units of the scaled representation. With the step size it gives about the
    temperature sigma^2 / (2 lambda) of the same group's low-dimensional set-up (lambda 1, sigma 0.02). None:
    `temperature` is given.
    """
    energy_penalty: float = Field(1.0, ge=0.0, le=1000.0)
    """Weight gamma of the squared energies in the loss (1 in the same group's jet-image NAE)."""
    squared_energies: Literal["both", "chains"] = "both"
    """Energies that the penalty squares: those of data and chains (Du and Mordatch, arXiv:1903.08689), or those of the
    chains only, as the same group's jet-image NAE does.
    """
    gradient_clip: float | None = Field(None, gt=0.0)
    """Largest norm of a chain's gradient in one step; none: no limit (the same group clips at 0.01 in images)."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """Seed of the autoencoder, so that several can be trained on one encoder; none: the study's seed."""

    @model_validator(mode="after")
    def _one_of_noise_and_temperature(self) -> NAESettings:
        if (self.noise is None) == (self.temperature is None):
            raise ValueError(
                f"nae.noise = {self.noise} and nae.temperature = {self.temperature}: give exactly one of the two "
                f"and set the other to none"
            )
        return self


class ImageSettings(Settings):
    """Images of jets; the defaults are the published recipe of the Aachen benchmark, see `darkclr_ray.jets.images`."""

    half_widths: tuple[Positive, Positive] = (0.8, 0.8)
    """Half widths of the window in eta and phi."""
    pixels: int = Field(40, ge=2, le=400, multiple_of=2)
    """Number of pixels along each axis; the window does not depend on it."""
    centre: bool = True
    """Whether eta and phi are taken relative to the pT-weighted mean of the constituents."""
    rotate: bool = True
    """Whether the larger principal axis of the pT-weighted second moments is turned onto the phi axis."""
    flip: Literal["quadrant", "axes", "none"] = "quadrant"
    """Flips of the axes: so that the quadrant with the largest summed pT has positive eta and phi ("quadrant"), or each
    axis by itself so that more pT is at negative eta and at positive phi ("axes").
    """
    power: float = Field(1.0, gt=0.0, le=10.0)
    """Power n of the pixels' values, x -> x^n, after which an image is divided by its sum again; for n -> 0 the image
    only says which pixels are occupied.
    """
    smearing: float = Field(0.0, ge=0.0, le=20.0)
    """Standard deviation in pixels of a Gaussian filter after the power; 0: no filter."""


class ImageNAESettings(Settings):
    """Normalised autoencoder on jet images (Dillon et al., SciPost Phys. Core 6, 074 (2023)).

    The defaults are those of the authors' code (February 2023), if nothing else is said. The window, which the code
    does not give for dark jets, is that of the Aachen recipe, and the power of the pixels for these is not published.
    """

    images: ImageSettings = ImageSettings(power=0.01, smearing=1.0)
    """Images of the jets. The power was chosen among 1, 0.3, 0.1 and 0.01 without signals: with pre-training on 3,000
    jets, 20 x 20 pixels and no filter, the area between background validation jets and their own views at p_drop 0.3
    is 0.55, 0.67, 0.69 and 0.70.
    """
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    channels: int = Field(8, ge=1, le=1024)
    """Number of channels of the convolutions."""
    hidden: int = Field(100, ge=1, le=65536)
    """Width of the linear layer on either side of the latent space."""
    latent: int = Field(3, ge=2, le=1024)
    """Dimension of the space in which the latent vectors lie on the unit sphere."""
    batch_size: int = Field(2048, ge=2, le=1000000)
    """Number of images per step, over all workers."""
    reconstruction_epochs: int = Field(100, ge=0, le=100000)
    """Number of epochs of pre-training by reconstruction; the last one is kept."""
    reconstruction_learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Adam's learning rate in pre-training."""
    gradient_norm: float = Field(0.1, gt=0.0)
    """Largest norm of the loss's gradient in pre-training; a longer gradient is scaled down to it."""
    weight_penalty: float = Field(1e-8, ge=0.0)
    """Weight of the sum of all squared weights in the loss."""
    divergence_epochs: int = Field(50, ge=0, le=100000)
    """Number of epochs of contrastive divergence; the one whose energy difference is closest to zero is kept."""
    divergence_learning_rate: float = Field(1e-5, gt=0.0, le=1.0)
    """Adam's learning rate in contrastive divergence."""
    energy_penalty: float = Field(1.0, ge=0.0, le=1000.0)
    """Weight gamma of the squared energies in the loss."""
    squared_energies: Literal["both", "chains"] = "chains"
    """Energies that the penalty squares."""
    replay: Probability = 0.95
    """Probability that a latent chain starts at an earlier chain's end instead of a random point."""
    buffer: int = Field(10_000, ge=1, le=10**7)
    """Number of earlier ends of latent chains that are kept."""
    latent_steps: int = Field(30, ge=1, le=10000)
    """Number of Langevin steps in the latent space, on the energy of the decoded image."""
    latent_step_size: float = Field(100.0, gt=0.0, le=1e6)
    """Step size in the latent space."""
    latent_noise: float = Field(0.01, ge=0.0, le=100.0)
    """Noise per step in the latent space."""
    steps: int = Field(30, ge=1, le=10000)
    """Number of Langevin steps on the pixels, from the decoded ends of the latent chains."""
    step_size: float = Field(50.0, gt=0.0, le=1e6)
    """Step size on the pixels."""
    noise: float = Field(1e-4, ge=0.0, le=100.0)
    """Noise of the first step on the pixels; step k has a k-th of it."""
    gradient_clip: float = Field(0.01, gt=0.0)
    """Largest norm of a chain's gradient in one step, in the latent space and on the pixels."""
    clip: Literal["row", "image"] = "row"
    """Norm that is clipped on the pixels: that of each row of pixels (authors' code), or that of the image."""


class ViewsClassifierSettings(Settings):
    """Classifier between background jets and their own anomalous views, without signal or labels.

    The form was selected without signals, with the laptop preset on the starter set (three encoder seeds), on
    background validation jets against their own views at p_drop 0.2, 0.35, 0.45, 0.6 and 0.8. The layer before the head
    performs better than the head, and adding the energy reduces the area. Other choices are equal within 3,000 jets: a
    range of p_drop or a fixed one, a hidden layer or none.
    """

    p_drop: Probability | tuple[Probability, Probability] = (0.3, 0.7)
    """Probability to drop a constituent in the anomalous views, or a range from which one is drawn for each jet."""
    layer: Literal["head", "pooled"] = "pooled"
    """Input of the classifier: the representation z ("head"), or the constituents' sum before the head ("pooled")."""
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)
    """Widths of its hidden layers; empty: logistic regression."""

    @model_validator(mode="after")
    def _ordered_range(self) -> ViewsClassifierSettings:
        if isinstance(self.p_drop, tuple) and self.p_drop[0] > self.p_drop[1]:
            raise ValueError(f"p_drop: the range {self.p_drop} runs backwards; write the smaller value first")
        return self


class ViewsObservablesSettings(Settings):
    """Classifiers on observables of jets, trained with background and anomalous views or, for comparison, with labels.

    The views were fixed before any signal was used: branches have the size of the decay of a dark meson of a few GeV in
    these jets (2 m / pT), and the range of drop probabilities is as wide as is possible without removing most of a jet.

    Observables, families and draws were selected without any signal, on background validation jets of the starter set
    against views of other families than those of the training (`studies/views_transfer.py`): constituents dropped
    independently, by softness, in Cambridge/Aachen branches, in cells around random constituents, and branches of
    harder jets. The finer observables raise the rejection of every family that was not trained on. One to four draws
    are equal there.
    """

    observables: tuple[str, ...] = Field(
        (
            "multiplicity",
            "pt_dispersion",
            "width",
            "les_houches_angularity",
            "thrust",
            "leading_fraction",
            "leading_fraction_2",
            "leading_fraction_3",
            "leading_fraction_5",
            "leading_fraction_10",
            "smallest_fraction",
            "soft_constituents",
            "correlator_0.2",
            "correlator_0.5",
            "correlator_1",
            "correlator_2",
            "subjets_0.05",
            "subjets_0.1",
            "subjets_0.2",
            "subjets_0.4",
            "hard_subjets_0.1_0.01",
            "hard_subjets_0.1_0.03",
            "hard_subjets_0.1_0.1",
            "hard_subjets_0.2_0.01",
            "hard_subjets_0.2_0.03",
            "hard_subjets_0.2_0.1",
            "lund_emissions_0.002",
            "lund_emissions_0.005",
            "lund_emissions_0.02",
            "hard_splittings",
        ),
        min_length=1,
    )
    """Observables that the classifiers use; see `darkclr_ray.jets.observables`. They are computed from all
    constituents, independently of `inputs.constituents`.
    """
    families: Weights = (("branch_dropping", 1.0),)
    """Transformations with weights, such as {branch_dropping: 3, donor_branches: 1}. A regression is trained on views
    of each; the score is their weighted mean. `donor_branches` are views of the harder jets in `donors`.
    """
    views: ViewSettings = ViewSettings(
        anchor=(), positive=(), anomalous=("branch_dropping",), p_drop=(0.1, 0.7), conserved_pt="floor"
    )
    """Parameters of the transformations."""
    draws: int = Field(4, ge=1, le=1000)
    """Number of views of each background jet and family; more views reduce the variance of the weights."""
    donors: str | None = None
    """Folder of jets that are harder than the background (sample `donors` in its split `train`), or "starter" for those
    in the package, which belong to QCD jets of 150 to 300 GeV; only used by the family `donor_branches`.
    """


class ViewsNetworkSettings(Settings):
    """Encoder and classifier that are trained end to end to separate background jets from their anomalous views.

    The epoch is selected on views of a family that the network is not trained on, so that it is not the one in which
    the network knows the artefacts of its own family best.
    """

    networks: tuple[str, ...] = Field(("branch_dropping",), min_length=1)
    """Transformation whose views each network of the ensemble is trained on, such as branch_dropping,branch_dropping,
    dropping; each has a seed of its own. The score is the mean of their standardised logits.
    """
    held_out: str = "cell_dropping"
    """Transformation whose views of held-out background select the epoch, by the area under the ROC curve."""
    views: ViewSettings = ViewSettings(
        anchor=("rotation",), positive=(), anomalous=(), p_drop=(0.1, 0.7), conserved_pt="floor"
    )
    """Parameters of the transformations; those of the anchor are applied to background and to views."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the labels that is replaced by one half."""
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0)
    """Largest learning rate of Adam (that of Table 1)."""
    batch_size: int = Field(256, ge=2, le=65536)
    """Number of jets per step, over all workers; each is used with one view."""
    epochs: int = Field(150, ge=1, le=100000)
    """Number of epochs (that of Table 1)."""
    warm_up: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the epochs in which the learning rate rises; then it falls to zero along a cosine."""
    validation: float = Field(0.1, gt=0.0, lt=1.0)
    """Fraction of the events that is held out to select the epoch."""


class DirichletVAESettings(Settings):
    """Dirichlet variational autoencoder on jet images (Dillon et al., SciPost Phys. 11, 061 (2021)).

    The defaults are those of the authors' code, if nothing else is said. Number and prior of the mixtures for dark jets
    are not published; the power of the pixels is that of the k-means of Buss et al., SciPost Phys. 15, 168 (2023).
    """

    images: ImageSettings = ImageSettings(power=0.25)
    """Images of the jets."""
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    hidden: int = Field(100, ge=1, le=65536)
    """Width of the encoder's hidden layer."""
    alphas: tuple[Annotated[float, Field(gt=0.0, le=1000.0)], ...] = Field((1.0, 1.0, 1.0), min_length=2)
    """Parameters of the Dirichlet prior, one for each mixture (0.9 for each of two in the authors' example)."""
    prior_weight: float = Field(0.1, ge=0.0, le=1000.0)
    """Weight of the divergence from the prior in the loss."""
    learning_rate: float = Field(5e-3, gt=0.0, le=1.0)
    """Adam's learning rate; its betas are 0.9 and 0.99."""
    batch_size: int = Field(100, ge=2, le=1000000)
    """Number of images per step, over all workers."""
    epochs: int = Field(200, ge=1, le=100000)
    """Number of epochs; the last one is kept."""


class INNSettings(Settings):
    """Coupling flow of energy-flow polynomials (Buss et al., SciPost Phys. 15, 168 (2023)).

    The defaults are those of the authors' code, if nothing else is said.
    """

    beta: float = Field(2.0, gt=0.0, le=10.0)
    """Power of the angular distance in the polynomials."""
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    blocks: int = Field(24, ge=1, le=1000)
    """Number of affine coupling blocks."""
    hidden: int = Field(512, ge=1, le=65536)
    """Width of the hidden layer of each block's network."""
    noise: float = Field(0.5, ge=0.0, le=100.0)
    """Standard deviation of the noise that is added to the whitened inputs in the first epoch."""
    noise_decay: float = Field(0.95, gt=0.0, le=1.0)
    """Factor of the noise per epoch."""
    learning_rate: float = Field(1e-4, gt=0.0, le=1.0)
    """Adam's learning rate in the first epoch."""
    learning_rate_decay: float = Field(0.98, gt=0.0, le=1.0)
    """Factor of the learning rate per epoch."""
    batch_size: int = Field(512, ge=2, le=1000000)
    """Number of jets per step, over all workers."""
    epochs: int = Field(300, ge=1, le=100000)
    """Number of epochs; the last one is kept."""


class KMeansSettings(Settings):
    """Clusters of jet images (Buss et al., SciPost Phys. 15, 168 (2023)), with the values of the authors' code."""

    images: ImageSettings = ImageSettings(power=0.25, smearing=3.0)
    """Images of the jets."""
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    clusters: int = Field(100, ge=1, le=100000)
    """Number of clusters."""


class WNAESettings(Settings):
    """Wasserstein normalised autoencoder (CMS, Mach. Learn.: Sci. Technol. 7, 035030 (2026), arXiv:2510.02168).

    Loss, persistent chains, replay and bounds are those of the public code, which leaves the network to the user. The
    other values were fixed before any signal was used: step size and noise correspond to a temperature of 0.05.
    """

    observables: tuple[str, ...] = Field(ViewsObservablesSettings().observables, min_length=2)
    """Observables of a jet that the autoencoder reconstructs, see `darkclr_ray.jets.observables`; they are scaled to
    mean 0 and standard deviation 1 in background.
    """
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = (64, 32, 16)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    bottleneck: int = Field(8, ge=1, le=1024)
    """Dimension of the bottleneck."""
    batch_size: int = Field(256, ge=2, le=100000)
    """Number of jets per step, over all workers, between which and as many chains the distance is computed."""
    reconstruction_epochs: int = Field(100, ge=0, le=100000)
    """Number of epochs of pre-training by reconstruction; its last one is the plain autoencoder."""
    reconstruction_learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Adam's learning rate in pre-training."""
    wasserstein_epochs: int = Field(50, ge=0, le=100000)
    """Number of epochs in which the Wasserstein distance is minimised; that of the smallest distance is kept. With 0
    the autoencoder stays plain.
    """
    wasserstein_learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Adam's learning rate in these epochs."""
    steps: int = Field(10, ge=1, le=1000)
    """Number of Langevin steps of a chain."""
    step_size: float = Field(0.4, gt=0.0, le=1e6)
    """Langevin step size for the squared error per dimension."""
    noise: float = Field(0.2, ge=0.0, le=100.0)
    """Langevin noise per step, in units of the scaled inputs."""
    bound: float = Field(3.0, gt=0.0, le=1000.0)
    """Largest absolute value of a chain's coordinates, in units of the scaled inputs."""
    replay: Probability = 0.95
    """Probability that a chain starts at an earlier chain's end instead of a normally distributed point."""
    buffer: int = Field(10_000, ge=1, le=10**7)
    """Number of earlier ends of chains that are kept."""


class SupervisedSettings(Settings):
    """Training of the supervised references: the transformer of Sec. 5.2, and boosted trees."""

    signal: str = Field("aachen", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    """Sample whose training jets are the signal (Sec. 5.2: the Aachen benchmark). All training jets of background and
    signal are used, weighted to the same total; the paper trains on 50,000 of each.
    """
    match_pt: bool = False
    """Whether background is weighted to the signal's spectrum of jet pT, so that nothing is learned from it (the paper:
    no).
    """
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0)
    """Adam's learning rate (that of Table 1; not specified in Sec. 5.2)."""
    batch_size: int = Field(256, ge=2, le=65536)
    """Number of jets per step, over all workers (that of Table 1; not specified in Sec. 5.2)."""
    epochs: int = Field(300, ge=1, le=100000)
    """Number of epochs (Sec. 5.2)."""
    validation: float = Field(0.1, gt=0.0, lt=1.0)
    """Fraction of the events that is held out to select the best epoch (not specified in Sec. 5.2)."""


ObjectiveName = str


class Range(Settings):
    """Range of a number in a search space; an integer where the setting is one."""

    low: float
    """Smallest value."""
    high: float
    """Largest value; with a step, the largest multiple of it above `low` that is not larger."""
    log: bool = False
    """Whether values are drawn on a logarithmic scale."""
    step: float | None = Field(None, gt=0.0)
    """Distance between neighbouring values; none: any value, or every integer."""

    @model_validator(mode="after")
    def _possible(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} is larger than high = {self.high:g}; write the smaller value first")
        if self.log and (self.low <= 0.0 or self.step is not None):
            raise ValueError("a logarithmic range needs low > 0 and has no step")
        return self


Choices = Annotated[tuple[JsonValue, ...], Field(min_length=1)]
Arguments = dict[str, JsonValue]


class SearchSettings(Settings):
    """Search space, sampler, pruner and objective of the hyperparameter optimisation with Optuna."""

    trials: int = Field(60, ge=1, le=100000)
    """Number of trials of the study; the first has the paper's settings (or the preset's)."""
    d_z: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    """Embedding dimensions of the search space."""
    p_drop: tuple[float, float, float] = (0.1, 0.7, 0.05)
    """Lowest and highest drop probability of the search space, and the step between values."""
    step_size: tuple[float, float] = (1e-3, 0.5)
    """Range of Langevin step sizes, searched on a logarithmic scale."""
    step_sizes_per_encoder: int = Field(3, ge=1, le=100)
    """Number of successive trials that share one encoder and differ only in parameters that no encoder depends on, such
    as the Langevin step size.
    """
    space: dict[str, Range | Choices] | str = {}
    """Search space: values of any settings by their dotted names, as a list of values or as a range, such as
    {encoder.layers: [2, 4, 6], contrastive.learning_rate: {low: 1e-5, high: 1e-3, log: true}}; or module:name of a
    function of an Optuna trial that returns the settings by their dotted names (optuna.TrialPruned: no such
    combination). Empty: the three parameters of the paper, in the ranges `d_z`, `p_drop` and `step_size`.
    """
    start_from: str | None = None
    """Folder of another embedding scan whose best points are the first ones of this study, or the nearest points in
    this study's space; none: the first point is that of the settings.
    """
    start_points: int = Field(5, ge=0, le=100000)
    """Number of points that are taken from the study `start_from`; 0: those of all of its complete trials."""
    sampler: Literal["tpe", "random", "grid", "gp", "cmaes", "nsga2", "qmc"] = "tpe"
    """Sampler of Optuna that chooses the points. A trial may share another one's encoder with each but "grid"."""
    sampler_arguments: Arguments = {}
    """Arguments of the sampler's class in Optuna, such as {n_startup_trials: 20}."""
    pruner: Literal["asha", "halving", "hyperband", "median", "none"] = "asha"
    """Which trials are stopped early if `prune` is true: asynchronous successive halving on a trial's own epochs
    ("asha"), or Optuna's SuccessiveHalvingPruner, HyperbandPruner or MedianPruner.
    """
    pruner_arguments: Arguments = {}
    """Arguments of the pruner's class in Optuna, such as {n_warmup_steps: 10}."""
    objective: ObjectiveName = "matched"
    """Objective that is maximised on validation jets: "matched" (mean log of the pT-matched rejection at eps_S = 0.2
    over the signals), "raw" (the same unmatched, as in the paper), "worst" (worst signal), "leave_out:SIGNAL" (all
    but one), "signal_blind" (area under the ROC curve of background against its own anomalous views), or module:name
    of a user's function.
    """
    further_objectives: tuple[ObjectiveName, ...] = ()
    """Further objectives of the same search: other ones that are maximised, or the costs "seconds" (of a trial's
    trainings) and "parameters" (of its networks), which are minimised. The page shows the Pareto front of all; the
    trial with the largest `objective` is still called the best. Nothing is stopped early.
    """
    score: str = "s_NAE"
    """Score of a trial that the objectives evaluate: "s_NAE" (the energy), "s_AE" (that before contrastive divergence),
    "s_CLR" (the norm), or another detector without labels, such as "views_classifier", which each trial then fits as
    well. Trials are stopped early only for the first three. A finished study can be evaluated with other objectives and
    scores: what is trained stays.
    """
    seeds: int = Field(0, ge=0, le=1000)
    """Number of further seeds with which the best points are trained again after the search; their mean over these
    seeds selects the best point, since the best of many single runs is biased upwards. 0: the best single run.
    """
    repeated_points: int = Field(3, ge=1, le=1000)
    """Number of best points that are trained again with further seeds."""
    blind_families: tuple[str, ...] = Field(("dropping_floor", "branch_dropping", "cell_dropping"), min_length=1)
    """Families of views of the signal-blind objective (`darkclr_ray.augmentations.families`), the same for every trial.
    Trials are trained on independent dropping, and nothing is trained on the last two by default.
    """
    blind_p_drop: tuple[Probability, ...] = Field((0.15, 0.3, 0.45), min_length=1)
    """Drop probabilities in these views. With larger ones nearly every view is found, so that trials cannot be ranked.
    """
    delay: int = Field(8, ge=1, le=4096)
    """Distance in number from which on trials count: the point of a trial, and whether it is stopped early, depend on
    the results of trials that are at least this many numbers before it. So they are the same however many trials run
    at a time, which are at most this many.
    """
    prune: bool = True
    """Whether unpromising trials are stopped early; see `pruner`."""

    @field_validator("space", mode="before")
    @classmethod
    def _dotted_names(cls, value: Any) -> Any:
        return _flat(value) if isinstance(value, dict) else value

    @field_validator("space", "sampler_arguments", "pruner_arguments")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        numbers = {} if isinstance(value, str) else {k: v for k, v in value.items() if not isinstance(v, Range)}
        json.dumps(numbers, allow_nan=False)
        return value

    @model_validator(mode="after")
    def _possible_ranges(self) -> SearchSettings:
        low, high, step = self.p_drop
        if not (0.0 <= low <= high < 1.0 and step > 0.0):
            raise ValueError(
                f"search.p_drop = {self.p_drop}: expected low, high, step with 0 <= low <= high < 1, step > 0"
            )
        if not 0.0 < self.step_size[0] <= self.step_size[1] <= 1e6:
            raise ValueError(
                f"search.step_size = {self.step_size}: expected two positive numbers up to 1e+06, the smaller first"
            )
        if not self.d_z or min(self.d_z) < 2 or max(self.d_z) > 4096:
            raise ValueError(f"search.d_z = {self.d_z}: expected dimensions from 2 to 4096")
        if len(set(self.d_z)) < len(self.d_z):
            raise ValueError(f"search.d_z = {self.d_z}: a dimension is there twice; say each once")
        return self


class ComparisonSettings(Settings):
    """Detectors that a study compares, and the jets they are evaluated on in addition to the study's own."""

    encoder_seeds: int = Field(5, ge=1, le=1000)
    """Number of encoders, and of supervised networks, of an ensemble (Sec. 5.1)."""
    autoencoder_seeds: int = Field(3, ge=1, le=1000)
    """Number of autoencoders on each encoder (Sec. 5.1)."""
    d_z: tuple[Annotated[int, Field(ge=2, le=4096)], ...] = (16, 32, 64, 128, 256, 512, 1024)
    """Embedding dimensions that are compared (Fig. 5 and 6); empty: no such comparison."""
    detectors: tuple[str, ...] = ()
    """Additional detectors to compare, by name or as module:name of a user's class."""
    contamination: tuple[Annotated[float, Field(ge=0.0, le=0.5)], ...] = (0.0, 0.001, 0.01, 0.03, 0.1)
    """Fractions of the training background that are jets of `supervised.signal`; empty: no such comparison."""
    further_jets: tuple[str, ...] = ()
    """Folders of jets whose test split is also evaluated: a grid of signals, background variations."""
    scan: str | None = None
    """Folder of an embedding scan, to measure the rejection lost by leave-one-signal-out selection among its trials
    (which trials there are depends on the scan's own search); none: the one beside this study's folder, if there is
    one.
    """
    stability_jets: int = Field(3000, ge=10)
    """Largest number of test jets per sample that are scored again after each perturbation."""


class ComputeSettings(Settings):
    """Resources that a study uses."""

    address: str | None = None
    """Address of a Ray cluster ("auto" or "host:6379"); none: Ray is started on this machine."""
    workers: int = Field(0, ge=0, le=4096)
    """Number of training workers per trial; 0: each trial's share of the GPUs, or one worker without a GPU."""
    cpus_per_worker: float = Field(1.0, gt=0.0, le=1024.0)
    """Number of CPUs of a training worker. One more CPU makes its batches or, below 1, the remainder of its own CPU
    does.
    """
    concurrent_trials: int = Field(0, ge=0, le=4096)
    """Number of trials that run at the same time; 0: as many as the resources permit."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products; "auto" selects bfloat16 if the hardware is fast at it."""
    kernels: Literal["auto", "off"] = "auto"
    """Implementation of the networks; "auto" uses the compiled kernels in C or Triton that support a network, "off"
    PyTorch alone, which gives the same results up to rounding and random numbers of dropout and chains.
    """
    materialise_limit: float = Field(4.0, ge=0.0, le=1e6)
    """Size in GB up to which the jets of a sample are kept in the object store. A larger sample is unpacked on disk, 12
    bytes a constituent and 40 a jet, beside its shards or in the cache folder; all processes map the files, and the
    streams of views read the shards.
    """
    stall_limit: float = Field(1800.0, gt=0.0)
    """Seconds without progress after which a trial is stopped and marked as failed."""
    worker_failures: int = Field(3, ge=0, le=1000)
    """Number of times that a training is resumed from its last checkpoint after a worker was lost."""


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


def _flat(space: dict[Any, Any], above: str = "") -> dict[str, Any]:
    """Return a search space by dotted names, whose names may be nested as in a file of settings.

    >>> _flat({"encoder": {"layers": [2, 4], "dropout": {"low": 0.0, "high": 0.3}}})
    {'encoder.layers': [2, 4], 'encoder.dropout': {'low': 0.0, 'high': 0.3}}
    """
    found: dict[str, Any] = {}
    for name, value in space.items():
        nested = isinstance(value, dict) and not value.keys() & Range.model_fields.keys()
        found |= _flat(value, f"{above}{name}.") if nested else {f"{above}{name}": value}
    return found


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of ``base`` that is updated recursively by the nested dictionary ``changes``.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    result = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result


def nested(name: str, value: Any) -> dict[str, Any]:
    """Return a value in nested dictionaries, by its dotted name.

    >>> nested("encoder.d_z", 64)
    {'encoder': {'d_z': 64}}
    """
    for part in reversed(name.split(".")):
        value = {part: value}
    result: dict[str, Any] = value
    return result
