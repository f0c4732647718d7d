"""Contrastive divergence (Eq. 9 and 12), which lowers the energy of data and raises that of short chains' ends."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Squared = Literal["both", "chains"]


def contrastive_divergence(
    energy_data: Tensor, energy_chain: Tensor, penalty: float = 1.0, squared: Squared = "both"
) -> Tensor:
    """Return mean E+ - mean E- + gamma (mean E+^2 + mean E-^2), whose gradient is Eq. 12 for gamma = 0.

    The squares keep the energies bounded: the difference alone would not change if both grew together (Du & Mordatch,
    arXiv:1903.08689, Sec. 3.4, who square both). The normalised autoencoder on jet images (Dillon et al., SciPost Phys.
    Core 6, 074, public code) adds gamma mean E-^2 only, which is ``squared`` = "chains". Eq. 12 neglects the dependence
    of the chains' ends on the weights: pass the energies of detached samples.

    Args:
        energy_data: E+, (B,), of the data.
        energy_chain: E-, (B',), of the ends of the chains.
        penalty: gamma.
        squared: energies that the penalty squares.

    >>> import torch
    >>> contrastive_divergence(torch.tensor([1.0, 3.0]), torch.tensor([1.0]), penalty=0.5)
    tensor(4.)
    >>> contrastive_divergence(torch.tensor([1.0, 3.0]), torch.tensor([1.0]), penalty=0.5, squared="chains")
    tensor(1.5000)
    """
    loss = energy_data.mean() - energy_chain.mean()
    if penalty:
        loss = loss + penalty * energy_chain.square().mean()
    if penalty and squared == "both":
        loss = loss + penalty * energy_data.square().mean()
    return loss
