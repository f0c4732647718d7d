"""Make jets: `python studies/generate_jets.py --preset starter --out jets`. The same command goes on after a stop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import jsonargparse

from darkclr_ray.jets.generation import Generation, counts_for, generate, plan


def main(
    out: Path = Path("jets"),
    preset: Literal["starter", "paper"] = "starter",
    samples: list[str] | None = None,
    jets_per_sample: dict[str, int] | None = None,
    generation: Generation = Generation(),  # noqa: B008 (frozen)
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Generate jets as Parquet shards, <out>/<split>/<sample>/shard-00000.parquet.

    Args:
        out: folder of the jets; shared by all nodes if a cluster makes them.
        preset: sizes: starter (29,000 jets) or the paper's (410,000).
        samples: restricts the preset, or adds points: names, or numbers such as dark:rinv=0.3,pion=8,rho=8,lambda=8.
        jets_per_sample: jets of every sample by split instead of the preset's, such as {validation: 500, test: 1500}.
        generation: seed, and what a systematic study varies.
        workers: processes, 1 without Ray; every core if not given.
        address: of a Ray cluster to run on.
    """
    try:
        counts = counts_for(preset, samples, jets_per_sample)
        made = generate(plan(counts, generation), out, workers=workers, address=address)
    except (ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    print(f"{len(made)} new shards; jets are in {out.resolve()}")


if __name__ == "__main__":
    jsonargparse.auto_cli(main)
