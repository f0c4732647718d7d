"""Export a trained DarkCLR model as one graph from constituents to scores, for programs without this package.

The graph takes zero-padded jets and contains every step of the scoring: the selection of the hardest N_c constituents,
the pT centroid, the scale of pT, the encoder in its padded form (`Encoder.padded`) and the scores. The
sizes of batch and padding are free.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm
from darkclr_ray.integrity import replacing
from darkclr_ray.jets.packed import Jets
from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.networks.padding import pad
from darkclr_ray.settings import InputSettings
from darkclr_ray.training.base import place
from darkclr_ray.training.energy_model import EnergyModel

INPUTS = ("constituents", "mask", "pt")


class Portable(nn.Module):
    """Module that computes representations and the scores of detectors that share one encoder.

    Raises ValueError if a detector is not fitted, if the encoders differ, or if a detector uses more than
    representations.
    """

    def __init__(self, detectors: Sequence[AnomalyDetector[Any]]) -> None:
        super().__init__()
        kinds = [detector for detector in detectors if isinstance(detector, EncoderNorm | EncoderEnergy)]
        if len(kinds) < len(detectors) or not kinds:
            other = next((d.name for d in detectors if not isinstance(d, EncoderNorm | EncoderEnergy)), "nothing")
            raise ValueError(f"{other} cannot be exported: only norms and energies of an encoder's representation can")
        encoders = [detector.fitted[0] for detector in kinds]
        if len({id(encoder.encoder) for encoder in encoders}) > 1 and not _same(encoders):
            raise ValueError(f"{', '.join(d.name for d in detectors)} look at different encoders; export each alone")
        self.inputs: InputSettings = encoders[0].inputs
        self.encoder = copy.deepcopy(encoders[0].encoder)
        self.names = tuple(detector.name for detector in kinds)
        self.models = nn.ModuleList(
            Energy(copy.deepcopy(detector.model)) if isinstance(detector, EncoderEnergy) else Norm()
            for detector in kinds
        )
        place(self, torch.device("cpu"), "float32", "off")
        self.eval().requires_grad_(False)

    def forward(self, constituents: Tensor, mask: Tensor, pt: Tensor) -> tuple[Tensor, ...]:
        """Return representations (B, d_z), followed by each detector's scores (B,), of B jets.

        Args:
            constituents: float32 (B, N, 3): pT in GeV, eta and phi relative to the jet axis, phi in [-pi, pi), in
                descending pT; rows of padding are ignored but must be finite.
            mask: bool (B, N): True for a constituent, False for padding; at least one constituent per jet.
            pt: float32 (B,): pT of the jets in GeV.
        """
        place = torch.arange(constituents.shape[1], device=constituents.device)
        kept = mask & (place < self.inputs.constituents)
        hardness = torch.where(kept, constituents[:, :, 0], 0.0)
        total = hardness.sum(1, keepdim=True)
        columns = [hardness / (self.inputs.pt_scale if self.inputs.pt == "gev" else pt[:, None])]
        for axis in (1, 2):
            angle = torch.where(kept, constituents[:, :, axis], 0.0)
            columns.append(angle - (hardness * angle).sum(1, keepdim=True) / total)
        z = self.encoder.padded(torch.stack(columns, dim=2), kept).head
        return (z, *(model(z) for model in self.models))


class Norm(nn.Module):
    """Compute s_CLR of Eq. 6 from representations."""

    def forward(self, z: Tensor) -> Tensor:
        """Map representations (B, d_z) to scores (B,)."""
        norm: Tensor = z.norm(dim=1)
        return norm


class Energy(nn.Module):
    """Compute s_NAE from representations, with the autoencoder in its plain form."""

    def __init__(self, model: EnergyModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Tensor:
        """Map representations (B, d_z) to scores (B,)."""
        scaled = self.model.scaled(z)
        autoencoder = self.model.autoencoder
        return squared_error(scaled, autoencoder.decoder(autoencoder.encoder(scaled)))


def padded(jets: Jets) -> dict[str, Tensor]:
    """Return the inputs of the graph for these jets, zero-padded, by the names of `Portable.forward`'s arguments.

    >>> some = padded(Jets.from_lists([[[9.0, 0.1, 0.0], [1.0, 0.0, 0.2]], [[5.0, 0.0, 0.0]]]))
    >>> some["mask"].tolist(), some["pt"].round().tolist()
    ([[True, True], [True, False]], [10.0, 5.0])
    """
    constituents, mask = pad(torch.from_numpy(jets.constituents), torch.from_numpy(jets.offsets))
    return {"constituents": constituents, "mask": mask, "pt": torch.from_numpy(jets.pt.copy())}


def exportable(names: Sequence[str]) -> list[str]:
    """Return the names of those detectors that can be exported as a graph.

    >>> exportable(["s_NAE", "views_observables", "s_CLR"])
    ['s_NAE', 's_CLR']
    """
    return [name for name in names if issubclass(registry.find(name), EncoderNorm | EncoderEnergy)]


def export_torch(detectors: Sequence[AnomalyDetector[Any]], path: Path) -> None:
    """Write the detectors as a ``.pt2`` file, which ``torch.export.load(path).module()`` reads."""
    module = Portable(detectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, _quiet(), open(partial, "wb") as file:
        torch.export.save(torch.export.export(module, _example(), dynamic_shapes=_shapes()), file)


def export_onnx(detectors: Sequence[AnomalyDetector[Any]], path: Path) -> None:
    """Write the detectors as a ``.onnx`` file with the outputs "representation" and the detectors' names.

    Raises ImportError if onnx is not installed.
    """
    for name in ("onnx", "onnxscript"):
        try:
            __import__(name)
        except ImportError:
            raise ImportError(f"ONNX needs {name}: pip install 'darkclr_ray[export]'") from None
    module = Portable(detectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _quiet():
        program = torch.onnx.export(
            module,
            _example(),
            input_names=list(INPUTS),
            output_names=["representation", *module.names],
            dynamic_shapes=_shapes(),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    with replacing(path) as partial:
        program.save(str(partial), external_data=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what torch logs and warns of during an export."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _example() -> tuple[Tensor, Tensor, Tensor]:
    """Return five jets of seven constituents; both sizes are unique in the graph, so that torch keeps them free."""
    constituents = torch.linspace(0.1, 1.0, 105).reshape(5, 7, 3)
    return constituents, torch.ones(5, 7, dtype=torch.bool), torch.full((5,), 4.0)


def _shapes() -> dict[str, dict[int, Any]]:
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    return {"constituents": {0: batch, 1: length}, "mask": {0: batch, 1: length}, "pt": {0: batch}}


def _same(encoders: Sequence[Any]) -> bool:
    """Return whether all encoders have the same weights."""
    first, *others = (encoder.encoder.state_dict() for encoder in encoders)
    return all(
        state.keys() == first.keys() and all(torch.equal(state[name].cpu(), first[name].cpu()) for name in first)
        for state in others
    )
