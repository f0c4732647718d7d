"""Read and write ``scores.parquet``, the file of anomaly scores with one row per jet and detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [("jet_id", pa.int64()), ("sample", _WORD), ("split", _WORD), ("detector", _WORD), ("score", pa.float64())]
)
"""Schema of the file, with one row per jet and detector."""


def score_table(jets: Jets, sample: str, split: str, detector: str, scores: Any) -> pa.Table:
    """Return the scores of one detector for jets of one sample as a table of `SCHEMA`."""
    words = [
        pa.DictionaryArray.from_arrays(np.zeros(len(jets), np.int32), [word]) for word in (sample, split, detector)
    ]
    return pa.Table.from_arrays([pa.array(jets.ids), *words, pa.array(scores)], schema=SCHEMA)


def write_scores(path: Path, tables: Sequence[pa.Table]) -> None:
    """Write tables of scores (see `score_table`) to one Parquet file."""
    table = pa.concat_tables(tables).unify_dictionaries()
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_scores(path: Path) -> dict[str, dict[str, dict[str, NDArray[np.float64]]]]:
    """Return the scores of a file by split, detector and sample, in the order of the jets."""
    table = pq.read_table(path, page_checksum_verification=True)
    keys = [np.asarray(table[name].cast(pa.string())) for name in ("split", "detector", "sample")]
    scores = table["score"].to_numpy()
    found: dict[str, dict[str, dict[str, list[NDArray[np.float64]]]]] = {}
    changes = np.flatnonzero(np.any([key[1:] != key[:-1] for key in keys], axis=0)) + 1
    for first, last in zip([0, *changes], [*changes, len(scores)], strict=True):
        split, detector, sample = (str(key[first]) for key in keys)
        found.setdefault(split, {}).setdefault(detector, {}).setdefault(sample, []).append(scores[first:last])
    return {
        split: {
            detector: {sample: np.concatenate(parts) for sample, parts in samples.items()}
            for detector, samples in detectors.items()
        }
        for split, detectors in found.items()
    }
