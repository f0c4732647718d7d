"""A study from the first check to the report."""

from __future__ import annotations

import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console

from darkclr_ray.augmentations import registry
from darkclr_ray.exit_status import INTERRUPTED
from darkclr_ray.integrity import Damaged
from darkclr_ray.presets import PRESETS, preset
from darkclr_ray.runtime.cluster import Cluster, address_of, check_reachable, check_shared, running_ray
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.artifacts import write_examples, write_jets
from darkclr_ray.study.folder import MAY_CHANGE, StudyFolder, unequal
from darkclr_ray.study.jets import StudyJets, open_study_jets
from darkclr_ray.study.progress import Display, Status
from darkclr_ray.study.repair import delete_damaged
from darkclr_ray.study.trackers import base as trackers
from darkclr_ray.study.tracking import Followers

if TYPE_CHECKING:
    from darkclr_ray.study.session import Session


class Study(ABC):
    """One question put to jets: jobs for training workers, and a page with what came of them.

    What it finds it writes to its folder as it comes, so that a study that was killed goes on where it was.

    Args:
        settings: of the study.
        preset: the name of the preset that they were read over.
        command: what a user types to run the study again.
    """

    kind: ClassVar[str]
    """Which question it is: in study.json, for its readers."""
    what: ClassVar[str]
    """What its jobs are called, in the plural."""
    extendable: ClassVar[bool] = False
    """Whether a study that was begun may get further samples for validation and test."""

    def __init__(self, settings: StudySettings, preset: str, command: Sequence[str]) -> None:
        self.settings, self.command = settings, command
        self.folder = StudyFolder(Path(settings.out) / settings.name)
        self._preset = preset

    @cached_property
    def preset(self) -> str:
        """The preset that the settings came from: a file of settings, by which a study goes on, does not name it."""
        known = self.folder.about().get("preset")
        return known if known in PRESETS else preset_of(self.settings, self._preset)

    def check(self) -> None:
        """Raise ValueError for names in the settings that mean nothing, before any jet is read."""
        registry.check(self.settings.views)
        for target in self.settings.tracking:
            trackers.check(target)
        self.folder.check_place(self.settings)
        kind = self.folder.kind()
        if kind not in (None, self.kind):
            raise ValueError(
                f"{self.folder.path}: holds a study of another kind ({kind}); choose another --name or --out"
            )

    def open(self) -> StudyJets:
        """The jets that it needs. Raises ValueError where they are not there."""
        return open_study_jets(self.settings)

    @property
    @abstractmethod
    def total(self) -> int:
        """How many jobs there are, by and by."""

    @property
    @abstractmethod
    def ended(self) -> int:
        """How many of them have ended, in this process or before."""

    @abstractmethod
    def finished(self) -> bool:
        """Whether nothing is left to compute."""

    @abstractmethod
    def work(self, session: Session) -> int:
        """Compute what is left; the exit status: `INTERRUPTED` where something still is."""


def preset_of(settings: StudySettings, named: str) -> str:
    """The preset whose settings these are, apart from where and for how long; the named one where they are no other's.

    >>> preset_of(preset("paper").updated({"name": "mine"}), named="laptop")
    'paper'
    """
    for name in (named, *PRESETS):
        if all(changed.startswith(("name", "comparison.", *MAY_CHANGE)) for changed in unequal(preset(name), settings)):
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
    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)  # paths are what they are
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
            page = build_report(folder.path)
        console.print(str(page), soft_wrap=True)
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
    """`_compute`, with a few words on how to go on where something is left; where nothing is, `Study.work` has them."""
    from ray.exceptions import RayError

    from darkclr_ray.runtime.outcome import InfrastructureError

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    try:
        status = _compute(study, jets, console)
        if status != INTERRUPTED:
            return status
    except KeyboardInterrupt:
        status = INTERRUPTED
    except (InfrastructureError, OSError) as error:
        say(f"the study cannot go on: {error}")
        status = 1
    except RayError as error:
        say(f"the study cannot go on, a part of Ray was lost: {str(error).splitlines()[0]}")
        status = 1
    say(f"{study.ended} of {study.total} {study.what} have ended; nothing finished is lost. To continue:")
    say(f"  {shlex.join(study.command)}")
    return status


def _compute(study: Study, jets: StudyJets, console: Console) -> int:
    logs = study.folder.logs
    logs.mkdir(exist_ok=True)
    with running_ray(study.settings.compute, logs / "ray", 2 * jets.bytes + 400_000_000) as cluster:
        return compute(study, jets, cluster, console)


def compute(study: Study, jets: StudyJets, cluster: Cluster, console: Console) -> int:
    """Compute what is left of a study, while Ray runs; the exit status."""
    import ray

    from darkclr_ray.runtime.resources import allocate, cluster_nodes
    from darkclr_ray.study.session import Session

    settings, folder = study.settings, study.folder
    nodes = cluster_nodes(ray.nodes())  # type: ignore[no-untyped-call]
    allocation = allocate(settings.compute, study.total, nodes)
    check_shared(folder.path)
    machine = {"cpus": allocation.cpus, "gpus": allocation.gpus, "nodes": allocation.nodes}
    facts = {"kind": study.kind, **jets.facts(settings.background)}
    folder.describe(settings, study.preset, study.command, machine, facts)
    write_jets(folder.path / "jets.parquet", jets.judged)
    background = jets.judged["validation"][settings.background]
    write_examples(folder.path / "examples.npz", background, settings.inputs, settings.seed)
    folder.note_derived()
    console.print(f"study      {folder.path}", soft_wrap=True)
    if cluster.dashboard:
        console.print(f"dashboard  http://{cluster.dashboard}", soft_wrap=True)
    with (
        Display(console) as display,
        Session(settings, folder, jets, allocation, display, Status(study.total, what=study.what)) as session,
    ):
        return study.work(session)
