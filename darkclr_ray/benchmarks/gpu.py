"""A GPU: the paper's training and fifteen normalised autoencoders, from the rates of their steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from darkclr_ray.benchmarks import autoencoder, contrastive
from darkclr_ray.benchmarks.inputs import settings_of, starter_background
from darkclr_ray.benchmarks.row import Row

JETS, AUTOENCODERS = 100_000, 15


def rows(repetitions: int) -> Iterator[Row]:
    """The steps on the GPU, and what they add up to at the paper's sizes; nothing where there is none."""
    if not torch.cuda.is_available():
        yield Row("gpu", "not run", "", None, note="no GPU here: paper-size training and 15 NAEs were not measured")
        return
    epochs = settings_of("Table 1").contrastive.epochs
    for row in contrastive.rows(repetitions, "cuda"):
        yield replace(row, stage=f"gpu: {row.stage}")
        if row.case.startswith("Table 1") and row.case.endswith("(auto)"):
            yield minutes(row, f"paper-size training: {JETS} jets x {epochs} epochs", JETS * epochs, "2 min")
    for row in autoencoder.rows(repetitions, "cuda"):
        yield replace(row, stage=f"gpu: {row.stage}")
        if row.case == "whole training, batch 2048":
            total = replace(row, stage="gpu", case=f"{AUTOENCODERS} NAEs, batch 2048", aim="5 min")
            yield replace(total, **{name: AUTOENCODERS * getattr(row, name) for name in ("ours", "plain", "autocast")})


def minutes(row: Row, case: str, jets: float, aim: str) -> Row:
    """What a rate in jets a second comes to."""
    assert row.ours is not None
    parts = {n: None if getattr(row, n) is None else jets / getattr(row, n) / 60 for n in ("ours", "plain", "autocast")}
    views = settings_of("Table 1")
    # three views, one of which loses half its constituents
    tokens = 2.5 * float(starter_background().hardest(views.inputs.constituents).multiplicity.mean())
    note = f"{row.ours * tokens / 1e6:.2f}M tokens/s; from the rate of a step"
    return replace(row, stage="gpu", case=case, unit="min", aim=aim, note=note, **parts)
