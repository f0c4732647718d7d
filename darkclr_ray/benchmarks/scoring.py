"""Benchmark of scoring from shards on disk to ``scores.parquet``, against forward passes on batches in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from darkclr_ray.benchmarks.inputs import SIZES, repeated, settings_of, starter_background
from darkclr_ray.benchmarks.result import OURS, PLAIN, Result
from darkclr_ray.benchmarks.timing import Action, alternate
from darkclr_ray.jets.folder import JetFolder, open_jets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.kernels.frozen import frozen_weights
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.networks.precision import products_dtype
from darkclr_ray.settings import InputSettings, StudySettings
from darkclr_ray.store.scores import score_table, write_scores
from darkclr_ray.training.base import place
from darkclr_ray.training.energy_model import EnergyModel, energies
from darkclr_ray.training.inference import make_batches, represent

JETS = {"Table 1": 2_000, "small": 20_000}
"""Number of jets for each encoder that are scored in about one second."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield results for both encoders, with norm and energy as scores."""
    for size in SIZES:
        settings = settings_of(size)
        encoder, model = networks(settings)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            jets = repeated(starter_background(), JETS[size])
            write_shard(folder / "jets" / "test" / "qcd" / "shard-00000.parquet", jets, "qcd", {})
            opened = open_jets(folder / "jets")
            ours = partial(score, encoder, model, settings.inputs, opened, folder / "scores.parquet")
            rates = alternate({OURS: ours, PLAIN: forward(encoder, model, settings.inputs, jets)}, repetitions)
        yield Result.of_rates(
            "scoring",
            f"{size} encoder, {encoder.matmul_dtype}".replace("torch.", ""),
            rates,
            limit=rates.ratio(OURS, PLAIN),
            aim="0.90 of the bare forward pass",
            note=f"plain: bare forward passes of encoder and autoencoder; 1M jets in {1e6 / rates[OURS] / 60:.1f} min",
        )


def networks(settings: StudySettings) -> tuple[Encoder, EnergyModel]:
    """Return an encoder and an energy model with initial weights, in the precision of a study."""
    encoder = Encoder(settings.encoder).eval()
    model = EnergyModel(settings.encoder.d_z, settings.nae).eval()
    cpu = torch.device("cpu")
    for network in (encoder, model):
        network.requires_grad_(False)
        place(network, cpu, str(products_dtype(settings.compute.precision, cpu)).removeprefix("torch."))
    return encoder, model


def score(encoder: Encoder, model: EnergyModel, inputs: InputSettings, jets: JetFolder, out: Path) -> float:
    """Read a sample, compute its representations and scores, write the scores, and return the number of jets."""
    read = jets.load("test", "qcd")
    z = represent(encoder, inputs, read)
    scores = {"s_CLR": np.sqrt(np.einsum("ij,ij->i", z, z, dtype=np.float64)), "s_NAE": energies(model, z)}
    write_scores(out, [score_table(read, "qcd", "test", name, values) for name, values in scores.items()])
    return len(read)


def forward(encoder: Encoder, model: EnergyModel, inputs: InputSettings, jets: Jets) -> Action:
    """Return a function that applies only the networks, to prepared batches like those of `represent`."""
    batches = []
    for members in make_batches(encoder, inputs, jets):
        constituents, offsets = network_inputs(jets.take(members), inputs)
        batches.append((torch.from_numpy(constituents), torch.from_numpy(offsets)))

    def passed() -> float:
        with torch.inference_mode(), frozen_weights(encoder):
            for constituents, offsets in batches:
                model(encoder(constituents, offsets).head)
        return len(jets)

    return passed
