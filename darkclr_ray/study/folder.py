"""A study's folder: one study, its settings, and nobody else at it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from darkclr_ray.field_types import leaves
from darkclr_ray.fs_checks import check_writable
from darkclr_ray.integrity import file_digest
from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.messages import shown
from darkclr_ray.runtime.cluster import TOKEN
from darkclr_ray.settings import SearchSettings, StudySettings
from darkclr_ray.store.files import check_sealed_text, read_json, write_json, write_sealed_text
from darkclr_ray.store.locks import Lock
from darkclr_ray.store.stages import Store
from darkclr_ray.study.provenance import computed_in, followed, now, starts_of
from darkclr_ray.study.repeats import REPEATS, is_repeated
from darkclr_ray.yaml_files import read_yaml

FORMAT = 2
"""Of the folder; a study of another format is refused."""

MAY_CHANGE = (
    *("out", "jets", "search.trials", "compute.", "tracking"),
    *("search.objective", "search.further_objectives", "search.score", "search.seeds", "search.repeated_points"),
)
"""Settings that a study can be continued with: where it is, how long it gets, where it runs and what it is judged by.
Jets go by content.
"""

STATES = ("COMPLETE", "PRUNED", "FAIL")
"""How a trial ends."""

DERIVED = ("jets.parquet", "examples.npz")
"""Files for a study's readers that are written at each start, with checksums in study.json."""

LEFTOVERS = (".lock", f"{TOKEN}*", ".study.json.partial")
"""Files that are left by a first start that ended before there was a study.json."""

LEFT_LOGS = ("ray_folder", "study.log")
"""The same in logs/, beside Ray's own in logs/ray. Whatever else is there (Slurm's --output) a user has put there."""

LIBRARIES = ("darkclr_ray", "numpy", "optuna", "pyarrow", "ray", "torch")


