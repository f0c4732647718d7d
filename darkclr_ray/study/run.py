"""Run a study, from the first check to the report."""

from __future__ import annotations

import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console

from darkclr_ray.augmentations import registry
from darkclr_ray.exit_status import INTERRUPTED
from darkclr_ray.integrity import Damaged
from darkclr_ray.jets.folder import open_jets, starter_donors
from darkclr_ray.presets import PRESETS, preset
from darkclr_ray.runtime.cluster import Cluster, address_of, check_reachable, running_ray
from darkclr_ray.runtime.nodes import check_shared
from darkclr_ray.runtime.signals import interruptible
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.artifacts import write_examples, write_jets, write_means
from darkclr_ray.study.folder import MAY_CHANGE, StudyFolder, changed_settings
from darkclr_ray.study.jets import StudyJets, open_study_jets
from darkclr_ray.study.progress import Display, Status
from darkclr_ray.study.repair import delete_damaged
from darkclr_ray.study.trackers import base as trackers
from darkclr_ray.study.tracking import Followers

if TYPE_CHECKING:
    from darkclr_ray.study.session import Session


class Study(ABC):
    """Base class of studies: jobs for training workers, and a report page with their results.

    Results are written to the folder as they are obtained, so that a killed study can be continued.

    Args:
        settings: settings of the study.
        preset: name of the preset on which the settings are based.
        command: command line that runs the study again.
    """

    kind: ClassVar[str]
    """Kind of the study in study.json."""
    what: ClassVar[str]
    """Plural noun for its jobs on the screen."""
    extendable: ClassVar[bool] = False
    """Whether a study that was begun may get further samples for validation and test."""

    def __init__(self, settings: StudySettings, preset: str, command: Sequence[str]) -> None:
        self.settings, self.command = settings, command
        self.folder = StudyFolder(Path(settings.out) / settings.name)
        self._preset = preset

    @cached_property
    def preset(self) -> str:
        """Name of the preset on which the settings are based; a settings file does not contain it."""
        about = self.folder.about()
        known = about.preset if about is not None else None
        return known if known in PRESETS else preset_of(self.settings, self._preset)

    def check(self) -> None:
        """Raise ValueError for unknown names in the settings and broken augmentations, before any jet is read."""
        registry.check(self.settings.views)
        if registry.plugin_modules(self.settings.views):
            from darkclr_ray.testing.trial import try_augmentations  # it imports torch, which other errors need not

            try_augmentations(self.settings.views, self.settings.inputs)
        for target in self.settings.tracking:
            trackers.check(target)
        self.folder.check_location(self.settings)
        about = self.folder.about()
        if about is not None and about.kind != self.kind:
            raise ValueError(
                f"{self.folder.path}: holds a study of another kind ({about.kind}); choose another --name or --out"
            )

    def open(self) -> StudyJets:
        """Return the jets of the study. Raises ValueError if they are missing."""
        return open_study_jets(self.settings)

    @property
    @abstractmethod
    def total(self) -> int:
        """Total number of jobs."""

    @property
    def most_at_once(self) -> int:
        """Largest number of jobs that can run at a time."""
        return self.total

    @property
    @abstractmethod
    def ended(self) -> int:
        """Number of jobs that have ended, in this process or before."""

    @abstractmethod
    def finished(self) -> bool:
        """Return whether nothing is left to compute."""

    @abstractmethod
    def work(self, session: Session) -> int:
        """Compute what is left and return the exit status, which is `INTERRUPTED` if the study is not finished."""


def preset_of(settings: StudySettings, named: str) -> str:
    """Return the preset with these settings, apart from location and length; ``named`` if there is none.

    >>> preset_of(preset("paper").updated({"name": "mine"}), named="laptop")
    'paper'
    """
    for name in (named, *PRESETS):
        if all(
            changed.startswith(("name", "comparison.", *MAY_CHANGE))
            for changed in changed_settings(preset(name), settings)
        ):
            return name
    return named


