"""Replay buffer: new chains start from the ends of earlier ones (persistent contrastive divergence)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darkclr_ray.training.pretraining import RECONSTRUCTION, Network, PretrainedTraining
from darkclr_ray.training.tables import TableTraining


class ReplayBuffer:
    """The last ends of chains, at most ``size``; each worker of a data-parallel training has its own.

    Attributes:
        ends: float32 (n, d), n <= size, the newest first; a part of a training's state.
    """

    def __init__(self, size: int, dimension: int) -> None:
        self.size = size
        self.ends = torch.zeros(0, dimension)

    def starts(self, count: int, ratio: float, generator: torch.Generator) -> Tensor:
        """Return starts of chains, (count, d): with probability ``ratio`` an earlier end, else standard normal.

        All are normal as long as the buffer is empty.
        """
        device = generator.device
        fresh = torch.randn(count, self.ends.shape[1], generator=generator, device=device)
        if not len(self.ends):
            return fresh
        self.ends = self.ends.to(device)
        rows = torch.randint(len(self.ends), (count,), generator=generator, device=device)
        replayed = torch.rand(count, generator=generator, device=device) < ratio
        return torch.where(replayed[:, None], self.ends[rows], fresh)

    def push(self, ends: Tensor) -> None:
        """Add the ends of chains, (B, d), and drop the oldest beyond the size."""
        self.ends = torch.cat([ends.detach(), self.ends.to(ends.device)])[: self.size]


class ReplayTraining(PretrainedTraining[Network], TableTraining):
    """Training of an autoencoder by reconstruction and then with chains that start from a replay buffer.

    The plain autoencoder is that of the last epoch of reconstruction.

    Attributes:
        buffer: ends of earlier chains.
    """

    buffer: ReplayBuffer

    def end_epoch(self, means: dict[str, float]) -> dict[str, Any]:
        record = super().end_epoch(means)
        if record["phase"] == RECONSTRUCTION:
            self.plain.load_state_dict(self.model.state_dict())
        return record

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "replay": self.buffer.ends}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.buffer.ends = state["replay"]
