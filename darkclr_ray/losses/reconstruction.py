"""Eq. 8: the energy of the normalised autoencoder, its reconstruction error."""

from __future__ import annotations

from torch import Tensor


def squared_error(z: Tensor, reconstruction: Tensor) -> Tensor:
    """Squared error per dimension of each jet, (B,): E = ||z - z'||^2 / d_z.

    Eq. 8 prints the L2 norm ||z - z'||, the text says mean squared error. The two order jets alike, so the score's ROC
    is the same; as an energy they differ, and the squared error is what the text, and the same group's earlier
    normalised autoencoders, train. Its mean over the batch is the loss of the pre-training.

    Args:
        z: (B, d_z).
        reconstruction: z', (B, d_z).

    >>> import torch
    >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([5.])
    """
    return (z - reconstruction).square().mean(1)
