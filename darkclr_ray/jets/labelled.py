"""Background and signal jets with labels, which only supervised references may use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.folder import JetFolder
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import keyed_generator


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """Jets of two classes with labels; label-free detectors take a `TrainingSample` instead.

    Raises ValueError if a class has no jets.
    """

    background: Jets
    signal: Jets

    def __post_init__(self) -> None:
        for name, jets in (("background", self.background), ("signal", self.signal)):
            if not len(jets):
                raise ValueError(f"a labelled sample needs jets of both classes, and there is no {name} jet")

    def __len__(self) -> int:
        return len(self.background) + len(self.signal)

    @cached_property
    def jets(self) -> Jets:
        """Return all jets, background first."""
        return Jets.concatenate([self.background, self.signal])

    @property
    def labels(self) -> NDArray[np.float32]:
        """Return the labels, 0 for background and 1 for signal, (B,), in the order of `jets`."""
        return np.repeat(np.array([0.0, 1.0], dtype=np.float32), [len(self.background), len(self.signal)])

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of every number in the sample and of its labels."""
        parts = (jets.fingerprint for jets in (self.background, self.signal))
        return hashlib.blake2b("labelled ".join(parts).encode(), digest_size=16).hexdigest()

    def train_test_split(self, share: float, seed: int) -> tuple[LabelledSample, LabelledSample]:
        """Return the sample without a fraction ``share`` of each class's events, and the sample of these events.

        All jets of an event are in the same sample. Raises ValueError if a class has only one event.
        """
        background = split_by_event(self.background, share, "background", seed)
        signal = split_by_event(self.signal, share, "signal", seed)
        return LabelledSample(background[0], signal[0]), LabelledSample(background[1], signal[1])


def check_signal(jets: JetFolder, signal: str, background: str, who: str) -> None:
    """Raise ValueError if a folder has no training jets of the signal whose labels ``who`` needs."""
    if signal != background and signal in jets.samples("train"):
        return
    names = ", ".join(name for name in jets.samples("train") if name != background) or "none"
    raise ValueError(
        f"{jets.path}: no training jets of the signal {signal!r} (--supervised.signal), and {who} needs labels; "
        f"signals in train: {names}. Generate or import some, name another signal, or take other --jets"
    )


def split_by_event(jets: Jets, share: float, name: str, seed: int) -> tuple[Jets, Jets]:
    """Return the jets without a fraction ``share`` of their events, and the jets of these events.

    ``name`` is that of the sample in the error message and in the key of the draw. Raises ValueError if there is only
    one event.
    """
    _, event = np.unique(jets.events, return_inverse=True)
    events = int(event.max()) + 1
    if events < 2:
        raise ValueError(f"{len(jets)} {name} jets of one event cannot be parted; provide more {name} jets")
    chosen = min(max(round(share * events), 1), events - 1)
    out = keyed_generator("held out", name, seed).permutation(events)[event] < chosen
    return jets.take(np.flatnonzero(~out)), jets.take(np.flatnonzero(out))
