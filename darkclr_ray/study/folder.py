"""Folder of a study: its settings and records, and a lock that keeps other processes away."""

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
from darkclr_ray.runtime.nodes import TOKEN
from darkclr_ray.settings import SearchSettings, StudySettings
from darkclr_ray.store.files import check_sealed_text, read_json, write_sealed_text
from darkclr_ray.store.locks import Lock
from darkclr_ray.store.stages import Store
from darkclr_ray.study.provenance import computed_in, now, with_start
from darkclr_ray.study.records import Machine, Repeats, Start, StudyRecord, TrialRecord, best_trial
from darkclr_ray.study.repeats import REPEATS, is_repeated
from darkclr_ray.yaml_files import read_yaml

FORMAT = 2
"""Format of the folder; a study of another format is refused."""

MAY_CHANGE = (
    *("out", "jets", "search.trials", "compute.", "tracking"),
    *("search.objective", "search.further_objectives", "search.score", "search.seeds", "search.repeated_points"),
)
"""Settings that may change when a study is continued: location, length, resources and what trials are judged by. Jets
are compared by content.
"""

DERIVED = ("jets.parquet", "examples.npz", "means.json")
"""Files for readers that each start writes anew, with checksums in study.json."""

LEFTOVERS = (".lock", f"{TOKEN}*", ".study.json.partial")
"""Files that a first start leaves if it ends before study.json is written."""

LEFT_LOGS = ("ray_folder", "study.log")
"""The same in logs/, beside those of Ray in logs/ray. Other files there belong to the user (Slurm's --output)."""

LIBRARIES = ("darkclr_ray", "numpy", "optuna", "pyarrow", "ray", "torch")


