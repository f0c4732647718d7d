"""Define the number of jets in sets, by split and sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from darkclr_ray.jets.generation.samples import GRID_MASSES, GRID_R_INV, SIGNALS, grid_point, sample_name
from darkclr_ray.jets.generation.systematics import SYSTEMATICS, variant_name

Counts = Mapping[str, Mapping[str, int]]
"""Number of jets by split and sample, such as {"test": {"qcd": 6000}}."""

_GRID = [sample_name(grid_point(r_inv, mass)) for mass in GRID_MASSES for r_inv in GRID_R_INV]

PRESETS: dict[str, Counts] = {
    "starter": {
        "train": {"qcd": 10_000, "aachen": 4_000},  # the latter only for the supervised reference
        "validation": {"qcd": 3_000} | dict.fromkeys(SIGNALS, 500),
        "test": {"qcd": 6_000} | dict.fromkeys(SIGNALS, 1_500),
    },
    "paper": {
        "train": {"qcd": 100_000, "aachen": 50_000},
        "validation": {"qcd": 20_000} | dict.fromkeys(SIGNALS, 20_000),
        "test": {"qcd": 40_000} | dict.fromkeys(SIGNALS, 20_000),
    },
    "grid": {"validation": dict.fromkeys(_GRID, 150), "test": dict.fromkeys(_GRID, 2_000)},
    "donors": {"train": {"donors": 10_000}, "validation": {"donors": 3_000}},
    "systematics": {"test": dict.fromkeys(map(variant_name, SYSTEMATICS), 6_000)},
}
"""Sizes of whole sets of jets, and of three sets that complement them.

These are signals of the grid, background variations, and harder jets from which pseudo-anomalies are made.
"""


def counts_for(preset: str, samples: Sequence[str] | None = None, jets: Mapping[str, int] | None = None) -> Counts:
    """Return the sizes of a preset, restricted to ``samples``; one that it does not list has the size of its last.

    Args:
        preset: a key of :data:`PRESETS`.
        samples: names or parameters, see :func:`~darkclr_ray.jets.generation.samples.parse_sample`, and background
            variations, see :data:`~darkclr_ray.jets.generation.systematics.SYSTEMATICS`.
        jets: number of jets of every sample by split, instead of the preset's.

    >>> counts_for("starter", ["aachen", "dark:rinv=0.3"])["test"]
    {'aachen': 1500, 'dark:rinv=0.3': 1500}
    """
    sizes = PRESETS[preset]
    known = list(dict.fromkeys(name for of in sizes.values() for name in of))
    if jets is not None:
        return {split: dict.fromkeys(samples or known, count) for split, count in jets.items()}
    if samples is None:
        return sizes
    like = {name: name if name in known else known[-1] for name in samples}
    return {split: {name: of[like[name]] for name in samples if like[name] in of} for split, of in sizes.items()}
