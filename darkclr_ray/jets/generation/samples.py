"""Define samples: the QCD background, dark showers at any point of their parameter space, any process of Pythia.

The named points are those of SciPost Phys. 18, 042 (2025), Sec. 2.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from darkclr_ray import plugins


class Qcd(BaseModel):
    """Leading-order dijet production of light QCD.

    Attributes:
        pt_hat_min: smallest transverse momentum of the hard process in GeV. 80 loses 1-2% of the jets between 150 and
            300 GeV, 100 loses 9-10%, since radiation and multiple interactions raise a jet's pT above its parton's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["qcd"] = "qcd"
    pt_hat_min: float = Field(80.0, gt=0, le=150)


class DarkShower(BaseModel):
    """Production q qbar -> Z' -> dark quarks, which shower into dark pions and rhos (Eq. 1). Masses are in GeV.

    The dark force is SU(3) with two flavours.

    Attributes:
        r_inv: fraction of the dark mesons that are invisible, in [0, 1].
        pion_mass, rho_mass: masses of the dark mesons.
        confinement_scale: Lambda of the dark force; its shower stops at 1.1 Lambda.
        z_prime_mass: mass of the mediator; its width is 1% of it.
        dark_quark_mass: constituent mass, which also sets the dark fragmentation.
        decays: ``neutral_rho``: only the neutral rho decays, so that r_inv is 0.75 and no free parameter (the Aachen
            benchmark); ``all_mesons``: every meson is invisible with probability r_inv.

    A meson decays to each quark flavour with two open-flavour hadrons below its mass, with equal shares: charm from
    2 m(D) = 3.74 GeV and bottom from 2 m(B) = 10.56 GeV on (below, a pair collapses into a single quarkonium).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dark"] = "dark"
    r_inv: float = Field(0.75, ge=0, le=1)
    pion_mass: float = Field(4.0, gt=1.2)
    rho_mass: float = Field(5.0, gt=1.2)
    confinement_scale: float = Field(5.0, gt=0)
    z_prime_mass: float = Field(2000.0, ge=100)
    dark_quark_mass: float = Field(0.5, gt=0)
    decays: Literal["neutral_rho", "all_mesons"] = "all_mesons"

    @model_validator(mode="after")
    def _possible(self) -> DarkShower:
        if self.decays == "neutral_rho" and self.r_inv != 0.75:
            raise ValueError(
                f"r_inv = {self.r_inv:g} with decays = neutral_rho: where only the neutral rho decays, r_inv is 0.75; "
                "use decays = all_mesons for any other value"
            )
        return self


class PythiaProcess(BaseModel):
    """Any other hard process of Pythia 8, at 13 TeV, with the same detector, clustering and matching.

    Attributes:
        name: name of the sample's folder.
        settings: Pythia's settings for the process, such as ``Top:gg2ttbar = on``; jets are matched to outgoing quarks,
            gluons and dark quarks, but not to leptons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pythia"] = "pythia"
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    settings: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _own_name(self) -> PythiaProcess:
        if self.name in NAMED or _GRID_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name} is the name of another sample; choose one of its own")
        return self


AnySample = Qcd | DarkShower | PythiaProcess

AACHEN = DarkShower(decays="neutral_rho")

NAMED: dict[str, Qcd | DarkShower] = {
    "qcd": Qcd(),
    "aachen": AACHEN,
    "rinv_0.5": DarkShower(r_inv=0.5),
    "rinv_0.2": DarkShower(r_inv=0.2),
    "mass_10": AACHEN.model_copy(update={"pion_mass": 10.0, "rho_mass": 10.0, "confinement_scale": 10.0}),
    "mass_20": AACHEN.model_copy(update={"pion_mass": 20.0, "rho_mass": 20.0, "confinement_scale": 20.0}),
}
"""The background and the five signals of the paper, by the names of their folders."""

SIGNALS = tuple(name for name in NAMED if name != "qcd")

LIGHTEST_SCALE = AACHEN.confinement_scale


def grid_point(r_inv: float, mass: float) -> DarkShower:
    """Return a point of the grid over r_inv and the mass of the dark pion in GeV, with one rule for all points.

    Every dark meson, pion or rho, neutral or charged, is invisible with probability r_inv, and otherwise decays to a
    pair of one of the quark flavours that its mass allows (see `DarkShower`: charm from 3.74 GeV on, bottom from 10.56
    GeV on). The rho's mass and Lambda are 5 GeV, or the pion's mass if that is larger; the shower stops at 1.1 Lambda;
    mediator and fragmentation do not change.

    The grid thus contains the paper's r_inv points, at 4 GeV. At r_inv = 0.75 it has the masses and scales of Aachen
    and of the paper's points of 10 and 20 GeV. There, however, only the neutral rho decays in the paper, and always:
    the same fraction is visible on average (one of four mesons), with other fluctuations and from rhos only.

    >>> grid_point(0.5, 4) == NAMED["rinv_0.5"], grid_point(0.3, 12).confinement_scale
    (True, 12.0)
    """
    scale = max(LIGHTEST_SCALE, float(mass))
    return DarkShower(r_inv=r_inv, pion_mass=mass, rho_mass=scale, confinement_scale=scale)


