"""Define the interface of a training: torch modules and an optimiser that process one batch at a time."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from darkclr_ray.fs_checks import is_of_disk
from darkclr_ray.integrity import replacing
from darkclr_ray.kernels.registry import Kernels, use_kernels
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.randomness import reseed
from darkclr_ray.training.parallel import weighted_sum
from darkclr_ray.training.selection import selection_value

CPU = torch.device("cpu")
ROWS_TOGETHER = 1024
"""Number of rows to a multiple of which a batch is padded on a GPU; it limits the number of shapes at little cost."""


class TrainingDiverged(RuntimeError):
    """Raised if the loss, the gradient or the Langevin chains of a training are not finite; the message names which."""


class EncoderCollapsed(TrainingDiverged):
    """Raised if an encoder gives the same representation to a large share of the jets."""


class Training(ABC):
    """Base class of trainings; `run_training` runs them on one process or on every rank of a data-parallel group.

    The result depends only on `key()`, the precision and the number of workers. The random numbers of a step are keyed
    on (seed, epoch, step), so that a training resumed after an epoch ends with the same weights.

    A subclass sets in its constructor:
        epochs, steps_per_epoch: number of epochs, and of steps in each.
        batch_size: number of examples in a global batch, summed over all ranks.
        modules: modules to be trained, by name, on the CPU.
        optimizer: optimiser of the modules' parameters.
    """

    kind: ClassVar[str]
    """Name of the stage in folders, displays and reports."""

    epochs: int
    steps_per_epoch: int
    batch_size: int
    modules: dict[str, nn.Module]
    optimizer: torch.optim.Optimizer

    device: torch.device = torch.device("cpu")
    precision: str = "float32"
    rank: int = 0
    world_size: int = 1
    epoch: int = 0
    step_number: int = 0

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        """Records of the finished epochs, one dictionary per epoch."""
        self.generator = torch.Generator()
        """Random number generator of the steps, on the training's device; every step seeds it anew."""
        self.best: dict[str, Any] | None = None
        """Epoch, value of `selection_value` and weights of the best epoch so far."""

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """Return all values that determine the result, as JSON: settings, seed and the fingerprint of the input."""

    def plugin_modules(self) -> tuple[str, ...]:
        """Return the names of other modules whose code determines the result: plugins and makers of the input."""
        return ()

    @abstractmethod
    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[Any]:
        """Yield this rank's slices of all global batches from ``first_epoch`` to the last epoch, in order."""

    @abstractmethod
    def size(self, batch: Any) -> int:
        """Return the number of examples in this rank's slice of the global batch."""

    @abstractmethod
    def prepare(self, batch: Any) -> tuple[Any, ...]:
        """Convert a batch to the arguments of `loss`: tensors on any device, numbers and strings.

        On a GPU a step is recorded for every combination of tensor shapes and other values, so there should be few of
        them.
        """

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        """Return whether a CUDA graph can capture the step on these inputs, which must not read a value on the host."""
        return True

    @abstractmethod
    def loss(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Return scalars of a batch by name, each a mean over its examples; the gradient of "loss" is followed.

        The arguments are those that `prepare` returned, with tensors on the device. Random numbers come from
        ``self.generator``.
        """

    @abstractmethod
    def step_key(self, batch: Any) -> tuple[int | str, ...]:
        """Return the key of the random numbers of a batch's step."""

    @abstractmethod
    def describe(self) -> str:
        """Return the settings to change if the training diverges, as text for the error message."""

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch: reset the step number and set all modules to training mode."""
        self.epoch = epoch
        self.step_number = 0
        for module in self.modules.values():
            module.train()

    def step(self, batch: Any) -> dict[str, float]:
        """Update the weights on one batch and return its scalars as means over the global batch.

        Raises TrainingDiverged, on every rank and with unchanged weights, if the loss or the gradient is not finite.
        """
        inputs = [to_device(value, self.device) for value in self.prepare(batch)]
        self.seed_step(batch)
        metrics = numbers(self.gradients(inputs, self.size(batch)))
        self.check(metrics)
        self.optimizer.step()
        self.step_number += 1
        return metrics

    def seed_step(self, batch: Any) -> None:
        """Seed the generator for the step of this batch, independently of earlier draws."""
        reseed(self.generator, *self.step_key(batch))

    def gradients(self, inputs: Sequence[Any], size: int) -> dict[str, Tensor]:
        """Compute the mean gradients over the global batch from this rank's ``size`` examples; return its scalars."""
        self.optimizer.zero_grad(set_to_none=True)
        scalars = self.loss(*inputs)
        scalars["loss"].backward()  # type: ignore[no-untyped-call]
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = self.global_means(scalars, size, gradients)
        means["gradient_norm"] = torch.nn.utils.get_total_norm(gradients)
        return means

    def global_means(
        self, scalars: Mapping[str, Tensor], size: int, gradients: Sequence[Tensor] = ()
    ) -> dict[str, Tensor]:
        """Return means over the global batch from means over this rank's ``size`` examples.

        The gradients are averaged in the same way, in place.
        """
        values = torch.stack([scalar.detach().float() for scalar in scalars.values()])
        if self.world_size > 1:
            weighted_sum([values, *gradients], size / self.batch_size)
        return dict(zip(scalars, values, strict=True))

    def has_diverged(self, means: Mapping[str, Any]) -> Any:
        """Return whether the loss or the gradient is not finite.

        The scalars of a step are floats or tensors on one device; the result is a bool or a boolean scalar tensor.
        """
        return ((abs(means["loss"]) < math.inf) & (abs(means["gradient_norm"]) < math.inf)) ^ True

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raise TrainingDiverged if the training has diverged in the step with these scalars."""
        if self.has_diverged(metrics):
            raise TrainingDiverged(
                f"{self.kind}: {self.divergence(metrics)} in epoch {self.epoch}, step {self.step_number} "
                f"({self.describe()})"
            )

    def divergence(self, metrics: Mapping[str, float]) -> str:
        """Return what diverged in a step for which `has_diverged` is true."""
        name, meaning = ("loss", "loss")
        if math.isfinite(metrics["loss"]):
            name, meaning = ("gradient_norm", "norm of the loss's gradient")
        return f"the {meaning} became {metrics[name]}"

    def check_history(self) -> None:
        """Raise TrainingDiverged if the record of the last finished epoch shows that training on is useless.

        The default never does.
        """
        return

    def end_epoch(self, means: dict[str, float]) -> dict[str, Any]:
        """Return the record of the finished epoch from its mean scalars, and keep the weights of the best epoch."""
        record = self.record(means)
        value = selection_value(self.kind, record)
        if value is not None and (self.best is None or value < self.best["value"]):
            self.best = {"epoch": self.epoch, "value": value, "modules": copy.deepcopy(self.module_states())}
        return record

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        """Return an epoch's entry in the history from the means of its scalars over the steps."""
        return {"epoch": self.epoch, **means}

    def finish(self) -> None:
        """Load the weights of the best epoch into the modules."""
        if self.best is not None:
            self.load_module_states(self.best["modules"])
        for module in self.artifacts().values():
            module.eval().requires_grad_(False)

    def artifacts(self) -> dict[str, nn.Module]:
        """Return the modules to save, by the name of their weights' file."""
        return self.modules

    def save_artifacts(self, folder: Path) -> None:
        """Write each artifact's weights to ``folder/<name>.safetensors``, atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, module in self.artifacts().items():
            save_weights(module, folder / f"{name}.safetensors")

    def load_artifacts(self, folder: Path) -> None:
        """Load the artifacts that a finished training of the same key saved in ``folder``."""
        for name, module in self.artifacts().items():
            load_weights(module, folder / f"{name}.safetensors")
            module.eval().requires_grad_(False)

    def to(
        self, device: torch.device, precision: str, rank: int = 0, world_size: int = 1, kernels: Kernels = "auto"
    ) -> None:
        """Move the training to a device and set its rank and world size, before the first step."""
        self.device, self.precision, self.rank, self.world_size = device, precision, rank, world_size
        self.generator = torch.Generator(device)
        for module in self.artifacts().values():
            place(module, device, precision, kernels)

    def state_dict(self) -> dict[str, Any]:
        """Return the state after the last finished epoch, complete for resuming and loadable with weights_only."""
        return {"modules": self.module_states(), "optimizer": self.optimizer.state_dict(), "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.load_module_states(state["modules"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]

    def module_states(self) -> dict[str, dict[str, Tensor]]:
        return {name: module.state_dict() for name, module in self.modules.items()}

    def load_module_states(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, module in self.modules.items():
            module.load_state_dict(states[name])


def adam(modules: Mapping[str, nn.Module], learning_rate: float, **options: Any) -> torch.optim.Adam:
    """Return an Adam optimiser of all parameters in its fused form, which uses one kernel instead of a loop."""
    parameters = [parameter for module in modules.values() for parameter in module.parameters()]
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True, **options)


def numbers(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the values of scalar tensors; on a GPU this synchronises once."""
    return dict(zip(scalars, torch.stack(list(scalars.values())).tolist(), strict=True))


def place(module: nn.Module, device: torch.device, precision: str, kernels: Kernels = "auto") -> None:
    """Move a module to a device, and select the dtype of matrix products and the implementation of its networks."""
    module.to(device)
    for part in module.modules():
        if isinstance(part, Encoder | Autoencoder):
            part.matmul_dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    use_kernels(module, kernels)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's parameters and buffers as safetensors, atomically."""
    with replacing(path) as partial:
        save_file({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}, partial)


def load_weights(module: nn.Module, path: Path) -> None:
    """Load the weights that `save_weights` wrote. Raises ValueError if they do not match the module."""
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, OSError, SafetensorError) as error:
        if is_of_disk(error):
            raise
        words = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path} does not hold the weights of this {type(module).__name__}: {words}; copy the model again"
        ) from error


def to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return a numpy array as a tensor on a device; a read-only array (a view of shared memory) is copied."""
    return torch.from_numpy(array if array.flags.writeable else np.array(array)).to(device, non_blocking=True)


def to_device(value: Any, device: torch.device) -> Any:
    """Move a tensor to a device; return any other value unchanged."""
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


def packed_inputs(
    constituents: NDArray[np.float32], offsets: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor, int]:
    """Return an encoder's inputs for packed jets: constituents, offsets, and an upper bound of the jets' lengths.

    On a GPU, where a step is recorded for each shape, rows are padded to a multiple of `ROWS_TOGETHER` and the bound is
    a power of two; on a CPU nothing is copied.
    """
    longest = int(np.diff(offsets).max())
    if device.type == "cuda":
        longest = 1 << (longest - 1).bit_length()
        constituents = np.concatenate(
            [constituents, np.zeros((-len(constituents) % ROWS_TOGETHER, 3), dtype=np.float32)]
        )
    return to_tensor(constituents, CPU), to_tensor(offsets, CPU), longest
