"""Cluster objects into anti-kT jets (arXiv:0802.1189), match them to the hard process and select them, in batches."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Selection(BaseModel):
    """Selection of jets (SciPost Phys. 18, 042 (2025), Sec. 2), which keeps all jets of an event that pass.

    Attributes:
        radius: radius parameter R of anti-kT.
        pt_min, pt_max: open interval of the jet's pT in GeV.
        eta_max: bound on the jet's |eta|.
        match_radius: largest Delta R to a parton of the hard process (QCD) or to a dark quark.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    radius: float = Field(0.8, gt=0)
    pt_min: float = Field(150.0, gt=0)
    pt_max: float = Field(300.0, gt=0)
    eta_max: float = Field(2.0, gt=0)
    match_radius: float = Field(0.8, gt=0)

    @model_validator(mode="after")
    def _a_window(self) -> Selection:
        if self.pt_min >= self.pt_max:
            raise ValueError(f"pt_min = {self.pt_min:g} leaves nothing below pt_max = {self.pt_max:g}; lower pt_min")
        return self


def wrap(phi: Any) -> Any:
    """Return angles wrapped to [-pi, pi).

    >>> float(wrap(3.5)) == 3.5 - 2 * np.pi, float(wrap(np.pi)) == -np.pi
    (True, True)
    """
    wrapped = (phi + np.pi) % (2 * np.pi) - np.pi
    return wrapped - 2 * np.pi * (wrapped >= np.pi)


def delta_r2(a: Any, b: Any) -> Any:
    """Return the squared distance in (eta, phi)."""
    return (a.eta - b.eta) ** 2 + wrap(a.phi - b.phi) ** 2


def cluster(objects: Any, radius: float, pt_min: float) -> Any:
    """Return the anti-kT jets above ``pt_min`` [GeV] of every event.

    Args:
        objects: jagged awkward array (N, var) with pt [GeV], eta, phi; taken as massless.

    Returns:
        Jagged awkward array (N, var) with pt, eta, phi, mass (of the summed four-momentum) and the jagged
        ``constituents`` (pt, eta, phi), hardest first.
    """
    import awkward as ak
    import fastjet

    four = ak.zip(
        {
            "px": objects.pt * np.cos(objects.phi),
            "py": objects.pt * np.sin(objects.phi),
            "pz": objects.pt * np.sinh(objects.eta),
            "E": objects.pt * np.cosh(objects.eta),
        }
    )
    with _quiet_stdout():
        sequence = fastjet.ClusterSequence(four, fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
        members = sequence.constituent_index(min_pt=pt_min)
    sizes = ak.num(members, axis=2)
    flat = ak.flatten(members, axis=2)
    parts = ak.unflatten(objects[flat], ak.flatten(sizes), axis=1)
    momenta = ak.unflatten(four[flat], ak.flatten(sizes), axis=1)
    px, py, pz, energy = (ak.sum(momenta[axis], axis=2) for axis in ("px", "py", "pz", "E"))
    pt = np.hypot(px, py)
    mass2 = energy**2 - pt**2 - pz**2
    parts = parts[ak.argsort(parts.pt, axis=2, ascending=False, stable=True)]
    return ak.zip(
        {
            "pt": pt,
            "eta": np.arcsinh(pz / pt),
            "phi": np.arctan2(py, px),
            "mass": np.sqrt(np.maximum(mass2, 0.0)),
            "constituents": parts,
        },
        depth_limit=2,
    )


def select(jets: Any, partons: Any, selection: Selection) -> Any:
    """Return the jets of every event that are inside the window and close to one of the ``partons`` (N, var)."""
    inside = (jets.pt > selection.pt_min) & (jets.pt < selection.pt_max) & (np.abs(jets.eta) < selection.eta_max)
    return jets[inside & near(jets, partons, selection.match_radius)]


def near(these: Any, those: Any, radius: float) -> Any:
    """Return which of ``these`` (N, var) have one of ``those`` of the same event within Delta R < ``radius``."""
    import awkward as ak

    left, right = ak.unzip(ak.cartesian([these[["eta", "phi"]], those[["eta", "phi"]]], nested=True))
    return ak.any(delta_r2(left, right) < radius**2, axis=2)


_banner_shown = False


@contextlib.contextmanager
def _quiet_stdout() -> Iterator[None]:
    # FastJet prints a banner from C++ at its first clustering in a process: redirect the file descriptor for that call.
    global _banner_shown
    if _banner_shown:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        _banner_shown = True
