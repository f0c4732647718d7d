"""The paper's recipe written straightforwardly: what the package's fast versions are timed and tested against.

Frozen: nothing here is made faster or slower with the package. Padded float32 jets, one forward pass a view through
``nn.TransformerEncoder``, ``nn.Sequential`` autoencoder, a Python loop of Langevin steps by autograd.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.block import Block
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings


class PlainEncoder(nn.Module):
    """The encoder of Table 1 on zero-padded jets, from torch's own layers."""

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.embedding = nn.Linear(3, settings.d_r)
        layer = nn.TransformerEncoderLayer(
            settings.d_r, settings.heads, settings.d_h, settings.dropout, batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)
        head: list[nn.Module] = [nn.Linear(settings.d_r, settings.d_z)]
        for _ in range(settings.head_layers - 1):
            head += [nn.ReLU(), nn.Linear(settings.d_z, settings.d_z)]
        self.head = nn.Sequential(*head)

    def forward(self, jets: Tensor) -> Tensor:
        """(B, N, 3), rows of zero pT are padding -> z, (B, d_z)."""
        padding = jets[:, :, 0] == 0
        x = self.transformer(self.embedding(jets), src_key_padding_mask=padding)
        z: Tensor = self.head(x.masked_fill(padding[:, :, None], 0).sum(1))
        return z

    @torch.no_grad()
    def copy_weights(self, encoder: Encoder) -> PlainEncoder:
        """Takes over the weights of the package's encoder."""
        self.embedding.load_state_dict(encoder.embedding.state_dict())
        self.head.load_state_dict(encoder.head.state_dict())
        for plain, block in zip(self.transformer.layers, encoder.blocks, strict=True):
            assert isinstance(plain, nn.TransformerEncoderLayer)
            assert isinstance(block, Block)
            plain.self_attn.in_proj_weight.copy_(block.attention_in.weight)
            plain.self_attn.in_proj_bias.copy_(block.attention_in.bias)
            plain.self_attn.out_proj.load_state_dict(block.attention_out.state_dict())
            plain.norm1.load_state_dict(block.attention_norm.state_dict())
            plain.linear1.load_state_dict(block.feed_in.state_dict())
            plain.linear2.load_state_dict(block.feed_out.state_dict())
            plain.norm2.load_state_dict(block.feed_norm.state_dict())
        return self


def contrastive_step(
    encoder: PlainEncoder, optimiser: torch.optim.Optimizer, views: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """One step on anchor, positive and anomalous view, each (B, N, 3): three forward passes, Eq. 3, norm penalty."""
    anchor, positive, anomalous = (encoder(view).float() for view in views)
    difference = F.cosine_similarity(anchor, anomalous) - F.cosine_similarity(anchor, positive)
    loss: Tensor = (difference / 0.1).mean() + 1e-3 * anchor.norm(dim=1).mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()


def plain_autoencoder(d_z: int, settings: NAESettings) -> nn.Sequential:
    """The autoencoder of Sec. 4 with PReLU."""
    widths = [d_z, *settings.hidden, settings.bottleneck, *reversed(settings.hidden), d_z]
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after))
        if place not in (len(settings.hidden), len(widths) - 2):
            layers.append(nn.PReLU())
    return nn.Sequential(*layers)


def copy_autoencoder(autoencoder: Autoencoder, plain: nn.Sequential) -> nn.Sequential:
    """Takes over the weights of the package's autoencoder."""
    plain.load_state_dict(dict(zip(plain.state_dict(), autoencoder.state_dict().values(), strict=True)))
    return plain


def langevin_loop(autoencoder: nn.Module, z: Tensor, step_size: float, noise: float, steps: int) -> Tensor:
    """Eq. 10 (descending) from z, (B, d_z), on the squared error summed over dimensions."""
    for _ in range(steps):
        z = z.detach().requires_grad_()
        energy = (z - autoencoder(z)).square().sum()
        (gradient,) = torch.autograd.grad(energy, z)
        z = z - step_size * gradient + noise * torch.randn_like(z)
    return z.detach()


def divergence_step(
    autoencoder: nn.Module, optimiser: torch.optim.Optimizer, z: Tensor, settings: NAESettings
) -> Tensor:
    """One step of contrastive divergence on z, (B, d_z), with chains from the data."""
    end = langevin_loop(autoencoder, z, settings.step_size, settings.noise, settings.steps)
    data = (z - autoencoder(z)).square().mean(1)
    chain = (end - autoencoder(end)).square().mean(1)
    loss: Tensor = data.mean() - chain.mean() + settings.energy_penalty * ((data**2).mean() + (chain**2).mean())
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()
