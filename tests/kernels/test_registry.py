"""Networks give the same with kernels and without, and say which they use."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from darkclr_ray.kernels.available import compiler
from darkclr_ray.kernels.registry import implementations_of, use_kernels
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.classifier import Classifier
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.presets import preset
from darkclr_ray.settings import EncoderSettings, NAESettings

from .by_hand import offsets_of

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler")

PRESETS = pytest.mark.parametrize("name", ["laptop", "paper"])
SIZES = [31, 1, 50, 7, 3] * 20
CONSTITUENTS = torch.randn(sum(SIZES), 3, generator=torch.Generator().manual_seed(1))


def both_ways(network: nn.Module, run: Callable[[], Tensor]) -> None:
    """Compare results and gradients of all trained parameters, with kernels and without."""
    found = []
    for kernels, name in (("auto", "C"), ("off", "PyTorch")):
        use_kernels(network, kernels)  # type: ignore[arg-type]
        assert set(implementations_of(network).values()) == {name}
        network.zero_grad()
        result = run()
        (result * torch.linspace(-1, 1, result.numel()).view(result.shape)).sum().backward()
        trained = [parameter.grad for parameter in network.parameters() if parameter.requires_grad]
        found.append([result.detach(), *(gradient for gradient in trained if gradient is not None)])
        assert len(found[-1]) == 1 + len(trained)
    assert all(float(reference.norm()) > 0 for reference in found[1])
    for fast, reference in zip(*found, strict=True):
        assert (fast - reference).norm() <= 1e-4 * reference.norm() + 1e-5


@PRESETS
def test_encoder(name: str) -> None:
    encoder = Encoder(preset(name).encoder, seed=1)
    both_ways(encoder, lambda: encoder(CONSTITUENTS, offsets_of(SIZES)).head)


@PRESETS
def test_classifier(name: str) -> None:
    """Of the supervised reference: two layers on the sum over constituents; the encoder's head is not used."""
    settings = preset(name).encoder

    class Supervised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.classifier = Encoder(settings, seed=1), Classifier(settings.d_r, seed=2)
            self.encoder.head.requires_grad_(False)

    network = Supervised()
    both_ways(network, lambda: network.classifier(network.encoder(CONSTITUENTS, offsets_of(SIZES)).pooled))


@PRESETS
def test_autoencoder(name: str) -> None:
    """Energies without a gradient, the potential, and chains without noise."""
    settings = preset(name)
    autoencoder = Autoencoder(settings.encoder.d_z, settings.nae, seed=1)
    z, ends = torch.randn(70, settings.encoder.d_z), []
    for kernels in ("auto", "off"):
        use_kernels(autoencoder, kernels)  # type: ignore[arg-type]
        end = z.clone()
        last = autoencoder.walk(end, step_size=0.05, noise=0.0, steps=5, generator=torch.Generator())
        with torch.no_grad():
            energies = autoencoder.energy(z)
        ends.append((end, energies, last.before, last.after, last.back, *autoencoder.potential(z)))
    for fast, reference in zip(*ends, strict=True):
        torch.testing.assert_close(fast, reference, rtol=1e-4, atol=1e-5)


def test_networks_that_kernels_do_not_support_are_those_of_pytorch() -> None:
    networks = nn.ModuleList([Encoder(EncoderSettings(d_r=20)), Autoencoder(8, NAESettings(activation="gelu"))])
    use_kernels(networks)
    assert implementations_of(networks) == {"encoder": "PyTorch", "autoencoder": "PyTorch"}


def test_a_copy_has_kernels_of_its_own_weights() -> None:
    autoencoder = Autoencoder(8, NAESettings(hidden=(5,)))
    use_kernels(autoencoder)
    z = torch.randn(3, 8)
    before, _ = autoencoder.potential(z)
    for copied in (copy.deepcopy(autoencoder), pickle.loads(pickle.dumps(autoencoder))):
        with torch.no_grad():
            next(copied.parameters()).add_(1.0)
        assert copied.implementation == "C"
        assert not torch.equal(copied.potential(z)[0], before)
        assert torch.equal(autoencoder.potential(z)[0], before)
