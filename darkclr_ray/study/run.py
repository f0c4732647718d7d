"""A study from the first check to the report."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from darkclr_ray.augmentations import registry
from darkclr_ray.command_line import nearest
from darkclr_ray.crews.cluster import check_shared, running_ray
from darkclr_ray.jets.folder import JetFolder, open_jets, starter_jets
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.study import objectives
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.plan import Plan
from darkclr_ray.study.progress import Display
from darkclr_ray.study.records import write_examples, write_jets

logger = logging.getLogger(__name__)

SCORES = ("s_NAE", "s_CLR", "s_AE")
"""Scores of a trial that an objective can judge."""

INTERRUPTED = 130
"""Exit status of a study that was stopped and can be continued."""


@dataclass(frozen=True, eq=False)
class StudyJets:
    """All jets of a study, checked.

    Attributes:
        folder: where they come from.
        training: background jets.
        judged: jets by split (validation, test) and sample, background first.
        fingerprints: of all of them.
    """

    folder: JetFolder
    training: TrainingSample
    judged: dict[str, dict[str, Jets]]
    fingerprints: dict[str, dict[str, str]]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of jets by split and sample."""
        judged = {split: {name: len(jets) for name, jets in samples.items()} for split, samples in self.judged.items()}
        return {"train": dict.fromkeys(self.fingerprints["train"], len(self.training)), **judged}

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        parts = [self.training.jets, *(jets for samples in self.judged.values() for jets in samples.values())]
        return sum(jets.constituents.nbytes + 64 * len(jets) for jets in parts)


def open_study_jets(settings: StudySettings) -> StudyJets:
    """Open and check the jets that a study needs.

    Raises ValueError: broken shards; a split or the background missing; no signal; too few jets for a batch; an
    objective that names a signal that is not there.
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
    objectives.find(settings.search.objective, signals)
    training = TrainingSample(folder.load("train", name))
    for batch, group in ((settings.contrastive.batch_size, "contrastive"), (settings.nae.batch_size, "nae")):
        if batch > len(training):
            raise ValueError(
                f"{group}.batch_size = {batch}: more than the {len(training)} jets in {path / 'train' / name}; lower it"
            )
    judged = {split: {s: folder.load(split, s) for s in (name, *signals)} for split in ("validation", "test")}
    fingerprints = {"train": {name: folder.fingerprint("train", name)}} | {
        split: {sample: folder.fingerprint(split, sample) for sample in samples} for split, samples in judged.items()
    }
    return StudyJets(folder, training, judged, fingerprints)


def run(settings: StudySettings, preset: str, command: Sequence[str]) -> int:
    """Run or continue a study; the exit status of its script.

    Raises ValueError, before anything is trained, for what the user can mend.
    """
    console = Console(file=sys.stdout)
    check_names(settings)
    jets = open_study_jets(settings)
    folder = StudyFolder(Path(settings.out) / settings.name)
    folder.check(settings, jets.fingerprints)
    folder.claim()
    try:
        folder.check(settings, jets.fingerprints)
        if not finished(folder, settings):
            status = _guarded(settings, preset, command, jets, folder, console)
            if status:
                return status
        return _report(folder, console)
    finally:
        folder.release()


def check_names(settings: StudySettings) -> None:
    """Raise ValueError for names in the settings that mean nothing, before any jet is read."""
    objectives.check(settings.search.objective)
    if settings.search.score not in SCORES:
        raise ValueError(
            f"search.score = {settings.search.score}: unknown score{nearest(settings.search.score, SCORES)}"
        )
    for view in ("anchor", "positive", "anomalous"):
        for name in getattr(settings.views, view):
            try:
                registry.find(name)
            except ValueError as error:
                raise ValueError(f"views.{view} = {name}: {error}") from error


def finished(folder: StudyFolder, settings: StudySettings) -> bool:
    """Whether nothing is left to train."""
    if not (folder.path / "study.json").exists() or not (folder.path / "references.json").exists():
        return False
    return len(folder.endings()) >= settings.search.trials and (folder.path / "best").is_dir()


def facts(settings: StudySettings, jets: StudyJets) -> dict[str, Any]:
    """What study.json says about the jets."""
    samples = {}
    for name in jets.judged["test"]:
        metadata = jets.folder.metadata("test", name)
        parameters = metadata.get("parameters") or metadata.get("sample") or {}
        samples[name] = {"kind": "background" if name == settings.background else "signal"}
        samples[name] |= parameters if isinstance(parameters, dict) else {}
        selected = (metadata.get("invisible_fraction") or {}).get("after_selection")
        if selected is not None:
            samples[name]["invisible_fraction_selected"] = selected
    where = {"path": str(jets.folder.path), "fingerprints": jets.fingerprints}
    return {"jets": where, "samples": samples, "counts": jets.counts}


def _guarded(
    settings: StudySettings, preset: str, command: Sequence[str], jets: StudyJets, folder: StudyFolder, console: Console
) -> int:
    """`_compute`, with a few words on how it ended where it did not end well."""
    from darkclr_ray.crews.crews import Broken

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    try:
        status = _compute(settings, preset, command, jets, folder, console)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Broken as error:
        say(f"the study cannot go on: {error}")
        status = 1
    except OSError as error:
        logger.exception("the study cannot go on")
        say(f"the study cannot go on: {error}")
        status = 1
    if status:
        ended = len(folder.endings())
        say(f"{ended} of {settings.search.trials} trials have ended; nothing finished is lost. To continue:")
        say(f"  {shlex.join(command)}")
    return status


def _compute(
    settings: StudySettings, preset: str, command: Sequence[str], jets: StudyJets, folder: StudyFolder, console: Console
) -> int:
    store = 2 * jets.bytes + 400_000_000
    folder.logs.mkdir(exist_ok=True)
    with running_ray(settings.compute, folder.logs / "ray", store) as cluster:
        import ray

        from darkclr_ray.crews.resources import allocate, cluster_nodes
        from darkclr_ray.study.session import Session

        nodes = cluster_nodes(ray.nodes())  # type: ignore[no-untyped-call]
        allocation = allocate(settings.compute, settings.search.trials, nodes)
        check_shared(folder.path)
        machine = {"cpus": allocation.cpus, "gpus": allocation.gpus, "nodes": allocation.nodes}
        folder.describe(settings, preset, command, {**facts(settings, jets), "machine": machine})
        write_jets(folder.path / "jets.parquet", jets.judged)
        background = jets.judged["validation"][settings.background]
        write_examples(folder.path / "examples.npz", background, settings.inputs, settings.seed)
        console.print(f"study      {folder.path}", highlight=False, soft_wrap=True)
        if cluster.dashboard:
            console.print(f"dashboard  http://{cluster.dashboard}", highlight=False, soft_wrap=True)
        with Display(console) as display, Session(settings, jets, folder, allocation, display) as session:
            cost = session.calibrate()
            plan = Plan(settings, allocation, len(folder.endings()), jets.counts, cost)
            display.say(str(plan))
            if not session.search(plan):
                return INTERRUPTED
            if folder.best() is None:
                display.say(f"no trial was completed; {folder.trials} says why, and {folder.logs} has the details")
                return 1
            if not session.conclude():
                return INTERRUPTED
    return 0


def _report(folder: StudyFolder, console: Console) -> int:
    from darkclr_ray.reports.embedding_scan import build

    console.print(str(build(folder.path)), highlight=False, soft_wrap=True)
    return 0
