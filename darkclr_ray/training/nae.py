"""Training of the normalised autoencoder (Sec. 4): reconstruction first, then contrastive divergence."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darkclr_ray.evaluation.roc import auc, rejection_at
from darkclr_ray.jets.batching import POOL, BatchPlan, batch_slice
from darkclr_ray.kernels.frozen import frozen_weights
from darkclr_ray.langevin import langevin_chain
from darkclr_ray.losses.contrastive_divergence import contrastive_divergence
from darkclr_ray.randomness import digest, keyed_generator
from darkclr_ray.settings import NAESettings
from darkclr_ray.training.base import Training, TrainingDiverged, adam, to_tensor
from darkclr_ray.training.energy_model import EnergyModel, blocks, energies, fitted_bottleneck, fitted_scale, moments
from darkclr_ray.training.parallel import of_first_rank

STANDING_STILL = 0.01
"""Displacement of chains, in units of the data's standard deviation, below which they count as not moving.

Energies are quadratic in displacements: one of 1% of the spread changes them by about 1e-4 of the spread's square,
which is less than the smallest energies of data that were seen (3e-3).
"""
MISMATCH = 2.0
"""Factor between the energies at the chains' ends and of the data beyond which the chains' temperature does not fit.

At a temperature of 2 E(data) the factor starts at 1 and rises to 1.7 in the course of contrastive divergence, which
raises the energy at the ends; beyond 2 the temperature is the reason, since the energy there is proportional to it.
"""
RUNAWAY = 1000.0
"""Displacement of chains, in units of the data's standard deviation, above which the training has diverged.

