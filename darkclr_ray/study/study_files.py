"""Files of a study that its pages read: jets, scores, training histories, means and examples."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from darkclr_ray.integrity import Damaged, check_file
from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import check_sealed_text
from darkclr_ray.store.stages import check_stage
from darkclr_ray.study.records import MeansRecord, StudyRecord, TrialRecord

REMEDY = "run the study again, or restore it from a copy of the study"
_DAMAGED = (yaml.YAMLError, zipfile.BadZipFile, EOFError, pa.ArrowException)
STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, eq=False)
class JetTable:
    """J jets of one split, in the order of their ids.

    Attributes:
        ids, events, multiplicity: id, event number and number of constituents of each jet, (J,) each.
        samples: name of each jet's sample, (J,).
        pt, mass: pT and mass of each jet in GeV, (J,) each.
    """

    ids: NDArray[np.int64]
    samples: NDArray[np.str_]
    events: NDArray[np.int64]
    pt: NDArray[np.float64]
    mass: NDArray[np.float64]
    multiplicity: NDArray[np.int64]

    def of(self, sample: str) -> NDArray[np.int64]:
        """Return the row indices of the jets of a sample."""
        return np.flatnonzero(self.samples == sample)

    def take(self, rows: NDArray[np.integer]) -> JetTable:
        """Return the jets in some rows, in their order."""
        return JetTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


def read_settings(path: Path) -> StudySettings:
    """Return the settings of a study; raise ValueError if the file is missing, damaged or of another version."""
    with reading(path):
        check_sealed_text(path)
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return StudySettings.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path}: {format_validation_error(error)}; restore it from a copy of the study") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors from reading a file of a study into a ValueError that names the file."""
    try:
        yield
    except Damaged:
        raise  # it names the file and says what to do
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; restore it from a copy of the study") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, *_DAMAGED) as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(f"{path} cannot be read ({what}); restore it from a copy of the study") from error


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    with reading(path):
        table = pq.read_table(path, page_checksum_verification=True)
    plain = dict(zip(table.column_names, table.columns, strict=True))
    for name, column in plain.items():
        if pa.types.is_dictionary(column.type):
            plain[name] = column.cast(column.type.value_type)
    return {name: column.to_numpy(zero_copy_only=False) for name, column in plain.items()}


@dataclass(frozen=True)
class StudyFiles:
    """Files of a study, which are checked when they are read.

    Attributes:
        folder: folder of the study.
        about: content of ``study.json``.
    """

    folder: Path
    about: StudyRecord

    def derived(self, name: str) -> Path:
        """Return the path of a file that each start writes; raise ValueError if it is missing or damaged."""
        try:
            check_file(self.folder / name, self.about.files.get(name))
        except Damaged as error:
            raise ValueError(f"{error}; {REMEDY}") from None
        return self.folder / name

    def stage(self, kind: str, key: str) -> Path:
        """Return the folder of a stage; raise ValueError if it is missing or a checksum of its files does not match."""
        for name in (kind, key):
            if not STAGE_NAME.fullmatch(name):
                raise ValueError(f"stage {name!r}: expected letters, digits, '_', '-' and '.' only")
        folder = self.folder / "stages" / kind / key
        if folder not in self._checked:
            check_stage(folder)
            self._checked.add(folder)
        return folder

    @cached_property
    def jets(self) -> JetTable:
        """All jets of the test split."""
        table = read_columns(self.derived("jets.parquet"))
        rows = np.flatnonzero(table["split"] == "test")
        rows = rows[np.argsort(table["jet_id"][rows])]
        return JetTable(
            ids=table["jet_id"][rows].astype(np.int64),
            samples=table["sample"][rows].astype(str),
            events=table["event_id"][rows].astype(np.int64),
            pt=table["pt"][rows].astype(np.float64),
            mass=table["mass"][rows].astype(np.float64),
            multiplicity=table["multiplicity"][rows].astype(np.int64),
        )

    def stage_scores(self, key: str) -> dict[str, NDArray[np.float64]]:
        """Return the scores in a stage of all test jets by detector, (J,) each; nan for a jet without one.

        Raises:
            ValueError: a score belongs to a jet that jets.parquet does not have, or a file is damaged.
        """
        if key not in self._scores:
            path, ids = self.stage("scores", key) / "scores.parquet", self.jets.ids
            table = read_columns(path)
            self._scores[key] = {}
            for detector in dict.fromkeys(table["detector"].tolist()):
                rows = np.flatnonzero((table["detector"] == detector) & (table["split"] == "test"))
                places = np.searchsorted(ids, table["jet_id"][rows])
                if len(ids) == 0 or not np.array_equal(ids[np.minimum(places, len(ids) - 1)], table["jet_id"][rows]):
                    raise ValueError(
                        f"{path}: scores of jets that jets.parquet does not have; the folder mixes two studies"
                    )
                self._scores[key][str(detector)] = np.full(len(ids), np.nan)
                self._scores[key][str(detector)][places] = table["score"][rows]
        return self._scores[key]

    def history(self, stages: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
        """Return the training history of the stage of a kind, one record per epoch; empty if none was kept."""
        path = self.stage(kind, stages[kind]) / "history.jsonl" if kind in stages else None
        if path is None or not path.exists():
            return []
        with reading(path):
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]

    def training_curve(self, trial: TrialRecord, kind: str) -> list[Mapping[str, Any]]:
        """Return a trial's training of a kind, one record per epoch; of an early end, the epochs up to it."""
        if trial.unfinished is not None and trial.unfinished.kind == kind:
            return list(trial.unfinished.epochs)
        return list(self.history(trial.stages, kind))

    def means(self) -> MeansRecord | None:
        """Return means of observables of background, views and signals; None if none were kept."""
        if not (self.folder / "means.json").exists():
            return None
        return MeansRecord.read(self.derived("means.json"), REMEDY)

    def examples(self) -> dict[str, NDArray[np.float32]]:
        """Return views of one background jet, (n, 3) each: pT in GeV, eta, phi; empty if none were kept."""
        path = self.folder / "examples.npz"
        if not path.exists():
            return {}
        with reading(path), np.load(self.derived(path.name), allow_pickle=False) as arrays:
            views = {name: arrays[name] for name in arrays.files}
        for name, view in views.items():
            if view.ndim != 2 or view.shape[1] != 3 or len(view) == 0:
                raise ValueError(f"{path}: {name!r} has shape {view.shape}; expected (n, 3) with n > 0: pT, eta, phi")
        return views

    @cached_property
    def _scores(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Scores of the stages that were read, by hash and detector."""
        return {}

    @cached_property
    def _checked(self) -> set[Path]:
        """Folders of the stages whose checksums were verified."""
        return set()
