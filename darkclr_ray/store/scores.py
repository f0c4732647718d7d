"""The file of scores: one row a jet and detector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets


def extend(columns: dict[str, list[Any]], jets: Jets, sample: str, split: str, detector: str, scores: Any) -> None:
    """Add one detector's scores of one sample."""
    columns["jet_id"].append(jets.ids)
    columns["score"].append(scores)
    for name, word in (("sample", sample), ("split", split), ("detector", detector)):
        columns[name].append(pa.DictionaryArray.from_arrays(np.zeros(len(jets), np.int32), [word]))


def write_scores(path: Path, columns: Mapping[str, list[Any]]) -> None:
    """One row a jet and detector: jet_id, sample, split, detector, score."""
    arrays = {
        name: pa.chunked_array([pa.array(part) for part in parts]) if parts else pa.array([])
        for name, parts in columns.items()
    }
    pq.write_table(pa.table(arrays).unify_dictionaries(), path, compression="zstd")


def read_scores(path: Path) -> dict[str, dict[str, dict[str, NDArray[np.float64]]]]:
    """Scores by split, detector and sample, in the order of the jets."""
    table = pq.read_table(path)
    keys = [np.asarray(table[name].cast(pa.string())) for name in ("split", "detector", "sample")]
    scores = table["score"].to_numpy()
    found: dict[str, dict[str, dict[str, NDArray[np.float64]]]] = {}
    changes = np.flatnonzero(np.any([key[1:] != key[:-1] for key in keys], axis=0)) + 1
    for first, last in zip([0, *changes], [*changes, len(scores)], strict=True):
        split, detector, sample = (str(key[first]) for key in keys)
        found.setdefault(split, {}).setdefault(detector, {})[sample] = scores[first:last]
    return found