Chains of a stable step size stay within tens of spreads; those of an unstable one grow by a factor in every step.
"""
RECONSTRUCTION, CONTRASTIVE_DIVERGENCE = "reconstruction", "contrastive_divergence"
VIEWS_REJECTION, VIEWS_AREA = "views_rejection", "views_area"


class NAETraining(Training):
    """Train an autoencoder on background representations, then normalise it by contrastive divergence (Eq. 12).

    The epoch of contrastive divergence whose energy difference E+ - E- is closest to zero is kept (Sec. 4) or, by
    ``divergence_selection``, the one whose energy best separates background from its anomalous views, among those with
    healthy chains; the last epoch is kept if there is none. The plain
    autoencoder that it started from is kept as well: it is the last epoch of pre-training or, with ``views``, the one
    whose energy best separates background from its own anomalous views, because a long training reconstructs the views,
    too.

    The chains start at the data of the batch. If they do not move (root mean square displacement below 1% of the data's
    standard deviation), the energy difference is zero although the model is not normalised: the epoch's record then has
    ``standing_still`` and a warning. Where they end is set by their temperature alone, so that E+ - E- cannot approach
    zero at another one than the data's: if their final energy exceeds that of the data by more than a factor
    `MISMATCH`, or is below it by more, the record has ``above_data`` or ``below_data`` and a warning.

    Energies are squared errors per dimension. Step size, noise and temperature refer to the squared error summed over
    dimensions and to scaled representations, so that they have the same meaning for every d_z. With a temperature in
    the settings, sigma follows from the mean energy of ``z`` after pre-training and does not change afterwards.

    Args:
        z: background representations, float32 (B, d_z).
        settings: see `NAESettings`.
        seed: seed of the initial weights, the batches and the chains' noise, unless the settings have one.
        source: JSON-serialisable values that determine ``z`` and ``views``; by default the key contains their hash.
        makers: names of the modules that computed them.
        views: representations of anomalous views of the first jets of ``z``, float32 (V, d_z), V <= B.

    Attributes:
        model: the normalised autoencoder with its scale.
        plain: the same before contrastive divergence.
        bottleneck: dimension of their bottleneck; see `fitted_bottleneck`.
        noise: sigma of the chains; None until it is known.
    """

    kind = "energy"

    def __init__(
        self,
        z: NDArray[np.float32],
        settings: NAESettings,
        *,
        seed: int,
        source: dict[str, Any] | None = None,
        makers: tuple[str, ...] = (),
        views: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__()
        if len(z) < 2:
            raise ValueError(f"a normalised autoencoder needs two or more representations, not {len(z)}")
        if not all(np.isfinite(part).all() for part in blocks(z)):
            raise ValueError("a normalised autoencoder needs finite representations; some are nan or inf")
        if all((part == z[0]).all() for part in blocks(z)):
            raise TrainingDiverged(
                f"{self.kind}: all {len(z)} representations are the same, since the encoder has collapsed; take "
                f"encoder.head_slope = 0.1, lower its learning rate (contrastive.learning_rate), or change the seed"
            )
        self.settings = settings
        self.seed = seed = seed if settings.seed is None else settings.seed
        self.source = {"content": _hash(z, views)} if source is None else source
        self.makers = makers
        d_z = z.shape[1]
        self.bottleneck = fitted_bottleneck(z, settings)
        settings = settings.model_copy(update={"bottleneck": self.bottleneck})
        self.model = EnergyModel(d_z, settings, seed=digest("autoencoder", seed) >> 1)
        mean, scale = fitted_scale(z, settings.scale)
        self.model.mean.copy_(torch.from_numpy(mean))
        self.model.scale.copy_(torch.from_numpy(scale))
        self.plain = EnergyModel(d_z, settings)
        self.plain.load_state_dict(self.model.state_dict())
        self.z, self.views = z, views
        self.spread = math.sqrt(np.square(moments(z)[1] / scale).mean())
        self.modules = {"autoencoder": self.model}
        self.optimizer = adam(self.modules, settings.reconstruction_learning_rate)
        self.noise: float | None = settings.noise
        self.epochs = settings.reconstruction_epochs + settings.divergence_epochs
        self.batch_size = min(settings.batch_size, len(z))
        self.steps_per_epoch = len(z) // self.batch_size

    def key(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "nae": self.settings.model_dump(mode="json", exclude={"seed"}),
            "seed": self.seed,
            "representations": self.source,
        }

    def plugin_modules(self) -> tuple[str, ...]:
        return self.makers

    def artifacts(self) -> dict[str, nn.Module]:
        return {"autoencoder": self.model, "plain_autoencoder": self.plain}

    def phase(self, epoch: int) -> str:
        return RECONSTRUCTION if epoch < self.settings.reconstruction_epochs else CONTRASTIVE_DIVERGENCE

    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[Tensor]:
        """Yield scaled representations, permuted anew for each (seed, epoch); an incomplete last batch is dropped.

        What fits into one pool is permuted as a whole. More is permuted as the encoder's jets are (see
        `darkclr_ray.jets.batching`), and one pool at a time is in memory if ``z`` is a map of a file.
        """
        own = batch_slice(self.batch_size, rank, world_size)
        epochs = range(first_epoch, self.epochs)
        if len(self.z) <= POOL:
            data = self.model.scaled(to_tensor(self.z, self.device))
            for epoch in epochs:
                order = keyed_generator("autoencoder batches", self.seed, epoch).permutation(len(data))
                rows = torch.from_numpy(order).to(self.device)
                for start in range(0, self.steps_per_epoch * self.batch_size, self.batch_size):
                    yield data.index_select(0, rows[start : start + self.batch_size][own])
            return
        plan = BatchPlan(len(self.z), self.batch_size, self.seed, POOL)
        for pool in (pool for epoch in epochs for pool in plan.pools(epoch)):
            numbers = pool.rows()
            data = self.model.scaled(to_tensor(self.z[numbers], self.device))
            places = torch.from_numpy(np.searchsorted(numbers, pool.batches()[:, own])).to(self.device)
            yield from (data.index_select(0, batch) for batch in places)

    def size(self, batch: Tensor) -> int:
        return len(batch)

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if self.noise is None and self.phase(epoch) == CONTRASTIVE_DIVERGENCE:
            self.noise = self.noise_of_temperature()
        if epoch == self.settings.reconstruction_epochs:
            self.model.load_state_dict(self.plain.state_dict())
            self.optimizer = adam(self.modules, self.settings.divergence_learning_rate)

    def noise_of_temperature(self) -> float:
        """Return sigma = sqrt(2 lambda T) for the temperature T in units of the plain autoencoder's mean energy."""
        assert self.settings.temperature is not None
        energy = self.shared(float(energies(self.plain, self.z).mean()))
        return math.sqrt(2 * self.settings.step_size * self.settings.temperature * energy)

    def prepare(self, batch: Tensor) -> tuple[Tensor, str]:
        return batch, self.phase(self.epoch)

    def step_key(self, batch: Tensor) -> tuple[int | str, ...]:
        return "chains", self.seed, self.epoch, self.step_number, self.rank

    def loss(self, batch: Tensor, phase: str) -> dict[str, Tensor]:
        if phase == RECONSTRUCTION:
            return {"loss": self.model.autoencoder.energy(batch).mean()}
        assert self.noise is not None
        autoencoder = self.model.autoencoder
        with frozen_weights(autoencoder):
            chain = langevin_chain(
                autoencoder.potential,
                batch,
                step_size=self.settings.step_size,
                noise=self.noise,
                steps=self.settings.steps,
                generator=self.generator,
                gradient_clip=self.settings.gradient_clip,
                walk=autoencoder.walk,
            )
            energy_data, energy_chain = autoencoder.energy(torch.cat([batch, chain.end])).chunk(2)
        return {
            "loss": contrastive_divergence(
                energy_data, energy_chain, self.settings.energy_penalty, self.settings.squared_energies
            ),
            "energy_data": energy_data.mean(),
            "energy_chain": energy_chain.mean(),
            "displacement": chain.displacement / self.spread,
            "acceptance": chain.acceptance,
            "nonfinite": chain.nonfinite / len(batch),
        }

    def has_diverged(self, means: Mapping[str, Any]) -> Any:
        """Return whether the Langevin chains, the loss or the gradient diverged."""
        return super().has_diverged(means) | self._chains_diverged(means)

    def _chains_diverged(self, means: Mapping[str, Any]) -> Any:
        if "displacement" not in means:
            return False
        return (means["nonfinite"] > 0) | (means["displacement"] > RUNAWAY)

    def divergence(self, metrics: Mapping[str, float]) -> str:
        if not self._chains_diverged(metrics):
            return super().divergence(metrics)
        return (
            f"Langevin chains ran away (displacement {metrics['displacement']:.3g} data spreads, "
            f"{metrics['nonfinite']:.1%} not finite)"
        )

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        record = {"epoch": self.epoch, "phase": self.phase(self.epoch), **means}
        if self.phase(self.epoch) == RECONSTRUCTION:
            selected_by = {} if self.views is None else {VIEWS_REJECTION: self.views_rejection(self.views)}
            return {**record, "energy_data": means["loss"], **selected_by}
        record["energy_difference"] = means["energy_data"] - means["energy_chain"]
        if self.views is not None and self.settings.divergence_selection == "views":
            record[VIEWS_AREA] = self.views_area(self.views)
        record["nonfinite"] = round(means["nonfinite"] * self.batch_size * self.steps_per_epoch)
        assert self.noise is not None
        record["bottleneck"] = self.bottleneck
        record["temperature"] = self.noise**2 / (2 * self.settings.step_size)
        record["acceptance"] = means["acceptance"] if math.isfinite(means["acceptance"]) else None
        ratio = means["energy_chain"] / means["energy_data"]
        record["standing_still"] = means["displacement"] < STANDING_STILL
        record["above_data"] = ratio > MISMATCH
        record["below_data"] = ratio < 1 / MISMATCH
        warning = self.chain_warning(record)
        return {**record, "warning": warning} if warning else record

    def chain_warning(self, record: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the chains of an epoch and what to do, or None if they are healthy."""
        if record["standing_still"]:
            return (
                f"Langevin chains stand still: they move by {record['displacement']:.1e} of the data's spread, so the "
                f"energy difference says nothing; raise the step size ({self.settings.step_size:g}) or the steps"
            )
        if not (record["above_data"] or record["below_data"]):
            return None
        side, change = ("higher", "lower") if record["above_data"] else ("lower", "raise")
        setting = "noise" if self.settings.temperature is None else "temperature"
        return (
            f"Langevin chains end {side} in energy than the data ({record['energy_chain']:.2g} against "
            f"{record['energy_data']:.2g}): their temperature {record['temperature']:.2g} does not fit the data's "
            f"energy; {change} nae.{setting} ({getattr(self.settings, setting):g}), or set nae.temperature = 2"
        )

    def views_rejection(self, views: NDArray[np.float32]) -> float:
        """Return the background rejection at an efficiency of 0.2 for anomalous views; at most the number of jets."""
        rejection = rejection_at(energies(self.model, self.z[: len(views)]), energies(self.model, views))
        return self.shared(min(rejection, float(len(views))))

    def views_area(self, views: NDArray[np.float32]) -> float:
        """Return the area under the ROC curve of anomalous views against the background jets that they are made of."""
        return self.shared(auc(energies(self.model, self.z[: len(views)]), energies(self.model, views)))

    def shared(self, value: float) -> float:
        """Return the first rank's value on all ranks."""
        return value if self.world_size == 1 else of_first_rank(value, self.rank, self.device)

    def end_epoch(self, means: dict[str, float]) -> dict[str, Any]:
        record = super().end_epoch(means)
        if self.phase(self.epoch) == RECONSTRUCTION:
            before = max((past[VIEWS_REJECTION] for past in self.history if VIEWS_REJECTION in past), default=0.0)
            if record.get(VIEWS_REJECTION, math.inf) >= before:
                self.plain.load_state_dict(self.model.state_dict())
        return record

    def finish(self) -> None:
        super().finish()
        if not self.settings.divergence_epochs:
            self.model.load_state_dict(self.plain.state_dict())

    def describe(self) -> str:
        settings = self.settings
        if self.phase(self.epoch) == RECONSTRUCTION:
            return f"pre-training at learning rate {settings.reconstruction_learning_rate:g}"
        return (
            f"contrastive divergence with Langevin step size {settings.step_size:g}, noise {self.noise or 0.0:g}, "
            f"{settings.steps} steps, learning rate {settings.divergence_learning_rate:g}"
        )

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "plain": self.plain.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.plain.load_state_dict(state["plain"])


def _hash(z: NDArray[np.float32], views: NDArray[np.float32] | None) -> str:
    content = hashlib.blake2b(z.tobytes(), digest_size=16)
    if views is not None:
        content.update(views.tobytes())
    return content.hexdigest()
