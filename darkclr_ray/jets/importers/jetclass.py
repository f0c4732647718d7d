"""JetClass (arXiv:2202.03772): a ROOT tree, one jet an entry; constituents in ``part_*``, the class in ``label_*``.

Momenta are those of the detector, in GeV; ``part_deta`` is not read: its sign is that of the jet's eta. The jet's axis
is the file's own, where it has one. Class names are the branches' without ``label_`` (QCD, Hbb, Tbqq, ...). Parquet
files with the same columns are read alike.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.columns import Container, named_columns, open_store
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import Source

FORMAT = "jetclass"
CONSTITUENTS = {"px": "part_px", "py": "part_py", "pz": "part_pz", "E": "part_energy"}
AXIS = {"jet_pt": "jet_pt", "jet_eta": "jet_eta", "jet_phi": "jet_phi", "jet_E": "jet_energy"}
PREFIX = "label_"


def looks_like(columns: Collection[str]) -> bool:
    """Return whether these are the columns of JetClass."""
    return set(CONSTITUENTS.values()) <= set(columns)


def open_source(path: Path, options: ImportOptions, container: Container, tree: str | None = None) -> Source:
    """Return the jets of a JetClass file. Raises CannotImport if a column is missing or the file is damaged."""
    store = open_store(path, container, tree)
    axis = AXIS if set(AXIS.values()) <= set(store.columns) else {}
    columns = CONSTITUENTS | axis | options.columns
    labels = [name for name in store.columns if name.startswith(PREFIX)]
    if "label" in columns or not labels:
        return named_columns(path, store, columns, options, FORMAT)

    def name_class(batch: Any) -> NDArray[np.str_]:
        ones = np.stack([np.asarray(batch[name]) for name in labels], axis=1) != 0
        names = np.array([name.removeprefix(PREFIX) for name in labels])
        return np.where(ones.sum(axis=1) == 1, names[ones.argmax(axis=1)], "none or several")

    return named_columns(path, store, columns, options, FORMAT, (labels, name_class))
