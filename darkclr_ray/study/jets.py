"""Open and validate all jets of a study before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.folder import JetFolder, open_jets, starter_jets
from darkclr_ray.jets.labelled import check_signal
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.unpacked import is_mapped
from darkclr_ray.settings import StudySettings


@dataclass(frozen=True, eq=False)
class StudyJets:
    """All jets of a study, validated.

    Attributes:
        folder: folder of the jets.
        background: name of the background sample.
        limit: size of a sample in bytes up to which it is held in memory; larger samples are maps of files.
        evaluation: jets by split (validation, test) and sample, background first.
        fingerprints: fingerprints of all samples.
        labelled: training jets of signals, for detectors that use labels.
        further: further folders, of which the test jets are evaluated.
        variants: samples of background from other simulations; they are scored, and are no signals.
    """

    folder: JetFolder
    background: str
    limit: float
    evaluation: dict[str, dict[str, Jets]]
    fingerprints: dict[str, dict[str, str]]
    labelled: dict[str, Jets] = field(default_factory=dict)
    further: tuple[JetFolder, ...] = ()
    variants: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of jets by split and sample."""
        counts = {
            split: {name: len(jets) for name, jets in samples.items()} for split, samples in self.evaluation.items()
        }
        training = {name: self.folder.count("train", name) for name in (self.background, *self.labelled)}
        return {"train": training, **counts}

    def signals(self, background: str) -> list[str]:
        """Names of the signals that are evaluated in validation and test."""
        return [name for name in self.evaluation["validation"] if name != background]

    @property
    def bytes(self) -> int:
        """Bytes of the jets that are held in memory, with some room for trees."""
        parts = [jets for samples in self.evaluation.values() for jets in samples.values()]
        held = [jets for jets in (*parts, *self.labelled.values()) if not is_mapped(jets)]
        training = self.folder.nbytes("train", self.background)
        size = sum(jets.constituents.nbytes + 64 * len(jets) for jets in held)
        return size + (2 * training if training <= self.limit else 0)

    def home(self, split: str, sample: str) -> JetFolder:
        """Return the folder that a sample comes from."""
        folders = (folder for folder in (self.folder, *self.further) if split in folder.splits())
        return next(folder for folder in folders if sample in folder.samples(split))

    def facts(self, background: str) -> dict[str, Any]:
        """Return the facts on the jets for study.json."""
        samples = {}
        for name in self.evaluation["test"]:
            metadata = self.home("test", name).metadata("test", name)
            parameters = metadata.get("parameters") or metadata.get("sample") or {}
            variant = {"variation": metadata["variation"]} if name in self.variants else {}
            samples[name] = {**(parameters if isinstance(parameters, dict) else {}), **variant}
            samples[name]["kind"] = "background" if name == background or variant else "signal"
            selected = (metadata.get("invisible_fraction") or {}).get("after_selection")
            if selected is not None:
                samples[name]["invisible_fraction_selected"] = selected
        where = {"path": str(self.folder.path), "fingerprints": self.fingerprints}
        if self.further:
            where["further"] = [str(folder.path) for folder in self.further]
        return {"jets": where, "samples": samples, "counts": self.counts}


def open_study_jets(settings: StudySettings, *, further: Sequence[str] = ()) -> StudyJets:
    """Open and validate the jets that a study needs.

    Args:
        settings: settings of the study.
        further: further folders, of which the test jets are evaluated.

    Raises ValueError: broken shards; a split or the background missing; no signal; too few jets for a batch; a name
    that two folders have; a further folder without test jets.
    """
    path = starter_jets() if settings.jets == "starter" else Path(settings.jets)
    folder = open_jets(path)
    name = settings.background
    for split in ("train", "validation", "test"):
        if split not in folder.splits() or name not in folder.samples(split):
            there = f"; there are: {', '.join(folder.samples(split))}" if split in folder.splits() else ""
            raise ValueError(f"{path}: no background {name!r} (--background) in {split}{there}")
    signals = [sample for sample in folder.samples("validation") if sample != name]
    others = [sample for sample in folder.samples("test") if sample != name]
    if not signals or set(signals) != set(others):
        raise ValueError(
            f"{path}: a study needs the same signals in validation and test; found {', '.join(signals) or 'none'} and "
            f"{', '.join(others) or 'none'}"
        )
    training, limit = folder.count("train", name), 1e9 * settings.compute.materialise_limit
    for batch, group in ((settings.contrastive.batch_size, "contrastive"), (settings.nae.batch_size, "nae")):
        if batch > training:
            raise ValueError(
                f"{group}.batch_size = {batch}: more than the {training} jets in {path / 'train' / name}; lower it"
            )
    evaluation = {
        split: {s: folder.load(split, s, limit=limit) for s in (name, *signals)} for split in ("validation", "test")
    }
    fingerprints = {"train": {name: folder.fingerprint("train", name)}} | {
        split: {sample: folder.fingerprint(split, sample) for sample in samples}
        for split, samples in evaluation.items()
    }
    folders = tuple(open_jets(Path(other)) for other in further)
    variants = []
    for beside in folders:
        if "test" not in beside.splits():
            raise ValueError(f"{beside.path}: no test split in it (--comparison.further_jets); name another folder")
        for sample in beside.samples("test"):
            if sample in evaluation["test"]:
                if _same_point(folder, beside, sample):
                    continue  # a grid passes through the paper's points, and the first folder has those
                raise ValueError(
                    f"{beside.path}: {sample!r} is in another folder, too, and names have to be unique; rename its "
                    f"folder, or leave it out of --comparison.further_jets"
                )
            evaluation["test"][sample] = beside.load("test", sample, limit=limit)
            _check_apart(folder.events("train", name), beside, evaluation["test"][sample], sample)
            fingerprints["test"][sample] = beside.fingerprint("test", sample)
            if beside.metadata("test", sample).get("variation"):
                variants.append(sample)
    return StudyJets(folder, name, limit, evaluation, fingerprints, further=folders, variants=tuple(variants))


def with_labelled(jets: StudyJets, signal: str) -> StudyJets:
    """Return the jets with training jets of a signal. Raises ValueError if there are none."""
    folder = jets.folder
    check_signal(folder, signal, jets.background, "one of the detectors")
    labelled = folder.load("train", signal, limit=jets.limit)
    for beside in jets.further:
        for sample in beside.samples("test"):
            _check_apart(labelled.events, beside, jets.evaluation["test"][sample], sample)
    train = jets.fingerprints["train"] | {signal: folder.fingerprint("train", signal)}
    return replace(
        jets,
        labelled={**jets.labelled, signal: labelled},
        fingerprints={**jets.fingerprints, "train": train},
    )


def _check_apart(training: NDArray[np.int64], beside: JetFolder, evaluation: Jets, sample: str) -> None:
    """Raise ValueError if jets of a further folder come from events of the training jets."""
    shared = np.isin(evaluation.events, training).sum()
    if shared:
        raise ValueError(
            f"{beside.path}: {shared} jets of test/{sample} are from events that detectors are trained on; leave it "
            f"out of --comparison.further_jets, or import it with another split"
        )


def _same_point(first: JetFolder, second: JetFolder, name: str) -> bool:
    """Return whether a sample has the same generator parameters in two folders."""
    if name not in first.samples("test"):
        return False
    points = [folder.metadata("test", name).get("sample") for folder in (first, second)]
    return points[0] is not None and points[0] == points[1]
