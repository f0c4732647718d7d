"""Read and verify the files in the folder of a study of any kind, without torch or Ray."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from markupsafe import Markup
from numpy.typing import NDArray

from darkclr_ray.integrity import Damaged, check_file
from darkclr_ray.reports.labels import signal_label
from darkclr_ray.store.files import check_sealed_text, read_json
from darkclr_ray.store.stages import check_stage

REMEDY = "run the study again, or restore it from a copy of the study"

_DAMAGED = (yaml.YAMLError, zipfile.BadZipFile, EOFError, pa.ArrowException)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, eq=False)
class ScoredJets:
    """J jets of one split, in the order of their ids, with the scores of several detectors.

    Attributes:
        samples: name of each jet's sample, (J,).
        events, pt, multiplicity: event number, pT in GeV and number of constituents of each jet, (J,) each.
        scores: mapping from detector to float64 scores (J,), higher is more anomalous, nan if a score is missing.
    """

    samples: NDArray[np.str_]
    events: NDArray[np.int64]
    pt: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float64]]

    def of(self, sample: str) -> NDArray[np.int64]:
        """Return the row indices of the jets of a sample."""
        return np.flatnonzero(self.samples == sample)


@dataclass(frozen=True)
class Study:
    """Folder of a study with its settings and samples; subclasses for each kind of study read the results.

    Attributes:
        folder: path of the folder.
        about, settings: content of ``study.json`` and ``settings.yaml``.
    """

    folder: Path
    about: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.about["name"])

    @property
    def background(self) -> str:
        return str(self.settings["background"])

    def evaluated(self) -> Iterable[str]:
        """Return the names of the signals that were evaluated, including those with no recorded parameters."""
        return ()

    @cached_property
    def samples(self) -> dict[str, Mapping[str, Any]]:
        """Parameters of the signals, in the order of the study; an empty mapping for a signal without a record."""
        known: Mapping[str, Any] = self.about.get("samples") or {}
        signals = {name: known.get(name) or {} for name in dict.fromkeys([*known, *self.evaluated()])}
        return {
            name: parameters
            for name, parameters in signals.items()
            if name != self.background and parameters.get("variation") is None
        }

    @property
    def lead(self) -> str:
        """Name of the leading signal: the paper's benchmark if the study has it, else its first signal."""
        return "aachen" if "aachen" in self.samples else next(iter(self.samples))

    def label(self, signal: str) -> Markup:
        """Return the label of a signal."""
        return signal_label(signal, self.samples.get(signal))

    def stage(self, kind: str, key: str) -> Path:
        """Return the folder of a stage; raise ValueError if it is missing or a checksum of its files does not match."""
        folder = self.folder / "stages" / _safe(kind) / _safe(key)
        if folder not in self._whole:
            check_stage(folder)
            self._whole.add(folder)
        return folder

    @cached_property
    def _whole(self) -> set[Path]:
        """Set of the folders of stages whose checksums were verified."""
        return set()

    def derived(self, name: str) -> Path:
        """Return the path of a file that each start of the study writes.

        Raises ValueError if the file is missing or its checksum does not match.
        """
        try:
            check_file(self.folder / name, (self.about.get("files") or {}).get(name))
        except Damaged as error:
            raise ValueError(f"{error}; {REMEDY}") from None
        return self.folder / name

    def history(self, stages: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
        """Return the training history of the stage of a kind, one record per epoch; empty if none was kept."""
        path = self.stage(kind, stages[kind]) / "history.jsonl" if kind in stages else None
        if path is None or not path.exists():
            return []
        with reading(path):
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]

    def jets_with_scores(self, split: str, stages: Mapping[str, Mapping[str, str]]) -> ScoredJets:
        """Return the jets of a split with the scores of some ``stages`` and the multiplicity score.

        Scores are named "<key> <score>", where the key is that of ``stages``; see `detector_name`.

        Raises:
            ValueError: a score belongs to a jet that jets.parquet does not have, or a file is damaged.
        """
        table = _columns(self.derived("jets.parquet"))
        rows = np.flatnonzero(table["split"] == split)
        rows = rows[np.argsort(table["jet_id"][rows])]
        ids = table["jet_id"][rows].astype(np.int64)
        multiplicity = table["multiplicity"][rows].astype(np.int64)
        scores: dict[str, NDArray[np.float64]] = {"multiplicity": -multiplicity.astype(np.float64)}
        for key, those in stages.items():
            scores |= self._stage_scores(those, key, split, ids)
        return ScoredJets(
            samples=table["sample"][rows].astype(str),
            events=table["event_id"][rows].astype(np.int64),
            pt=table["pt"][rows].astype(np.float64),
            multiplicity=multiplicity,
            scores=scores,
        )

    def _stage_scores(
        self, stages: Mapping[str, str], reference: str, split: str, ids: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        if "scores" not in stages:
            return {}
        path = self.stage("scores", stages["scores"]) / "scores.parquet"
        table = _columns(path)
        result = {}
        for detector in dict.fromkeys(table["detector"].tolist()):
            rows = np.flatnonzero((table["detector"] == detector) & (table["split"] == split))
            places = np.searchsorted(ids, table["jet_id"][rows])
            if len(ids) == 0 or not np.array_equal(ids[np.minimum(places, len(ids) - 1)], table["jet_id"][rows]):
                raise ValueError(
                    f"{path}: scores of jets that jets.parquet does not have; the folder mixes two studies"
                )
            scores = np.full(len(ids), np.nan)
            scores[places] = table["score"][rows]
            result[detector_name(reference, str(detector))] = scores
        return result

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

    def means(self) -> Mapping[str, Any]:
        """Return means of observables of background, views and signals; empty if none were kept."""
        path = self.folder / "means.json"
        if not path.exists():
            return {}
        content = json_file(self.derived(path.name))
        with reading(path):
            content["jets"], content["background"], content["views"], content["signals"]
        return content


def detector_name(reference: str, score: str) -> str:
    """Return the name of a reference's score in a comparison with the scores of the best trial.

    >>> detector_name("", "s_NAE"), detector_name("untrained", "s_NAE"), detector_name("multiplicity", "multiplicity")
    ('s_NAE', 'untrained s_NAE', 'multiplicity')
    """
    return score if reference in ("", score) else f"{reference} {score}"


def study_json(folder: Path) -> Mapping[str, Any]:
    """Return the content of a folder's ``study.json``.

    Raises:
        ValueError: the file is missing or damaged.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise ValueError(f"{folder}: no study.json, so this is not a study's folder")
    about = json_file(path)
    with reading(path):
        about["name"]
    return about


def settings_yaml(folder: Path) -> Mapping[str, Any]:
    """Return the content of a study's ``settings.yaml``; raise ValueError if it is missing or damaged."""
    path = folder / "settings.yaml"
    with reading(path):
        check_sealed_text(path)
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def json_file(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file of a study; raise ValueError if it is missing or damaged."""
    with reading(path):
        return read_json(path, REMEDY)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors from reading a file of a study, also missing keys, into a ValueError that names the file."""
    try:
        yield
    except Damaged:
        raise  # it names the file and says what to do
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; restore it from a copy of the study") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, *_DAMAGED) as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(f"{path} cannot be read ({what}); restore it from a copy of the study") from error


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    with reading(path):
        table = pq.read_table(path, page_checksum_verification=True)
    plain = dict(zip(table.column_names, table.columns, strict=True))
    for name, column in plain.items():
        if pa.types.is_dictionary(column.type):
            plain[name] = column.cast(column.type.value_type)
    return {name: column.to_numpy(zero_copy_only=False) for name, column in plain.items()}


def _safe(name: str) -> str:
    """Return the name if it is a single path component within the study's folder; raise ValueError otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"stage {name!r}: expected letters, digits, '_', '-' and '.' only")
    return name