GRID_R_INV = (0.1, 0.3, 0.5, 0.7, 0.9)
GRID_MASSES = (4.0, 7.0, 12.0, 20.0, 40.0)
_GRID_NAME = re.compile(r"rinv_(\d\.?\d*)_mass_(\d+\.?\d*)")

DONORS = PythiaProcess(
    name="donors",
    settings=(
        *(
            f"HardQCD:{process} = on"
            for process in ("gg2gg", "gg2qqbar", "qg2qg", "qq2qq", "qqbar2gg", "qqbar2qqbarNew")
        ),
        "HardQCD:nQuarkNew = 3",
        "PhaseSpace:pTHatMin = 250.",
        "PhaseSpace:bias2Selection = on",
        "PhaseSpace:bias2SelectionPow = 5.5",
        "PhaseSpace:bias2SelectionRef = 250.",
    ),
)
"""Harder jets of the background's process, from 300 to 1,200 GeV and nearly flat in pT.

Collisions are drawn with a weight that grows with their hardness, which is not compensated. Pseudo-anomalies are made
of them by the loss of branches (`darkclr_ray.augmentations.donor_branches`). They must never be used as background, and
are therefore stored in a separate folder.
"""

DONOR_WINDOW = (300.0, 1200.0)
"""Range of the pT of donors in GeV."""

_WORDS = {
    "rinv": "r_inv",
    "pion": "pion_mass",
    "rho": "rho_mass",
    "lambda": "confinement_scale",
    "zprime": "z_prime_mass",
    "quark": "dark_quark_mass",
    "decays": "decays",
}


def parse_sample(text: str) -> AnySample:
    """Return a sample from its name, or from its parameters; masses in GeV, defaults as in the Aachen benchmark.

    A user's sample is an instance of these types, given by module:name or by entry point (`darkclr_ray.plugins`).

    >>> parse_sample("aachen").r_inv
    0.75
    >>> parse_sample("dark:rinv=0.3,pion=8,rho=8,lambda=8") == parse_sample("rinv_0.3_mass_8") == grid_point(0.3, 8)
    True

    Raises:
        ValueError: the name or a parameter is unknown, or a value is invalid.
    """
    if text in NAMED:
        return NAMED[text]
    if text == DONORS.name:
        return DONORS
    point = _GRID_NAME.fullmatch(text)
    if point:
        try:
            return grid_point(*map(float, point.groups()))
        except ValidationError as error:
            raise ValueError(f"impossible sample {text!r}: {format_validation_error(error)}") from None
    kind, _, numbers = text.partition(":")
    if (numbers and kind != "dark") or text in plugins.names("samples"):
        own = plugins.find("samples", text, {})
        if not isinstance(own, AnySample):
            raise ValueError(f"sample {text!r}: a {type(own).__name__}; expected a Qcd, DarkShower or PythiaProcess")
        return own
    if kind != "dark" or not numbers:
        raise ValueError(
            f"unknown sample {text!r}: give one of {', '.join(NAMED)}, a point of the grid, such as "
            "rinv_0.3_mass_12, or a dark shower by its numbers, such as "
            "dark:rinv=0.3,pion=4,rho=5,lambda=5,zprime=2000,quark=0.5,decays=all_mesons; "
            "one of your own is written as module:name"
        )
    given: dict[str, str] = {}
    for part in numbers.split(","):
        word, equals, value = part.partition("=")
        if word not in _WORDS or not equals or _WORDS[word] in given:
            raise ValueError(
                f"{part!r} in sample {text!r}: expected each of {', '.join(_WORDS)} at most once, as name=value"
            )
        given[_WORDS[word]] = value
    try:
        return DarkShower.model_validate(given)
    except ValidationError as error:
        raise ValueError(f"impossible sample {text!r}: {format_validation_error(error)}") from None


def format_validation_error(error: ValidationError) -> str:
    """Return what is wrong with settings, in one line."""
    return "; ".join(": ".join([*filter(None, [".".join(map(str, one["loc"]))]), one["msg"]]) for one in error.errors())


def sample_name(sample: AnySample) -> str:
    """Return the folder of a sample: its name, or its parameters without characters special to file systems or Hive.

    >>> sample_name(grid_point(0.3, 12))
    'rinv_0.3_mass_12'
    >>> sample_name(parse_sample("dark:rinv=0.3,rho=4"))
    'dark_rinv0.3_pion4_rho4_lambda5_zprime2000_quark0.5_all_mesons'
    """
    for name, named in NAMED.items():
        if named == sample:
            return name
    if isinstance(sample, PythiaProcess):
        return sample.name
    if isinstance(sample, Qcd):
        return f"qcd_pthat{sample.pt_hat_min:g}"
    if sample == grid_point(sample.r_inv, sample.pion_mass):
        return f"rinv_{sample.r_inv:g}_mass_{sample.pion_mass:g}"
    values = [(word, getattr(sample, field)) for word, field in _WORDS.items() if word != "decays"]
    return "_".join(["dark", *(f"{word}{value:g}" for word, value in values), sample.decays])


def fingerprint(*values: BaseModel) -> str:
    """Return a 128-bit hash (hex) of the settings that differ from the defaults.

    New settings therefore do not change existing hashes.

    >>> fingerprint(Qcd()) == fingerprint(Qcd(pt_hat_min=80)) != fingerprint(AACHEN)
    True
    """
    texts = [f"{type(value).__name__} {value.model_dump_json(exclude_defaults=True)}" for value in values]
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()
