"""Names of the columns of jets on disk, and list columns of Arrow tables as flat arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

KINEMATICS = ("pt", "eta", "phi", "mass")
CONSTITUENTS = ("constituent_pt", "constituent_eta", "constituent_phi")


def list_values(column: pa.ChunkedArray) -> pa.Array:
    """Return the concatenated entries of a list column."""
    return pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type).combine_chunks()


def list_sizes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the number of entries in each row of a list column."""
    sizes = [chunk.value_lengths().to_numpy() for chunk in column.chunks]
    return np.concatenate([np.zeros(0, np.int64), *sizes]).astype(np.int64)
