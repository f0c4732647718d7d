"""Energy of the normalised autoencoder (Eq. 8), its reconstruction error."""

from __future__ import annotations

from torch import Tensor


def squared_error(z: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the squared error per dimension of each jet, (B,): E = ||z - z'||^2 / d_z (Eq. 8).

    Eq. 8 prints the L2 norm ||z - z'||, the text says mean squared error. Both order jets in the same way, so that the
    ROC curve is the same, but they differ as an energy. The squared error is what the text, and earlier normalised
    autoencoders of the same group, train. Its mean over the batch is the loss of the pre-training.

    Args:
        z: (B, d_z).
        reconstruction: z', (B, d_z).

    >>> import torch
    >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([5.])
    """
    return (z - reconstruction).square().mean(1)
