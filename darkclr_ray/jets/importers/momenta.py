"""Convert named quantities to four-momenta (names, units, angles), and check that a file is consistent with them.

eta = arcsinh(pz / pT), so that it has the sign of pz; phi = atan2(py, px), read in any period, written in [-pi, pi); a
constituent without mass or energy is massless; energies and momenta are in GeV inside, in MeV or GeV in files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.clustering import wrap
from darkclr_ray.jets.importers.unselected import CannotImport, Floats

CONSTITUENT = ("pt", "eta", "phi", "mass", "E", "px", "py", "pz")
JET = ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_E")
OTHER = ("label", "event")
UNITS = {"GeV": 1.0, "MeV": 1e-3, "jet_pt": 1.0}

ORDERS = (
    ("pt", "eta", "phi"),
    ("eta", "phi", "pt"),
    ("px", "py", "pz"),
    ("E", "px", "py", "pz"),
    ("px", "py", "pz", "E"),
    ("pt", "eta", "phi", "E"),
    ("pt", "eta", "phi", "mass"),
)
"""Orders of quantities in published arrays without names."""

_LOOSE = 0.02  # tolerance: energies of float16 arrays can be below the momentum by this fraction


def four_momenta(values: Mapping[str, Floats], scale: float | Floats = 1.0) -> Floats:
    """Return four-momenta (N, 4), px, py, pz, E in GeV, from px, py, pz or pt, eta, phi, and E, mass or neither.

    Without E and mass, particles are massless. ``scale`` is the unit of the values in GeV, one for all or (N,). A
    negative pT gives NaN, since it would silently reverse the direction.

    >>> four_momenta({name: np.array([value]) for name, value in {"px": 0, "py": 3, "pz": 4}.items()})
    array([[0., 3., 4., 5.]])

    Raises:
        ValueError: there are too few quantities, or two sets of them.
    """
    if not sufficient(values):
        raise ValueError(
            f"constituents are given by pt, eta, phi or px, py, pz, and E or mass; got {', '.join(values)}"
        )
    if "px" in values:
        px, py, pz = (scale * values[name] for name in ("px", "py", "pz"))
    else:
        pt = scale * np.where(values["pt"] < 0, np.nan, values["pt"])
        with np.errstate(over="ignore", invalid="ignore"):
            px, py, pz = pt * np.cos(values["phi"]), pt * np.sin(values["phi"]), pt * np.sinh(values["eta"])
    if "E" in values:
        energy = scale * values["E"]
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            energy = np.sqrt(px**2 + py**2 + pz**2 + (scale * values.get("mass", np.zeros(1))) ** 2)
    return np.stack([px, py, pz, energy], axis=1)


def sufficient(names: Collection[str]) -> bool:
    """Return whether these quantities define a momentum, without redundancy."""
    return ({"px", "py", "pz"} <= set(names)) != ({"pt", "eta", "phi"} <= set(names))


def polar(momenta: Floats) -> Floats:
    """Return pT [GeV], eta, phi in [-pi, pi) and mass [GeV] of four-momenta, each (N, 4); eta is 0 if pT is 0."""
    px, py, pz, energy = momenta.T
    pt = np.hypot(px, py)
    with np.errstate(over="ignore", invalid="ignore"):  # along the beam, and in invalid files
        eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0))
        mass2 = energy**2 - pt**2 - pz**2
    return np.stack([pt, eta, wrap(np.arctan2(py, px)), np.sqrt(np.maximum(mass2, 0.0))], axis=1)


def possible_orders(numbers: Floats) -> list[tuple[str, ...]]:
    """Return those of :data:`ORDERS` that are consistent with the numbers (N, 3 or 4) of constituents.

    Rows of zeros are padding.

    >>> possible_orders(np.array([[50.0, 30.0, 0.0, 40.0], [130.0, -120.0, 0.0, 50.0]]))
    [('E', 'px', 'py', 'pz')]
    """
    numbers = numbers[np.any(numbers != 0, axis=1) & np.all(np.isfinite(numbers), axis=1)]
    return [order for order in ORDERS if len(order) == numbers.shape[1] and _consistent(numbers, order)]


def _consistent(numbers: Floats, order: tuple[str, ...]) -> bool:
    column = {name: numbers[:, i] for i, name in enumerate(order)}
    if "px" in order:
        momentum = np.sqrt(column["px"] ** 2 + column["py"] ** 2 + column["pz"] ** 2)
        # components of momenta have both signs, and some are too large for an angle
        cartesian = bool(np.any(column["px"] < 0)) and bool(np.any(np.abs(numbers) > 7, axis=0).sum() >= 2)
        return cartesian and _mostly(column.get("E", momentum) >= (1 - _LOOSE) * momentum)
    angles = np.all(np.abs(column["eta"]) < 7) and np.all(np.abs(column["phi"]) < 2 * np.pi + 1e-3)
    if not angles or np.any(column["pt"] < 0):
        return False
    if len(order) == 3:
        return bool(np.any(column["eta"] < 0))
    momentum = column["pt"] * np.cosh(column["eta"])
    heavy = _mostly(numbers[:, 3] >= (1 - _LOOSE) * momentum)
    return heavy if "E" in order else not heavy and _can_be_masses(numbers[:, 3], momentum)


def _can_be_masses(values: Floats, momentum: Floats) -> bool:
    """Return whether numbers can be masses, which are negative by rounding only.

    PDG ids, charges and masks are integers, and EnergyFlow writes ids as tenths (pion 0.1, ..., muon 1.3). No particle
    that a detector registers has such a mass [GeV or MeV].
    """
    nonzero = 10 * np.abs(values[values != 0])
    tenths = (np.abs(nonzero - np.round(nonzero)) < 6e-3) & (nonzero > 0.5)  # precision of float16
    return not (len(nonzero) and np.all(tenths)) and _mostly(values >= -_LOOSE * momentum)


def _mostly(condition: NDArray[np.bool_]) -> bool:
    return bool(np.mean(condition) > 0.99) if len(condition) else True


def check_angles(path: Path, phi: Floats) -> None:
    """Raise CannotImport if phi is in degrees, or is not an angle."""
    finite = np.abs(phi[np.isfinite(phi)])
    if len(finite) and finite.max() > 2 * np.pi + 1e-3:
        raise CannotImport(
            f"{path}: phi reaches {finite.max():g}, beyond 2 pi: it is read in radians; are these degrees, "
            "or another column?"
        )


def check_masses(path: Path, masses: Floats, momenta: Floats) -> None:
    """Raise CannotImport if numbers (N,) cannot be masses at momenta (N,) in the same unit."""
    finite = np.isfinite(masses) & np.isfinite(momenta)
    if not _can_be_masses(masses[finite], momenta[finite]):
        some = ", ".join(f"{value:g}" for value in np.unique(masses[finite & (masses != 0)])[:5])
        raise CannotImport(
            f"{path}: the numbers named as mass are {some}, ...: whole numbers, tenths, or negative ones are PDG "
            "ids, charges or a mask, not masses; say _ for them in --order, or leave mass out of --columns"
        )


def look_relative(phi: Floats, jets: int) -> bool:
    """Return whether constituents of that many jets seem to be relative to the jet axis, by the range of phi."""
    finite = phi[np.isfinite(phi)]
    return jets >= 20 and len(finite) > 0 and float(np.quantile(np.abs(wrap(finite)), 0.99)) < 1.2


def check_jets(path: Path, sums: Floats, axes: Floats | None, unit: str) -> None:
    """Check that the first jets of a file have a plausible pT, and that their axes agree with their constituents.

    Args:
        sums: (B, 4): polar coordinates of the constituents' sums.
        axes: (B, 3 or 4): polar coordinates of the jets in the file, or None.
        unit: assumed unit of momenta.

    Raises:
        CannotImport: wrong unit, relative angles, or columns that do not belong together.
    """
    pt = float(np.median(sums[:, 0]))
    if pt > 7000:
        raise CannotImport(
            f"{path}: the median jet would have a pT of {pt:g} GeV, more than a collider gives: taken for {unit}, "
            "it is rather MeV; say --unit MeV"
        )
    if pt < 2:
        raise CannotImport(
            f"{path}: the median jet would have a pT of {pt:g} GeV: taken for {unit}, "
            "momenta are rather in GeV (--unit GeV), in TeV, or scaled to the jet's pT (--unit jet_pt and --columns "
            "jet_pt=NAME); they are needed in one of these units"
        )
    if axes is None:
        return
    distance = float(np.median(np.hypot(axes[:, 1] - sums[:, 1], wrap(axes[:, 2] - sums[:, 2]))))
    if distance > 0.4:
        raise CannotImport(
            f"{path}: half of the jets' axes are further than {distance:.2g} in (eta, phi) from the sum of "
            "their constituents; "
            "wrong columns, a flipped sign, or constituents counted from the axis (--angles relative)?"
        )
    ratio = float(np.median(sums[:, 0] / axes[:, 0]))
    if not 0.2 < ratio < 5:
        raise CannotImport(
            f"{path}: constituents add up to {ratio:.3g} times the jets' pT; are both columns in the same unit?"
        )


def check_energies(path: Path, momenta: Floats) -> None:
    """Raise CannotImport if energies are below momenta, as for columns in another order."""
    p = np.sqrt(np.sum(momenta[:, :3] ** 2, axis=1))
    if not _mostly(momenta[:, 3][p > 0] >= (1 - _LOOSE) * p[p > 0]):
        raise CannotImport(
            f"{path}: energies lie below the momenta of their particles; columns in another order (--order, --columns)?"
        )