class StudyFolder:
    """Reads and writes the files of a study.

    Args:
        path: path of the folder, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials = path / "trials"
        self.logs = path / "logs"
        self.optuna = path / "optuna.log"
        self.store = Store.of_study(path)
        self._lock = Lock(path / ".lock", "a study")
        self._computed: list[dict[str, Any]] = []
        self._trials: dict[str, TrialRecord] = {}

    def claim(self) -> None:
        """Create the folder and lock it until this process ends.

        Raises ValueError if another process uses it, or if it cannot be created or locked.
        """
        self._check_foreign_files()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be made ({error.strerror}); choose another --out") from None
        try:
            free = self._lock.acquire()
        except OSError as error:
            raise ValueError(
                f"{self.path}: cannot be locked ({error.strerror}); choose another --out on a file system with free "
                f"space that supports locks"
            ) from None
        if not free:
            raise ValueError(
                f"{self.path}: this study is being used by {self._lock.holder()}; wait for it, or choose another --name"
            )

    def release(self) -> None:
        """Unlock the folder; delete it if no study was begun in it."""
        if not (self.path / "study.json").exists():
            self._clear()
        self._lock.release()

    def _clear(self) -> None:
        """Delete the files of a first start, and folders that are then empty."""
        shutil.rmtree(self.logs / "ray", ignore_errors=True)
        files = [path for pattern in LEFTOVERS for path in self.path.glob(pattern)]
        for file in (*files, *(self.logs / name for name in LEFT_LOGS)):
            with suppress(OSError):
                file.unlink()
        for folder in (self.logs, self.store.folder, self.path):
            with suppress(OSError):
                folder.rmdir()

    def check(self, settings: StudySettings, fingerprints: Mapping[str, Any], extendable: bool = False) -> None:
        """Raise ValueError if the folder contains another study than the requested one; nothing is written.

        An ``extendable`` study may get further samples for validation and test.
        """
        self.check_location(settings)
        if not (self.path / "study.json").exists():
            return
        content = read_json(self.path / "study.json")
        if content.get("format") != FORMAT:
            raise ValueError(
                f"{self.path}: a study of format {content.get('format')}, made by darkclr_ray {made_by(content)}; this "
                f"version reads format {FORMAT}; continue it with that version, or start a new one with --name"
            )
        jets = StudyRecord.read(self.path / "study.json").jets
        if jets is None:
            raise ValueError(
                f"{self.path / 'study.json'}: damaged, it does not say which jets the study has; restore it, or start "
                f"a new study with --name"
            )
        parts = differing_samples(jets.fingerprints, fingerprints)
        if extendable:
            parts = [part for part in parts if part.startswith("train/") or has_sample(jets.fingerprints, part)]
        if parts:
            raise ValueError(
                f"{self.path}: this study was made with other jets ({', '.join(parts)} differ from those in "
                f"{settings.jets}); give it its own jets ({jets.path}), or start a new one with --name"
            )
        path = self.path / "settings.yaml"
        if not path.exists() and not self.store.folder.exists():
            return  # a first start that ended before its settings were written: nothing can be continued
        there = self.settings()
        before, asked = there.model_dump(), settings.model_dump()
        changed = [
            f"{name}: {shown(setting_value(before, name))} there, {shown(setting_value(asked, name))} now"
            for name in changed_settings(there, settings)
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

    def check_location(self, settings: StudySettings) -> None:
        """Raise ValueError if the folder cannot be used for a study or is not writable; no file of a study is read."""
        check_writable(self.path.parent, "--out")
        folders = () if settings.jets == "starter" else (settings.jets,)
        for folder in (*folders, *settings.comparison.further_jets):
            if "\0" not in folder and self.path.resolve().is_relative_to(Path(folder).resolve()):
                raise ValueError(f"{self.path}: would be among the jets of {folder}; choose another --out")
        self._check_foreign_files()
        if (self.path / "study.json").exists():
            check_writable(self.path, "--out")

    def about(self) -> StudyRecord | None:
        """Return the content of study.json; None if there is no such file."""
        path = self.path / "study.json"
        return StudyRecord.read(path) if path.exists() else None

    def made_on(self, fingerprints: Mapping[str, Mapping[str, str]]) -> bool:
        """Return whether all jets of the study are among these: hashes by split and sample."""
        about = self.about()
        known = about.jets.fingerprints if about is not None and about.jets is not None else {}
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
        """Write study.json and settings.yaml, and add a start if it differs from the last one.

        The folder of the stages is created last: if it exists, the other files exist too.
        """
        known = self.about()
        versions = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
        start = Start(time=now(), versions=versions, machine=Machine(**machine))
        begun = known or StudyRecord(
            format=FORMAT, name=settings.name, preset=preset, command=list(command), created=start.time
        )
        self._write(
            begun,
            starts=with_start(begun.starts, start),
            objective=settings.search.objective,
            score=begun.score if known is not None else settings.search.score,
            background=settings.background,
            **facts,
        )
        text = yaml.safe_dump(json.loads(settings.model_dump_json()), sort_keys=False)
        write_sealed_text(self.path / "settings.yaml", text)
        self.store.folder.mkdir(exist_ok=True)

    def note(self, **facts: Any) -> None:
        """Set fields of study.json."""
        self._write(StudyRecord.read(self.path / "study.json"), **facts)

    def _write(self, record: StudyRecord, **facts: Any) -> None:
        StudyRecord(**{**record.model_dump(exclude_unset=True), **facts}).write(self.path / "study.json")

    def record_checksums(self) -> None:
        """Set the checksums of the files `DERIVED` in study.json."""
        self.note(files={name: file_digest(self.path / name) for name in DERIVED})

    def has(self, *names: str) -> bool:
        """Return whether the folder holds all of these files and folders."""
        return all((self.path / name).exists() for name in names)

    def has_stages(self, stages: Mapping[str, str]) -> bool:
        """Return whether the store has these stages, given as hashes by kind."""
        return all((self.store.folder / kind / name).is_dir() for kind, name in stages.items())

    def note_computed(self, result: Mapping[str, Any]) -> None:
        """Add the precision and the networks' implementations of a job's result, if it has them, to the last start.

        Only a worker knows them: "auto" depends on its processor.
        """
        computed = {name: result[name] for name in ("precision", "kernels") if name in result}
        if len(computed) == 2 and computed not in self._computed:
            self.note(starts=computed_in(StudyRecord.read(self.path / "study.json").starts, **computed))
            self._computed.append(computed)

    def trial_records(self) -> list[TrialRecord]:
        """Return the records of the trials that have ended, by number; each file is read once.

        Raises Damaged if a file is damaged.
        """
        listed = os.listdir(self.trials) if self.trials.is_dir() else []
        names = sorted(name for name in listed if name.endswith(".json"))
        for name in names:
            if name not in self._trials:
                self._trials[name] = TrialRecord.read(self.trials / name)
        return [self._trials[name] for name in names]

    def write_trial(self, record: TrialRecord) -> None:
        """Write the record of a trial that has ended."""
        path = self.trials / f"{record.number:04d}.json"
        record.write(path)
        self._trials.pop(path.name, None)

    def best(self) -> TrialRecord | None:
        """Return the best trial so far, see `best_trial`."""
        return best_trial(self.trial_records())

    def selected(self, search: SearchSettings) -> TrialRecord | None:
        """Return the trial that the study selects: by the mean over further seeds if there are such, else `best`.

        None if no trial is complete, or the best points have not been trained with further seeds yet.
        """
        if not search.seeds:
            return self.best()
        path, records = self.path / REPEATS, self.trial_records()
        known = Repeats.read(path) if path.exists() else None
        if known is None or not is_repeated(known, records, search):
            return None
        return next(trial for trial in records if trial.number == known.selected)

    def _check_foreign_files(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path}: a file is in the way of the study's folder; choose another --name or --out")
        if self.path.is_dir() and not (self.path / "study.json").exists():
            others = [path.name for path in self.path.iterdir() if not is_leftover(path)]
            if others:
                raise ValueError(
                    f"{self.path}: holds {', '.join(sorted(others)[:3])} but no study; choose another --name or --out"
                )


def is_leftover(path: Path) -> bool:
    """Return whether a first start may have left this file or folder; stages that contain anything are results."""
    if path.name == "stages":
        return path.is_dir() and not any(path.iterdir())
    return path.name == "logs" or any(path.match(pattern) for pattern in LEFTOVERS)


def made_by(content: Mapping[str, Any]) -> str:
    """Return the version of this package that last worked on a study, from a study.json of any format."""
    starts = content.get("starts") or [content]
    return str(starts[-1].get("versions", {}).get("darkclr_ray", "?"))


def setting_value(values: Any, name: str) -> Any:
    """Return a nested value by its dotted name, with lists as tuples."""
    for part in name.split("."):
        values = values[part]
    return tuple(values) if isinstance(values, list) else values


def changed_settings(one: StudySettings, other: StudySettings) -> list[str]:
    """Return the dotted names of the settings that differ."""
    ours, theirs = one.model_dump(), other.model_dump()
    return [name for name, _ in leaves(StudySettings) if setting_value(ours, name) != setting_value(theirs, name)]


def has_sample(fingerprints: Mapping[str, Any], part: str) -> bool:
    """Return whether jets have a sample ("split/sample").

    >>> has_sample({"test": {"qcd": "0123"}}, "test/qcd"), has_sample({"test": {"qcd": "0123"}}, "test/aachen")
    (True, False)
    """
    split, _, sample = part.partition("/")
    return sample in fingerprints.get(split, {})


def differing_samples(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the samples ("split/sample") whose fingerprints differ."""
    names = {(split, sample) for jets in (one, other) for split, samples in jets.items() for sample in samples}
    return sorted(
        f"{split}/{sample}"
        for split, sample in names
        if one.get(split, {}).get(sample) != other.get(split, {}).get(sample)
    )
