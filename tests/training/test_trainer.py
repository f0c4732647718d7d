"""The runner: one training for one key, representations once, any batch composition."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings
from darkclr_ray.training import inference as representing
from darkclr_ray.training.trainer import Trainer


def test_equal_keys_are_trained_once(toy):
    epochs = []
    # a long epoch is reported on its way, too: the first may wait for a compiler
    runner = Trainer(report=lambda progress: epochs.extend([progress.epoch] * (progress.step == progress.steps)))
    first = runner.train(toy.energy_training())
    assert runner.train(toy.energy_training()) is first
    assert len(epochs) == first.epochs
    runner.train(toy.energy_training(toy.SETTINGS.updated({"nae": {"step_size": 0.01}})))
    assert len(epochs) == 2 * first.epochs


def test_a_folder_serves_a_later_process(toy, tmp_path):
    first = Trainer(folder=tmp_path).train(toy.encoder_training())
    epochs = []
    again = Trainer(folder=tmp_path, report=epochs.append).train(toy.encoder_training())
    assert epochs == []
    assert all(torch.equal(a, b) for a, b in zip(first.encoder.parameters(), again.encoder.parameters(), strict=True))


def test_representations_jet_by_jet(toy, monkeypatch):
    runner = Trainer(device="cpu")
    training = runner.train(toy.encoder_training())
    jets = toy.toy_jets(50, seed=2)
    monkeypatch.setitem(representing.CONSTITUENTS_AT_ONCE, "cpu", 40)
    for layer in ("head", "pooled"):
        z = runner.represent(training, jets, layer)
        for place in range(len(jets)):
            constituents, offsets = network_inputs(jets.take(np.array([place])), training.inputs)
            alone = getattr(training.encoder(torch.from_numpy(constituents), torch.from_numpy(offsets)), layer)
            np.testing.assert_allclose(z[place], alone[0].numpy(), rtol=1e-4, atol=1e-5)


def test_all_jets_pass_the_network(toy, monkeypatch):
    """Once each, in their order, about as many constituents at a time as fit."""
    encoder = Encoder(EncoderSettings(d_r=32, d_h=32, heads=2, layers=1))
    jets, inputs = toy.toy_jets(50, seed=2), toy.SETTINGS.inputs
    monkeypatch.setitem(representing.CONSTITUENTS_AT_ONCE, "cpu", 40)
    parts = representing.make_batches(encoder, inputs, jets)
    members = np.concatenate([np.arange(50)[part] for part in parts])
    assert list(members) == list(range(50))
    longest = jets.multiplicity.max()
    assert all(jets.take(part).multiplicity.sum() < 40 + longest for part in parts)
    assert representing.make_batches(encoder, inputs, jets.take(slice(0, 0))) == []


def test_representations_are_kept_while_their_jets_live(toy):
    runner = Trainer(device="cpu")
    training = runner.train(toy.encoder_training())
    jets = toy.toy_jets(5)
    assert runner.represent(training, jets) is runner.represent(training, jets)
    assert len(runner._representations) == 1
    del jets
    assert len(runner._representations) == 0


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="cuda or cpu"):
        Trainer(device="meta")


def test_no_jets_no_representations(toy):
    runner = Trainer(device="cpu")
    training = runner.train(toy.encoder_training())
    assert runner.represent(training, toy.toy_jets(3).take(np.array([], dtype=np.int64))).shape == (0, 6)


def test_nothing_here_needs_ray():
    code = (
        "import sys, darkclr_ray.detectors.darkclr, darkclr_ray.detectors.multiplicity, darkclr_ray.training.trainer;"
        "assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
