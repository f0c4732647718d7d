"""Generate collisions of a sample with Pythia 8, a batch of events at a time.

The ``[generate]`` extra is required. The settings of the hidden valley are written out in full, as they were in Pythia
8.2: later versions changed three defaults, and each changes the multiplicity of a dark jet.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from darkclr_ray.jets.generation.samples import AnySample, DarkShower, PythiaProcess, Qcd
from darkclr_ray.jets.particles import ParticleTable

Floats = NDArray[np.float64]

DARK_QUARKS = (4900101, 4900102)
DARK_MESONS = (4900111, 4900211, 4900113, 4900213)
SINGLET = 53  # decay product of an invisible dark meson
OUTGOING = 23  # Pythia's status of outgoing particles of the hard process
OPEN_CHARM, OPEN_BOTTOM = 3.74, 10.56  # 2 m(D), 2 m(B) in GeV


class Variation(BaseModel):
    """Parameters of the event generation that a systematic study varies; the defaults are nominal.

    Attributes:
        interactions: whether there are multiple parton interactions in a collision (the underlying event).
        final_scale, initial_scale: factors on the renormalisation scale of the final-state and initial-state showers.
        processes: hard processes of QCD: all, or only those with two light quarks or two gluons in the final state.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    interactions: bool = True
    final_scale: float = Field(1.0, gt=0)
    initial_scale: float = Field(1.0, gt=0)
    processes: Literal["all", "quarks", "gluons"] = "all"


NOMINAL = Variation()


def outgoing_partons(number: Any, status: Any) -> Any:
    """Return which particles (PDG numbers, Pythia's status) jets are matched to: quarks, gluons and dark quarks.

    Leptons, photons and neutrinos of the hard process are excluded: matched to them, an electron, or any jet beside a
    neutrino, would count as a jet of the signal.

    >>> outgoing_partons(np.array([21, -5, 4900101, 11, 14, 22, 2]), np.array([23, -23, 23, 23, 23, 23, 71])).tolist()
    [True, True, True, False, False, False, False]
    """
    kind = np.abs(number)
    quark, dark_quark = (kind >= 1) & (kind <= 6), (kind >= 4900101) & (kind <= 4900108)  # Pythia's, of any flavour
    return (np.abs(status) == OUTGOING) & (quark | (kind == 21) | dark_quark)


_PROCESSES = {
    "all": ("gg2gg", "gg2qqbar", "qg2qg", "qq2qq", "qqbar2gg", "qqbar2qqbarNew"),
    "quarks": ("gg2qqbar", "qq2qq", "qqbar2qqbarNew"),
    "gluons": ("gg2gg", "qqbar2gg"),
}


def pythia_settings(sample: AnySample, variation: Variation = NOMINAL) -> list[str]:
    """Return all settings of Pythia that are not at their defaults, one line each."""
    common = [
        "Print:quiet = on",
        "Beams:eCM = 13000.",
        f"PartonLevel:MPI = {'on' if variation.interactions else 'off'}",
        f"TimeShower:renormMultFac = {variation.final_scale**2!r}",
        f"SpaceShower:renormMultFac = {variation.initial_scale**2!r}",
    ]
    if isinstance(sample, Qcd):
        hard = [f"HardQCD:{process} = on" for process in _PROCESSES[variation.processes]]
        return [*common, *hard, "HardQCD:nQuarkNew = 3", f"PhaseSpace:pTHatMin = {sample.pt_hat_min!r}"]
    if variation.processes != "all":
        raise ValueError(f"processes = {variation.processes!r} is a variation of qcd; other samples have one process")
    if isinstance(sample, PythiaProcess):
        return [*common, *sample.settings]
    return [*common, *_mediator(sample), *_dark_force(sample), *_dark_decays(sample)]


def _mediator(sample: DarkShower) -> list[str]:
    mass = sample.z_prime_mass
    return [
        "HiddenValley:ffbar2Zv = on",
        f"4900023:m0 = {mass!r}",
        f"4900023:mWidth = {0.01 * mass!r}",
        f"4900023:mMin = {0.9 * mass!r}",
        f"4900023:mMax = {1.1 * mass!r}",
        "4900023:onMode = off",
        "4900023:onIfAny = 4900101 4900102",
    ]