def run(study: Study, build_report: Callable[[Path], Path]) -> int:
    """Run or continue a study and build its page; return the exit status of its script.

    Args:
        study: to run.
        build_report: writes the page of the study in a folder, and returns the page's path.

    Raises:
        ValueError: the user can correct the cause; raised before anything is trained.
    """
    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)  # a path is no markup
    study.check()
    jets = study.open()
    folder = study.folder
    folder.check(study.settings, jets.fingerprints, study.extendable)
    address = address_of(study.settings.compute.address)
    if address and not seems_finished(study):
        check_reachable(address)
    folder.claim()
    try:
        folder.check(study.settings, jets.fingerprints, study.extendable)
        if folder.has("study.json"):
            delete_damaged(folder, lambda line: console.print(line, soft_wrap=True))
        with Followers(folder.path, study.settings.tracking, lambda line: console.print(line, soft_wrap=True)):
            if not study.finished():
                status = _guarded(study, jets, console)
                if status:
                    return status
            from darkclr_ray.study.conclusions import conclusions  # imports torch

        page = build_report(folder.path)
        for line in [*conclusions(folder.path), "", str(page)]:
            console.print(line, soft_wrap=True)
        return 0
    finally:
        folder.release()


def seems_finished(study: Study) -> bool:
    """Return whether nothing is left to compute, as far as can be told before damaged files are deleted."""
    try:
        return study.finished()
    except Damaged:
        return False


def _guarded(study: Study, jets: StudyJets, console: Console) -> int:
    """Compute a study; print how to continue it if something is left to do. Returns the exit status."""

    def print_line(text: str) -> None:
        with suppress(OSError):  # the terminal may be gone
            console.print(text, soft_wrap=True)

    try:
        with interruptible():
            from ray.exceptions import RayError  # it takes seconds, in which a study may be stopped

            from darkclr_ray.runtime.lost import why_lost
            from darkclr_ray.runtime.outcome import InfrastructureError

            status = _compute(study, jets, console)
        if status != INTERRUPTED:
            return status
    except KeyboardInterrupt:
        status = INTERRUPTED
    except (InfrastructureError, OSError) as error:
        print_line(f"the study cannot go on: {error}")
        status = 1
    except RayError as error:
        print_line(f"the study cannot go on, a part of Ray was lost: {why_lost(error)}")
        status = 1
    print_line(f"{study.ended} of {study.total} {study.what} have ended; nothing finished is lost. To continue:")
    print_line(f"  {shlex.join(study.command)}")
    return status


def _compute(study: Study, jets: StudyJets, console: Console) -> int:
    logs = study.folder.logs
    logs.mkdir(exist_ok=True)
    with running_ray(study.settings.compute, logs / "ray", 2 * jets.bytes + 400_000_000) as cluster:
        return compute(study, jets, cluster, console)


def compute(study: Study, jets: StudyJets, cluster: Cluster, console: Console) -> int:
    """Compute what is left of a study while Ray runs; return the exit status."""
    import ray

    from darkclr_ray.runtime.resources import allocate, cluster_nodes
    from darkclr_ray.study.memory import MemoryEstimate
    from darkclr_ray.study.session import Session

    settings, folder = study.settings, study.folder
    nodes = cluster_nodes(ray.nodes())  # type: ignore[no-untyped-call]
    allocation = allocate(settings.compute, study.most_at_once, nodes)
    memory = MemoryEstimate.of(settings, allocation, jets.counts, jets.bytes)
    memory.check(sum(node.memory for node in nodes) if all(node.memory for node in nodes) else 0.0)
    check_shared(folder.path)
    machine = {"cpus": allocation.cpus, "gpus": allocation.gpus, "nodes": allocation.nodes}
    facts = {"kind": study.kind, **jets.facts(settings.background)}
    folder.describe(settings, study.preset, study.command, machine, facts)
    write_jets(folder.path / "jets.parquet", jets.evaluation)
    validation = jets.evaluation["validation"]
    background = validation[settings.background]
    write_examples(folder.path / "examples.npz", background, settings.inputs, settings.seed)
    donors = open_jets(starter_donors()).load("train", "donors") if settings.jets == "starter" else None
    write_means(folder.path / "means.json", validation, settings.background, settings.seed, donors)
    folder.record_checksums()
    console.print(f"study      {folder.path}", soft_wrap=True)
    console.print(f"memory     {memory}", soft_wrap=True)
    if cluster.dashboard:
        asks = f" (its token: cat {shlex.quote(str(cluster.token))})" if cluster.token else ""
        console.print(f"dashboard  http://{cluster.dashboard}{asks}", soft_wrap=True)
    with (
        Display(console) as display,
        Session(
            settings, folder, jets, allocation, display, Status(study.total, what=study.what), cluster.own
        ) as session,
    ):
        return study.work(session)
