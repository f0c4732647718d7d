"""Reference implementation of the paper, against which the package's fast implementations are timed and tested.

It is not optimised and does not change with the package. It uses zero-padded float32 jets, views that are made batch by
batch from a random generator, one forward pass per view through ``nn.TransformerEncoder``, an autoencoder as
``nn.Sequential``, and a Python loop of Langevin steps with autograd.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Block, Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings


class PlainEncoder(nn.Module):
    """Encoder of Table 1 on zero-padded jets, built from torch's layers."""

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
        """Return the representations z, (B, d_z), of jets, (B, N, 3); rows of zero pT are padding."""
        padding = jets[:, :, 0] == 0
        x = self.transformer(self.embedding(jets), src_key_padding_mask=padding)
        z: Tensor = self.head(x.masked_fill(padding[:, :, None], 0).sum(1))
        return z

    @torch.no_grad()
    def copy_weights(self, encoder: Encoder) -> PlainEncoder:
        """Copy the weights of the package's encoder and return this encoder."""
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
    """Perform one step of the optimiser and return its loss (Eq. 3 with norm penalty).

    ``views`` are the anchor, the positive and the anomalous view, (B, N, 3) each.
    """
    anchor, positive, anomalous = (encoder(view).float() for view in views)
    difference = F.cosine_similarity(anchor, anomalous) - F.cosine_similarity(anchor, positive)
    loss: Tensor = (difference / 0.1).mean() + 1e-3 * anchor.norm(dim=1).mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()


def centred(jets: Tensor) -> Tensor:
    """Return jets, (B, N, 3) zero-padded pT in GeV, eta, phi, relative to each jet's pT centroid."""
    pt = jets[:, :, :1]
    centroid = (pt * jets[:, :, 1:]).sum(1, keepdim=True) / pt.sum(1, keepdim=True)
    return torch.cat([pt, jets[:, :, 1:] - centroid], dim=2) * (pt > 0)


def rotated(jets: Tensor, angle: Tensor) -> Tensor:
    """Return the jets, each rotated about the origin by its angle, (B,)."""
    cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
    pt, eta, phi = jets.unbind(2)
    return torch.stack([pt, cosine * eta - sine * phi, sine * eta + cosine * phi], dim=2)


def translated(jets: Tensor) -> Tensor:
    """Return the jets, each shifted along both axes by a uniform random distance within its extent."""
    there = jets[:, :, :1] > 0
    plane = jets[:, :, 1:]
    largest = plane.masked_fill(~there, -math.inf).amax(1, keepdim=True)
    smallest = plane.masked_fill(~there, math.inf).amin(1, keepdim=True)
    shift = (2 * torch.rand_like(largest) - 1) * (largest - smallest)
    return torch.cat([jets[:, :, :1], (plane + shift) * there], dim=2)


def dropped(jets: Tensor, p_drop: float) -> Tensor:
    """Return the jets with constituents dropped with probability ``p_drop``, but at least one kept.

    The pT of the remaining constituents is scaled so that the jet's vector pT is conserved.
    """
    there = jets[:, :, 0] > 0
    numbers = torch.rand(there.shape).masked_fill(~there, -1)
    keep = there & (numbers >= p_drop)
    keep[torch.arange(len(jets)), numbers.argmax(1)] = True
    kept = jets * keep[:, :, None]
    return torch.cat([kept[:, :, :1] * (jet_pt(jets) / jet_pt(kept))[:, None, None], kept[:, :, 1:]], dim=2)


def jet_pt(jets: Tensor) -> Tensor:
    """Return the magnitude of each jet's summed transverse momentum, (B,)."""
    pt, _, phi = jets.unbind(2)
    return torch.hypot((pt * phi.cos()).sum(1), (pt * phi.sin()).sum(1))


def three_views(jets: Tensor, p_drop: float, pt_scale: float = 300.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return anchor, positive and anomalous views of zero-padded jets, (B, N, 3), as network inputs (Sec. 3.2)."""
    jets = centred(jets)
    angle = 2 * math.pi * torch.rand(len(jets))
    anchor = translated(rotated(jets, angle))
    positive = translated(rotated(jets, 2 * math.pi * torch.rand(len(jets))))
    anomalous = translated(rotated(dropped(jets, p_drop), angle))
    for view in (anchor, positive, anomalous):
        view[:, :, 0] /= pt_scale
    return anchor, positive, anomalous


def plain_autoencoder(d_z: int, settings: NAESettings) -> nn.Sequential:
    """Return the autoencoder of Sec. 4 with PReLU."""
    widths = [d_z, *settings.hidden, settings.bottleneck, *reversed(settings.hidden), d_z]
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after))
        if place not in (len(settings.hidden), len(widths) - 2):
            layers.append(nn.PReLU())
    return nn.Sequential(*layers)


def copy_autoencoder(autoencoder: Autoencoder, plain: nn.Sequential) -> nn.Sequential:
    """Copy the weights of the package's autoencoder into a plain one and return it."""
    plain.load_state_dict(dict(zip(plain.state_dict(), autoencoder.state_dict().values(), strict=True)))
    return plain


def langevin_loop(autoencoder: nn.Module, z: Tensor, step_size: float, noise: float, steps: int) -> Tensor:
    """Return the ends of Langevin chains (Eq. 10, descending) from z, (B, d_z).

    The energy is the squared reconstruction error summed over dimensions.
    """
    for _ in range(steps):
        z = z.detach().requires_grad_()
        energy = (z - autoencoder(z)).square().sum()
        (gradient,) = torch.autograd.grad(energy, z)
        z = z - step_size * gradient + noise * torch.randn_like(z)
    return z.detach()


def reconstruction_step(autoencoder: nn.Module, optimiser: torch.optim.Optimizer, z: Tensor) -> Tensor:
    """Perform one step of pre-training on z, (B, d_z), and return its loss."""
    loss: Tensor = (z - autoencoder(z)).square().mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()


def divergence_step(
    autoencoder: nn.Module, optimiser: torch.optim.Optimizer, z: Tensor, settings: NAESettings
) -> Tensor:
    """Perform one step of contrastive divergence on z, (B, d_z), with chains from the data, and return its loss.

    The settings have to define the noise of the chains.
    """
    assert settings.noise is not None
    end = langevin_loop(autoencoder, z, settings.step_size, settings.noise, settings.steps)
    data = (z - autoencoder(z)).square().mean(1)
    chain = (end - autoencoder(end)).square().mean(1)
    loss: Tensor = data.mean() - chain.mean() + settings.energy_penalty * ((data**2).mean() + (chain**2).mean())
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()