def _dark_force(sample: DarkShower) -> list[str]:
    quark = sample.dark_quark_mass
    return [
        "HiddenValley:Ngauge = 3",
        "HiddenValley:nFlav = 2",
        "HiddenValley:spinFv = 0",
        "HiddenValley:separateFlav = off",
        "HiddenValley:FSR = on",
        "HiddenValley:fragment = on",
        "HiddenValley:probDiquark = 0.",
        "HiddenValley:alphaOrder = 1",
        "HiddenValley:setLambda = on",  # without it Lambda is ignored
        f"HiddenValley:Lambda = {sample.confinement_scale!r}",
        f"HiddenValley:pTminFSR = {1.1 * sample.confinement_scale!r}",
        "HiddenValley:setabsigma = 2",
        "HiddenValley:aLund = 0.3",
        f"HiddenValley:bLund = {0.8 / quark**2!r}",
        f"HiddenValley:sigmaLund = {0.5 * quark!r}",
        "HiddenValley:rFact = {1.,1.,1.,1.,1.,1.,1.,1.}",
        "HiddenValley:probVector = 0.51",
        *(f"{quark_id}:m0 = {quark!r}" for quark_id in DARK_QUARKS),
        *(f"{meson}:m0 = {sample.pion_mass!r}" for meson in (4900111, 4900211)),
        *(f"{meson}:m0 = {sample.rho_mass!r}" for meson in (4900113, 4900213)),
    ]


def _dark_decays(sample: DarkShower) -> list[str]:
    # Pythia's own channels are off: without new ones a dark rho is stable, without an error.
    if sample.decays == "neutral_rho":
        stable = [f"{meson}:mayDecay = off" for meson in DARK_MESONS if meson != 4900113]
        return [*stable, *_channels(4900113, sample.rho_mass, invisible=0.0)]
    lines = [f"{SINGLET}:m0 = 0.5", f"{SINGLET}:mayDecay = off"]
    for meson in DARK_MESONS:
        mass = sample.pion_mass if meson in (4900111, 4900211) else sample.rho_mass
        lines += _channels(meson, mass, invisible=sample.r_inv)
    return lines


def _channels(meson: int, mass: float, invisible: float) -> list[str]:
    flavours = [1, 2, 3] + [4] * (mass >= OPEN_CHARM) + [5] * (mass >= OPEN_BOTTOM)
    share = (1.0 - invisible) / len(flavours)
    products = [(invisible, 0, SINGLET), *((share, 91, flavour) for flavour in flavours)]
    channels = [f"1 {ratio!r} {mode} {product} -{product}" for ratio, mode, product in products if ratio > 0]
    return [f"{meson}:{'addChannel' if i else 'oneChannel'} = {channel}" for i, channel in enumerate(channels)]


