"""Worked example: an augmentation of your own, from the idea to a background rejection.

    python studies/worked/own_augmentation.py            # minutes on two cores
    python studies/worked/own_augmentation.py --quick    # seconds, to see how the example works

DarkCLR's anomalous view drops every constituent with the same probability. In a semi-visible jet, however, invisible
dark mesons remove whole prongs, soft and hard, while a detector loses soft particles first. This example implements two
ideas from the paper's outlook: dropping that depends on pT, and smearing as in a detector. The first one is an anomaly.
The second one happens to every jet, so it belongs to the positive view, which the network learns to ignore.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors import registry
from darkclr_ray.evaluation.rejection import evaluate
from darkclr_ray.jets.folder import JetFolder, open_jets, starter_jets
from darkclr_ray.jets.packed import Packed, TrainingSample, vector_pt
from darkclr_ray.presets import preset
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, StudySettings, ViewSettings
from darkclr_ray.testing import check_augmentation
from darkclr_ray.training.trainer import Trainer


@dataclass(frozen=True)
class DroppingByPt:
    """Augmentation that drops constituents with a probability that decreases with their fraction of the jet's pT.

    The probability is p_drop for a fraction of zero. All randomness comes from ``draws``, with one number per
    constituent, and sums are taken within jets by ``reduceat``. A view is therefore the same in any batch and on any
    number of workers.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    p_drop: float = 0.7

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(p_drop=views.p_drop if isinstance(views.p_drop, float) else views.p_drop[1])

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        sizes = np.diff(offsets)
        share = constituents[:, 0] / np.repeat(vector_pt(constituents, offsets), sizes)
        kept = draws.uniform(offsets) >= self.p_drop * np.exp(-10.0 * share)
        kept[offsets[:-1]] = True  # the hardest constituent is kept, so that no jet is empty
        left = np.concatenate([[0], np.cumsum(np.add.reduceat(kept, offsets[:-1], dtype=np.int64))])
        remaining = constituents[kept]
        remaining[:, 0] *= np.repeat(vector_pt(constituents, offsets) / vector_pt(remaining, left), np.diff(left))
        return remaining, left


@dataclass(frozen=True)
class DetectorSmearing:
    """Augmentation that smears pT by 5% and the direction by 0.01, as in a calorimeter; it changes the order by pT."""

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls()

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        smeared = constituents.copy(order="F")
        smeared[:, 0] *= np.exp(0.05 * draws.normal(offsets, number=0))
        smeared[:, 1] += 0.01 * draws.normal(offsets, number=1)
        smeared[:, 2] += 0.01 * draws.normal(offsets, number=2)
        return smeared, offsets


VIEWS = {
    "as in the paper": {},
    "dropping by pT": {"anomalous": ("own_augmentation:DroppingByPt", "rotation", "translation")},
    "smeared positives": {"positive": ("own_augmentation:DetectorSmearing", "rotation", "translation")},
}
"""Mapping from the name of a variant to changes of the settings of the views. The same values can be given on the
command line and in a YAML file: ``--views.anomalous own_augmentation:DroppingByPt,rotation,translation``."""


def rejection(settings: StudySettings, jets: JetFolder, count: int, runner: Trainer) -> float:
    """Return the background rejection of s_NAE for the Aachen signal at eps_S = 0.2, pT-matched, on validation jets."""
    background = jets.load("train", "qcd").take(np.arange(count))
    detector = registry.make("s_NAE", settings).fit(TrainingSample(background), runner)
    qcd, aachen = (jets.load("validation", name) for name in ("qcd", "aachen"))
    found = evaluate(
        detector.score(qcd), detector.score(aachen), qcd.pt, aachen.pt, qcd.events, aachen.events, seed=1, replicas=50
    )
    return found.matched.at(0.2).value


def main(quick: bool) -> None:
    """Check both augmentations, then train once with each variant and print its background rejection."""
    # First check the interface: packed arrays in and out, no randomness but the draws, jets independent of one another.
    check_augmentation(DroppingByPt)
    check_augmentation(DetectorSmearing, ordered=False)
    print("both keep the promises of an augmentation")
    # Then measure the rejection. One training per variant is not conclusive: the standard deviation over seeds is as
    # large as most differences, so a claim needs a study with several seeds. Validation jets are used for the decision.
    changes: dict[str, Any] = {
        "contrastive": {"epochs": 1},
        "nae": {"reconstruction_epochs": 2, "divergence_epochs": 1},
    }
    settings = preset("laptop").updated(changes if quick else {})
    jets, runner = open_jets(starter_jets()), Trainer(threads=1)
    for name, views in VIEWS.items():
        value = rejection(settings.updated({"views": views}), jets, 600 if quick else 10_000, runner)
        print(f"{name}: rejection {value:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few jets and one epoch: the numbers mean nothing")
    main(parser.parse_args().quick)
