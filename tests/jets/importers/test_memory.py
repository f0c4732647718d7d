"""Files that are larger than the memory an import takes: of each format that is read in stretches, a gigabyte."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from numpy.typing import NDArray

from darkclr_ray.jets.folder import open_jets

JETS, TIMES, LENGTH = 5000, 32, 200
NAMES = ("E", "px", "py", "pz")

IMPORT = """
import re, resource, sys
from pathlib import Path
from rich.console import Console
from darkclr_ray.jets.importers import ImportOptions, import_jets

path, out, *columns = sys.argv[1:]
named = {"columns": {name: name for name in columns}}
options = ImportOptions(sample="mine", splits={"test": 1.0}, **named)
import_jets([Path(path)], Path(out), options, console=Console(quiet=True))
# not ru_maxrss, which begins at what the process had that started this one; the children's begins at what this one has
own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def hdf5_arrays(path: Path, block: NDArray[np.float64]) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("jets", (TIMES * JETS, LENGTH, 4), "f8")
        for i in range(TIMES):
            data[i * JETS : (i + 1) * JETS] = block


def hdf5_tables(path: Path, block: NDArray[np.float64]) -> None:
    columns = {f"{name.upper()}_{i}": block[:, i, k] for i in range(LENGTH) for k, name in enumerate(NAMES)}
    table = pd.DataFrame({**columns, "is_signal_new": np.zeros(JETS, dtype=int)})
    with pd.HDFStore(str(path), "w") as store:
        for _ in range(TIMES):
            store.append("table", table)


def arrow(block: NDArray[np.float64]) -> pa.Table:
    offsets = pa.array(np.arange(JETS + 1, dtype=np.int32) * LENGTH)
    lists = [pa.ListArray.from_arrays(offsets, pa.array(block[:, :, k].ravel())) for k in range(4)]
    return pa.table(dict(zip(NAMES, lists, strict=True)))


def parquet(path: Path, block: NDArray[np.float64]) -> None:
    table = arrow(block)
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(TIMES):
            writer.write_table(table)


def parquet_of_one_row_group(path: Path, block: NDArray[np.float64]) -> None:
    table = pa.concat_tables([arrow(block)] * TIMES)
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=len(table))


def jetclass(path: Path, block: NDArray[np.float64]) -> None:
    names = ("energy", *NAMES[1:])
    columns = {f"part_{name}": ak.from_regular(ak.from_numpy(block[:, :, k])) for k, name in enumerate(names)}
    with uproot.recreate(path, compression=None) as file:
        tree = file.mktree("tree", dict.fromkeys(columns, "var * float64"))
        for _ in range(TIMES):
            tree.extend(columns)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "columns"),
    [
        (hdf5_arrays, ()),
        (hdf5_tables, ()),
        (parquet, NAMES),
        (parquet_of_one_row_group, NAMES),
        (jetclass, ()),
    ],
)
def test_an_import_takes_less_memory_than_the_file_is_long(
    write: Callable[..., None], columns: tuple[str, ...], tmp_path: Path
) -> None:
    """Every page of memory that the process, or the one that reads the file, ever held at once."""
    random = np.random.default_rng(3)
    eta, phi = (random.normal(0, 0.1, (JETS, 50)) + random.uniform(-low, low, (JETS, 1)) for low in (1, 3))
    pt = 200 * random.dirichlet(np.ones(50), JETS) + 0.1
    block = np.zeros((JETS, LENGTH, 4))
    block[:, :50] = np.stack((pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)), axis=2)
    write(tmp_path / "jets", block)
    size = (tmp_path / "jets").stat().st_size
    assert size > 1e9
    command = [sys.executable, "-c", IMPORT, str(tmp_path / "jets"), str(tmp_path / "out"), *columns]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 0.5 * size
    assert sum(chunk.rows for chunk in open_jets(tmp_path / "out").chunks("test", "mine")) == JETS * TIMES
