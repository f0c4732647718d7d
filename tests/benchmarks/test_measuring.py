"""Rates, rows and the table; what the stages tell of this machine is for `studies/throughput.py`."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from darkclr_ray.benchmarks.autoencoder import operations
from darkclr_ray.benchmarks.inputs import SIZES, encoder_operations, repeated, starter_background, synthetic
from darkclr_ray.benchmarks.result import OURS, PLAIN, Result, notes, table
from darkclr_ray.benchmarks.stages import QUICK, STAGES, measure
from darkclr_ray.benchmarks.timing import Rates, alternate
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings


def test_ways_take_turns() -> None:
    done: list[str] = []

    def way(name: str) -> float:
        done.append(name)
        return 1.0

    rates = alternate({"a": lambda: way("a"), "b": lambda: way("b")}, 3, least=0.0)
    assert done == ["a", "a", "b", "b", *"ababab"]
    assert len(rates.measured["a"]) == 3
    assert rates["a"] > 0


def test_the_ratio_is_of_neighbours() -> None:
    """A machine that is busy in one round changes both ways alike: rates jump, the ratio does not."""
    rates = Rates({OURS: (10.0, 2.0, 30.0), PLAIN: (5.0, 1.0, 15.0)})
    row = Result.of_rates("stage", "case", rates, note="said once")
    assert (row.ours, row.plain, row.autocast, row.ratio) == (10.0, 5.0, None, 2.0)
    out = io.StringIO()
    Console(file=out, width=150).print(table([row, row]))
    assert notes([row, row]) == ["said once"]
    assert "2.00" in out.getvalue()
    assert row.to_json()["plain"] == 5.0


def test_unknown_stage() -> None:
    with pytest.raises(ValueError, match="unknown stages: speed; there are: augmentation"):
        list(measure(["speed"], 1))
    assert set(QUICK) <= set(STAGES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "cases"),
    [
        ("augmentation", {f"{kind}batch {n}, one core" for kind in ("", "branches, ") for n in (256, 2048)}),
        ("contrastive", {f"{name} encoder" for name in SIZES}),
        (
            "autoencoder",
            {
                f"{part}, {name}"
                for part in ("pre-training", "divergence", "whole training")
                for name in ("batch 128", "batch 2048", "laptop preset")
            },
        ),
        ("scoring", {f"{name} encoder" for name in SIZES}),
    ],
)
def test_quick_stages(stage: str, cases: set[str]) -> None:
    rows = list(measure([stage], 1))
    for case in cases:
        assert any(row.case.startswith(case) for row in rows), case
    for row in rows:
        assert row.ours is not None
        assert row.plain is not None
        assert row.ratio is not None
        assert min(row.ours, row.plain, row.ratio) > 0
        if row.unit == "jets/s":  # measured once: the ratio is that of the two numbers beside it
            assert row.ratio == pytest.approx(row.ours / row.plain)
        assert row.limit is None or row.limit > 0
    Console(file=io.StringIO(), width=150).print(table(rows))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said() -> None:
    (row,) = measure(["gpu"], 1)
    assert "no GPU here" in row.note


def counted(action: object) -> float:
    with FlopCounterMode(display=False) as counter:
        action()  # type: ignore[operator]
    return float(counter.get_total_flops())


def test_operations_of_the_encoder_as_torch_counts_them() -> None:
    settings = EncoderSettings(d_r=16, d_h=32, d_z=8, layers=3)
    jets = synthetic(40, 20)
    constituents, offsets = torch.from_numpy(jets.constituents), torch.from_numpy(jets.offsets)
    with sdpa_kernel(SDPBackend.MATH):  # torch does not count the products of its faster implementations
        found = counted(lambda: Encoder(settings)(constituents, offsets))
    assert found == encoder_operations(settings, jets.multiplicity)


def test_operations_of_the_autoencoder_as_torch_counts_them() -> None:
    settings = NAESettings()
    z = torch.randn(50, 512, requires_grad=True)
    found = counted(lambda: Autoencoder(512, settings).energy(z).mean().backward())
    assert found == 50 * operations(settings, 512, divergence=False)


def test_repeated_jets_have_ids_of_their_own() -> None:
    jets = starter_background().take(starter_background().offsets[:0].astype("int64"))
    assert len(jets) == 0
    many = repeated(starter_background(), 25_000)
    assert len(set(many.ids.tolist())) == 25_000
    assert many.multiplicity[20_000] == starter_background().multiplicity[20_000 % len(starter_background())]