class Collisions:
    """Stream of events of one sample, which are the same for the same seed and any batch size.

    Attributes:
        seed: seed of Pythia, 1 to 900,000,000.
    """

    def __init__(self, sample: AnySample, variation: Variation = NOMINAL, *, seed: int) -> None:
        self._start(pythia_settings(sample, variation), seed, f"{sample!r} and {variation!r}")

    @classmethod
    def of_hard_process(
        cls, path: Path, shower: DarkShower | None = None, *, seed: int, invisible: Collection[int] = ()
    ) -> Collisions:
        """Return the events of a Les Houches file (hep-ph/0609017, plain or gzip), showered and hadronised.

        Args:
            path: path of the file; events keep its order, and :meth:`batch` is empty after the last.
            shower: sample whose dark sector showers and decays dark quarks of the file; None: the Standard Model only.
            invisible: PDG numbers of stable invisible particles, which may be unknown to Pythia.
        """
        collisions = cls.__new__(cls)
        lines = ["Print:quiet = on", "SLHA:verbose = 0", "Beams:frameType = 4"]
        if shower is not None:
            # masses and decays in the file's header would override the sample's
            lines += ["SLHA:readFrom = 0", *_dark_force(shower), *_dark_decays(shower)]
        collisions._start(lines, seed, f"the hard process of {path}", path, invisible)
        return collisions

    def unknown(self, numbers: Collection[int]) -> list[int]:
        """Return those of some absolute PDG numbers that Pythia does not know; it cannot shower events with them."""
        return sorted(number for number in numbers if not self._pythia.particleData.isParticle(number))

    def _start(
        self,
        settings: list[str],
        seed: int,
        what: str,
        hard_process: Path | None = None,
        invisible: Collection[int] = (),
    ) -> None:
        import pythia8mc

        assert 1 <= seed <= 900_000_000
        self.seed = seed
        self._pythia: Any = pythia8mc.Pythia("", False)
        for line in [*settings, "Random:setSeed = on", f"Random:seed = {seed}"]:
            if not self._pythia.readString(line):
                raise ValueError(f"Pythia has no setting {line!r}, which {what} contains")
        table = self._pythia.particleData
        for number in invisible:
            if not table.isParticle(abs(number)):
                name = f"invisible{abs(number)}"
                self._pythia.readString(f"{abs(number)}:new = {name} {name}bar 0 0 0 0.")
                self._pythia.readString(f"{abs(number)}:mayDecay = off")
        self._particles = ParticleTable(table, invisible)
        if hard_process is not None:
            self._pythia.settings.word("Beams:LHEF", str(hard_process))  # a setting would end at a blank in the path
        if not self._pythia.init():
            raise ValueError(f"Pythia cannot start with {what}: see its messages above")

    def batch(self, events: int) -> Any:
        """Return the next events, as an awkward record array of length ``events``."""
        import awkward as ak

        record = self.record(events)
        if not len(record):  # there are no more events in the file of the hard process
            return record
        counts = ak.to_numpy(ak.num(record))
        entries = ak.flatten(record)
        number, status = ak.to_numpy(entries.id), ak.to_numpy(entries.status)
        ids = np.abs(number)
        p = {axis: ak.to_numpy(entries.p[axis]) for axis in ("px", "py", "pz", "e")}
        event = np.repeat(np.arange(len(counts)), counts)

        def chosen(entries: NDArray[np.intp], **more: NDArray[Any]) -> Any:
            """Return entries of the record, given in increasing order, grouped by event."""
            columns = _kinematics(**{axis: values[entries] for axis, values in p.items()}) | more
            return ak.unflatten(ak.zip(columns), np.bincount(event[entries], minlength=len(counts)))

        final = np.flatnonzero(status > 0)
        charge, seen = self._particles(number[final])
        particles = chosen(final[seen], id=ids[final[seen]], charge=charge[seen])
        particles = particles[np.abs(particles.eta) < 5.0]

        primary = np.flatnonzero((np.abs(status) >= 81) & (np.abs(status) <= 89) & np.isin(ids, DARK_MESONS))
        daughter = (np.cumsum(counts) - counts)[event[primary]] + ak.to_numpy(entries.daughter1)[primary]
        decayed = status[primary] < 0
        invisible = ~decayed | (ids[np.where(decayed, daughter, 0)] == SINGLET)
        mesons = chosen(primary, invisible=invisible)

        partons = chosen(np.flatnonzero(outgoing_partons(number, status)))
        return ak.zip({"particles": particles, "partons": partons, "mesons": mesons}, depth_limit=1)

    def record(self, events: int) -> Any:
        """Return Pythia's complete record of the next events: jagged, (events, var)."""
        return self._pythia.nextBatch(events).prt


def _kinematics(px: Floats, py: Floats, pz: Floats, e: Floats) -> dict[str, NDArray[Any]]:
    pt = np.hypot(px, py)
    return {"pt": pt, "eta": np.arcsinh(pz / np.maximum(pt, 1e-12)), "phi": np.arctan2(py, px), "energy": e}
