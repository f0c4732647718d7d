"""Build jets from named quantities of constituents and jets, for all formats that contain jets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.momenta import (
    CONSTITUENT,
    JET,
    OTHER,
    UNITS,
    check_angles,
    check_masses,
    four_momenta,
    look_relative,
    polar,
    sufficient,
)
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Floats, Integers, UnselectedJets


def build_jets(
    path: Path,
    constituents: Mapping[str, Floats],
    offsets: Integers,
    jets: Mapping[str, NDArray[Any]],
    options: ImportOptions,
    first_row: int,
) -> UnselectedJets:
    """Return jets from flat columns.

    Args:
        constituents: (M,) each, by the names of :data:`CONSTITUENT`; rows of only zeros or only NaN are padding.
        offsets: (B + 1,).
        jets: (B,) each, by the names of :data:`JET`, ``label`` and ``event``.
        first_row: position in the file of the first of these jets.
    """
    size = len(offsets) - 1
    unit = UNITS[options.unit or "GeV"]
    own = {name: np.asarray(jets[name], dtype=np.float64) for name in JET if name in jets}
    scale: float | Floats = unit
    if options.unit == "jet_pt":
        if "jet_pt" not in own:
            raise CannotImport(f"{path}: --unit jet_pt: where is the jets' pT [GeV]? Say --columns jet_pt=NAME")
        scale = np.repeat(own.pop("jet_pt"), np.diff(offsets))
    padding = np.all([np.isnan(values) for values in constituents.values()], axis=0)
    constituents = {role: np.where(padding, 0.0, values) for role, values in constituents.items()}
    if options.angles == "relative" and "phi" not in constituents:
        raise CannotImport(f"{path}: --angles relative: its constituents are given by px, py, pz, not by angles")
    if "phi" in constituents:
        check_angles(path, constituents["phi"])
        if options.angles is None and first_row == 0 and look_relative(constituents["phi"], size):
            raise CannotImport(
                f"{path}: constituents' phi looks counted from the jet axis; say --angles relative, "
                "or --angles absolute if all jets do point along phi = 0"
            )
        if options.angles == "relative":
            # without the axis jets are at eta = phi = 0: pT and mass do not change under the shift
            for name in ("eta", "phi"):
                axis = own.get(f"jet_{name}", np.zeros(size))
                constituents[name] = constituents[name] + np.repeat(axis, np.diff(offsets))
    momenta = four_momenta(constituents, scale)
    if "mass" in constituents and first_row == 0:
        check_masses(path, constituents["mass"], np.linalg.norm(momenta[:, :3], axis=1) / scale)
    return UnselectedJets(
        momenta,
        offsets,
        np.arange(first_row, first_row + size, dtype=np.int64),
        size,
        events=whole(path, jets["event"]) if "event" in jets else None,
        labels=as_text(jets["label"]) if "label" in jets else None,
        axes=_axes(own, unit) if _gives_axis(own) else None,
    )


def check_columns(path: Path, columns: Collection[str], unit: str | None) -> None:
    """Raise CannotImport if the names are unknown, or do not define the momenta of constituents."""
    unknown = sorted(set(columns) - {*CONSTITUENT, *JET, *OTHER})
    if unknown:
        raise CannotImport(
            f"{path}: --columns says {', '.join(unknown)}: expected some of {', '.join((*CONSTITUENT, *JET, *OTHER))}"
        )
    named = [name for name in columns if name in CONSTITUENT]
    if not sufficient(named):
        raise CannotImport(
            f"{path}: constituents need pt, eta, phi or px, py, pz (and E or mass, else they are massless); "
            f"--columns names {', '.join(named) or 'none of them'}"
        )
    given = [name for name in JET if name in columns]
    if unit != "jet_pt" and given and not _gives_axis(given) and set(given) != {"jet_eta", "jet_phi"}:
        raise CannotImport(
            f"{path}: a jet's axis needs jet_pt, jet_eta and jet_phi; --columns names {', '.join(given)}"
        )


def _gives_axis(names: Collection[str]) -> bool:
    return {"jet_pt", "jet_eta", "jet_phi"} <= set(names)


def _axes(own: Mapping[str, Floats], scale: float) -> Floats:
    momenta = four_momenta({name.removeprefix("jet_"): values for name, values in own.items()}, scale)
    axes = polar(momenta)
    return axes if "jet_mass" in own or "jet_E" in own else axes[:, :3]


def as_text(values: NDArray[Any]) -> NDArray[np.str_]:
    """Return labels as text: integers without a decimal point, truth values as 0 and 1, missing ones empty.

    A label does not depend on other labels: a missing one (NaN, None) does not change how the others are written.

    >>> as_text(np.array([1.0, np.nan, 0.5])).tolist(), as_text(np.array(["top", None], dtype=object)).tolist()
    (['1', '', '0.5'], ['top', ''])
    >>> as_text(np.array([1.0, 0.0])).tolist(), as_text(np.array([True])).tolist(), as_text(np.array([b"qcd"])).tolist()
    (['1', '0'], ['1'], ['qcd'])
    """
    values = np.asarray(values)
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    if values.dtype.kind == "f":
        text, whole_number = values.astype(np.str_), np.isfinite(values) & (values == np.round(values))
        text[whole_number] = values[whole_number].astype(np.int64).astype(np.str_)
        text[np.isnan(values)] = ""
        return text
    if values.dtype.kind in "SO":
        return np.array(
            [
                "" if item is None else item.decode() if isinstance(item, bytes) else str(item)
                for item in values.tolist()
            ],
            dtype=np.str_,
        )
    return values.astype(np.str_)


def whole(path: Path, values: NDArray[Any]) -> Integers:
    """Return event numbers as integers. Raises CannotImport if they are not integers."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu" and not (values.dtype.kind == "f" and np.all(values == np.round(values))):
        raise CannotImport(f"{path}: the column named as event holds {values.dtype}, not whole numbers")
    return values.astype(np.int64)
