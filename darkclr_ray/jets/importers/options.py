"""Define the options of an import; omitted options are detected from the file or have a documented default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from darkclr_ray.jets.clustering import Selection
from darkclr_ray.jets.generation.detector_response import DetectorResponse
from darkclr_ray.jets.shards import SPLITS

SampleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]

EVERYTHING_ELSE = "*"
"""Name that stands for all values of a label that are not named."""


class ImportOptions(BaseModel):
    """Options of an import; unknown names are errors.

    Attributes:
        sample: the sample that all jets belong to. One of ``sample`` and ``labels`` is given.
        labels: the sample for each value of the files' label; jets with another value are dropped (and counted), or
            go to the sample of ``*``. Whole numbers are written without a point ("0"), truth values as 0 and 1.
        splits: fraction of events in each of train, validation and test; fractions add up to 1.
        format: name of the format; None: it is detected.
        unit: unit of energies and momenta; None: that stated in the file, else GeV; ``jet_pt``: constituents in units
            of their jet's pT, which ``columns`` names and is in GeV.
        dataset: name of the table, dataset or tree in a file that has several.
        columns: name of the column of each quantity: constituents' pt, eta, phi, mass, E, px, py, pz; the jet's jet_pt,
            jet_eta, jet_phi, jet_mass, jet_E; the label; the event's number.
        order: quantities of a constituent in an array without names; ``_`` for one that is not needed.
        angles: whether constituents' eta and phi are the detector's or relative to the jet axis.
        match: whether to keep only jets near an outgoing parton of the hard process (formats with events).
        shower: sample whose dark sector showers and decays the dark quarks of an LHE file; None: the Standard Model.
        invisible: PDG numbers of invisible particles, besides those of the particle table (HepMC, LHE).
        seed: seed of the detector's resolution and of the shower (HepMC, LHE).
        selection: window, and the radii of clustering and matching (formats with events).
        detector: response to particles (HepMC, LHE).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: SampleName | None = None
    labels: dict[str, SampleName] = {}
    splits: dict[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    format: str | None = None
    unit: Literal["GeV", "MeV", "jet_pt"] | None = None
    dataset: str | None = None
    columns: dict[str, str] = {}
    order: tuple[str, ...] | None = None
    angles: Literal["absolute", "relative"] | None = None
    match: Literal["partons", "none"] = "partons"
    shower: str | None = None
    invisible: tuple[int, ...] = ()
    seed: int = Field(1, ge=0)
    selection: Selection = Selection()
    detector: DetectorResponse = DetectorResponse()

    @field_validator("splits")
    @classmethod
    def _whole(cls, splits: dict[str, float]) -> dict[str, float]:
        unknown = set(splits) - set(SPLITS)
        if unknown or not splits:
            raise ValueError(f"unknown splits {sorted(unknown)}: expected some of {', '.join(SPLITS)}")
        if min(splits.values()) <= 0 or abs(sum(splits.values()) - 1) > 1e-6:
            raise ValueError(
                f"shares {splits} must be positive and add up to 1, such as train=0.8,validation=0.1,test=0.1"
            )
        return splits

    @model_validator(mode="after")
    def _named_once(self) -> ImportOptions:
        if self.sample and self.labels:
            raise ValueError(
                "both a sample and labels are given: say sample for a file of one kind, labels for a mixed one"
            )
        return self

    @property
    def samples(self) -> tuple[str, ...]:
        """Return the names of the samples that the import may write."""
        return (self.sample,) if self.sample else tuple(dict.fromkeys(self.labels.values()))