class StudyFolder:
    """Reads and writes what is known of a study.

    Args:
        path: of the folder, there or not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials = path / "trials"
        self.logs = path / "logs"
        self.optuna = path / "optuna.log"
        self.store = Store.of_study(path)
        self._lock = Lock(path / ".lock", "a study")
        self._precise = False
        self._endings: dict[str, dict[str, Any]] = {}

    def claim(self) -> None:
        """Make the folder, and keep other processes away until this one ends.

        Raises ValueError where it is in use, or nobody could be kept away.
        """
        self._refuse_strangers()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be made ({error.strerror}); choose another --out") from None
        try:
            free = self._lock.acquire()
        except OSError as error:
            raise ValueError(
                f"{self.path}: cannot be locked ({error.strerror}); choose another --out, where there is room and "
                f"the file system knows locks"
            ) from None
        if not free:
            raise ValueError(
                f"{self.path}: this study is being used by {self._lock.holder()}; wait for it, or choose another --name"
            )

    def release(self) -> None:
        """Let others at the study; a folder in which none came about goes."""
        if not (self.path / "study.json").exists():
            self._clear()
        self._lock.release()

    def _clear(self) -> None:
        """Take away what a first start has made, and folders that hold nothing else."""
        shutil.rmtree(self.logs / "ray", ignore_errors=True)
        files = [path for pattern in LEFTOVERS for path in self.path.glob(pattern)]
        for file in (*files, *(self.logs / name for name in LEFT_LOGS)):
            with suppress(OSError):
                file.unlink()
        for folder in (self.logs, self.store.folder, self.path):
            with suppress(OSError):
                folder.rmdir()

    def check(self, settings: StudySettings, fingerprints: Mapping[str, Any], extendable: bool = False) -> None:
        """Raise ValueError where the folder holds another study than the one asked for; nothing is written.

        An ``extendable`` study may get further samples for validation and test.
        """
        self.check_place(settings)
        if not (self.path / "study.json").exists():
            return
        known = read_json(self.path / "study.json")
        if known.get("format") != FORMAT:
            raise ValueError(
                f"{self.path}: a study of format {known.get('format')}, made by darkclr_ray {made_by(known)}; this "
                f"version reads format {FORMAT}; continue it with that version, or start a new one with --name"
            )
        try:
            before = known["jets"]["fingerprints"]
            parts = differing(before, fingerprints)
            if extendable:
                parts = [part for part in parts if part.startswith("train/") or in_parts(before, part)]
            own = known["jets"]["path"]
        except (KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{self.path / 'study.json'}: damaged, it does not say which jets the study has; restore it, or start "
                f"a new study with --name"
            ) from None
        if parts:
            raise ValueError(
                f"{self.path}: this study was made with other jets ({', '.join(parts)} differ from those in "
                f"{settings.jets}); give it its own jets ({own}), or start a new one with --name"
            )
        path = self.path / "settings.yaml"
        if not path.exists() and not self.store.folder.exists():
            return  # it ended before it was described, and with it all that could be continued
        there = self.settings()
        before, asked = there.model_dump(), settings.model_dump()
        changed = [
            f"{name}: {shown(at(before, name))} there, {shown(at(asked, name))} now"
            for name in unequal(there, settings)
            if not name.startswith(MAY_CHANGE)
        ]
        if changed:
            raise ValueError(
                f"{self.path}: this study was made with other settings ({'; '.join(changed)}); ask for the same ones "
                f"to continue it (--config {path}), or start a new one with --name"
            )

    def settings(self) -> StudySettings:
        """Return the settings that the study in the folder was started with. Raises ValueError if they are damaged."""
        path = self.path / "settings.yaml"
        if path.exists():
            check_sealed_text(path)
        try:
            return StudySettings.model_validate(read_yaml(path, "restore it, or start a new study with --name"))
        except ValidationError as error:
            raise ValueError(f"{path}: {format_validation_error(error)}; start a new study with --name") from error

    def check_place(self, settings: StudySettings) -> None:
        """Raise ValueError where the folder cannot be a study's, or cannot be written; nothing is read of a study."""
        check_writable(self.path.parent, "--out")
        folders = () if settings.jets == "starter" else (settings.jets,)
        for folder in (*folders, *settings.comparison.further_jets):
            if "\0" not in folder and self.path.resolve().is_relative_to(Path(folder).resolve()):
                raise ValueError(f"{self.path}: would be among the jets of {folder}; choose another --out")
        self._refuse_strangers()
        if (self.path / "study.json").exists():
            check_writable(self.path, "--out")

    def about(self) -> dict[str, Any]:
        """Content of study.json; nothing where there is none."""
        path = self.path / "study.json"
        return read_json(path) if path.exists() else {}

    def kind(self) -> str | None:
        """Which question the study in the folder is about; None where there is none, or it does not say."""
        return self.about().get("kind")

    def made_on(self, fingerprints: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether all jets that the study was made on are among these: hashes by split and sample."""
        known = self.about().get("jets", {}).get("fingerprints", {})
        there = [samples.items() <= fingerprints[split].items() for split, samples in known.items()]
        return bool(there) and all(there)

    def describe(
        self,
        settings: StudySettings,
        preset: str,
        command: Sequence[str],
        machine: Mapping[str, Any],
        facts: Mapping[str, Any],
    ) -> None:
        """Write study.json and settings.yaml; what a study began with stays, and a start of another kind is added.

        The folder of the stages comes last: where it is, the rest is.
        """
        known = self.about()
        versions = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
        starts = followed(starts_of(known), {"time": now(), "versions": versions, "machine": machine})
        begun = {"preset": preset, "command": list(command), "created": now()}
        write_json(
            self.path / "study.json",
            {
                "format": FORMAT,
                "name": settings.name,
                **begun,
                **{name: value for name, value in known.items() if name not in ("versions", "machine")},
                "starts": starts,
                "objective": settings.search.objective,
                "score": known.get("score", settings.search.score),
                "background": settings.background,
                **facts,
            },
        )
        text = yaml.safe_dump(json.loads(settings.model_dump_json()), sort_keys=False)
        write_sealed_text(self.path / "settings.yaml", text)
        self.store.folder.mkdir(exist_ok=True)

    def note(self, **facts: Any) -> None:
        """Add facts to study.json."""
        write_json(self.path / "study.json", read_json(self.path / "study.json") | facts)

    def note_derived(self) -> None:
        """Add the checksums of the files `DERIVED` to study.json."""
        self.note(files={name: file_digest(self.path / name) for name in DERIVED})

    def has(self, *names: str) -> bool:
        """Return whether the folder holds all of these files and folders."""
        return all((self.path / name).exists() for name in names)

    def has_stages(self, record: Mapping[str, Any]) -> bool:
        """Return whether the stages that a trial's or a run's file names are there, as far as it names any."""
        stages = record.get("stages", {})
        return all((self.store.folder / kind / name).is_dir() for kind, name in stages.items())

    def note_precision(self, precision: str | None) -> None:
        """Add to the last start what its first job to end multiplied in, where that tells (others: on machines alike).

        A worker finds it out: "auto" depends on its processor.
        """
        if precision is not None and not self._precise:
            self.note(starts=computed_in(starts_of(self.about()), precision))
            self._precise = True

    def endings(self) -> list[dict[str, Any]]:
        """Return what the files of the trials that have ended contain, by number; each file is read once.

        Raises ValueError where one is damaged.
        """
        listed = os.listdir(self.trials) if self.trials.is_dir() else []
        names = sorted(name for name in listed if name.endswith(".json"))
        for name in names:
            if name not in self._endings:
                path = self.trials / name
                ending = read_json(path)
                if ending.get("state") not in STATES:
                    raise ValueError(
                        f"{path}: says nothing of how a trial ended; restore it, or start anew with --name"
                    )
                self._endings[name] = ending
        return [self._endings[name] for name in names]

    def write_ending(self, number: int, content: Mapping[str, Any]) -> None:
        """Write the file of a trial that has ended."""
        path = self.trials / f"{number:04d}.json"
        write_json(path, content)
        self._endings.pop(path.name, None)

    def best(self) -> dict[str, Any] | None:
        """The completed trial with the highest objective."""
        complete = [trial for trial in self.endings() if trial["state"] == "COMPLETE"]
        return max(complete, key=lambda trial: (trial["objective"], -trial["number"]), default=None)

    def selected(self, search: SearchSettings) -> dict[str, Any] | None:
        """Return the completed trial that the study selects: by the mean over seeds if there are several, else `best`.

        None if no trial is complete, or the best points have not been trained again with other seeds yet.
        """
        if not search.seeds:
            return self.best()
        path = self.path / REPEATS
        known = read_json(path) if path.exists() else {}
        if not is_repeated(known, self.endings(), search):
            return None
        return next(trial for trial in self.endings() if trial["number"] == known["selected"])

    def _refuse_strangers(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path}: a file is in the way of the study's folder; choose another --name or --out")
        if self.path.is_dir() and not (self.path / "study.json").exists():
            others = [path.name for path in self.path.iterdir() if not left_over(path)]
            if others:
                raise ValueError(
                    f"{self.path}: holds {', '.join(sorted(others)[:3])} but no study; choose another --name or --out"
                )


def left_over(path: Path) -> bool:
    """Whether this may lie where a first start ended before there was a study.json; stages are somebody's work."""
    if path.name == "stages":
        return path.is_dir() and not any(path.iterdir())
    return path.name == "logs" or any(path.match(pattern) for pattern in LEFTOVERS)


def made_by(about: Mapping[str, Any]) -> str:
    """The version of this package that a study was last computed with."""
    starts = starts_of(about)
    return str(starts[-1].get("versions", {}).get("darkclr_ray", "?")) if starts else "?"


def at(values: Any, name: str) -> Any:
    """A nested value by its dotted name, lists as tuples."""
    for part in name.split("."):
        values = values[part]
    return tuple(values) if isinstance(values, list) else values


def unequal(one: StudySettings, other: StudySettings) -> list[str]:
    """Dotted names of the settings that are not the same."""
    ours, theirs = one.model_dump(), other.model_dump()
    return [name for name, _ in leaves(StudySettings) if at(ours, name) != at(theirs, name)]


def in_parts(fingerprints: Mapping[str, Any], part: str) -> bool:
    """Return whether jets have a sample, by its split and name.

    >>> in_parts({"test": {"qcd": "0123"}}, "test/qcd"), in_parts({"test": {"qcd": "0123"}}, "test/aachen")
    (True, False)
    """
    split, _, sample = part.partition("/")
    return sample in fingerprints.get(split, {})


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Which samples of which splits are not the same."""
    names = {(split, sample) for jets in (one, other) for split, samples in jets.items() for sample in samples}
    return sorted(
        f"{split}/{sample}"
        for split, sample in names
        if one.get(split, {}).get(sample) != other.get(split, {}).get(sample)
    )
