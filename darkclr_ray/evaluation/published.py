"""Published results for comparison, none of which is matched in jet pT.

The source is SciPost Phys. 18, 042 (2025), Favaro, Kraemer, Modak, Plehn and Rueschkamp, Tables 2 and 3. Errors are the
paper's: standard deviations over networks, without the statistical error of the test sample, which is larger.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Published number with its error and reference.

    Attributes:
        value: the number as printed.
        deviation: standard deviation over networks; None if none was given.
        reference: table in which it is printed, and its original source.
    """

    value: float
    deviation: float | None
    reference: str


_TABLE_2 = "SciPost Phys. 18, 042, Table 2"
_TABLE_3 = "SciPost Phys. 18, 042, Table 3"
_DVAE = f"{_TABLE_2}; Dillon et al., SciPost Phys. 11, 061 (2021)"
_INN = f"{_TABLE_2}; Buss et al., SciPost Phys. 15, 168 (2023)"
_NAE = f"{_TABLE_2}; Dillon et al., SciPost Phys. Core 6, 074 (2023)"

AACHEN_AUC = {
    "DVAE": Published(0.71, None, _DVAE),
    "INN": Published(0.73, None, _INN),
    "NAE on jet images": Published(0.76, 0.01, _NAE),
    "DarkCLR": Published(0.76, 0.01, _TABLE_2),
}
"""Area under the ROC curve on the Aachen benchmark, by method."""

AACHEN_REJECTION = {
    "DVAE": Published(36.0, None, _DVAE),
    "INN": Published(39.0, None, _INN),
    "NAE on jet images": Published(41.0, 1.0, _NAE),
    "DarkCLR": Published(59.0, 1.0, _TABLE_2),
}
"""Background rejection at a signal efficiency of 0.2 on the Aachen benchmark, by method."""

METHODS = {
    "DVAE": ("dvae_reconstruction", "dvae_prior", "dvae_density"),
    "INN": ("inn", "inn_cube_root", "inn_linear", "inn_latent"),
    "NAE on jet images": ("image_nae",),
    "DarkCLR": ("s_NAE",),
}
"""Detectors of this package by the method of Table 2 that they implement."""

DVAE_SOURCE = (
    "Table 2 cites SciPost Phys. 11, 061 for the DVAE, which has top and QCD jets only; its numbers on Aachen are most "
    "likely those of the DVAE in SciPost Phys. 15, 168, which introduces these jets."
)
"""Footnote on the origin of Table 2's numbers of the DVAE."""

REJECTION = {
    "supervised": {
        "aachen": Published(80.0, 1.0, _TABLE_3),
        "rinv_0.2": Published(28.0, 2.0, _TABLE_3),
        "rinv_0.5": Published(22.0, 2.0, _TABLE_3),
        "mass_10": Published(30.0, 2.0, _TABLE_3),
        "mass_20": Published(28.0, 2.0, _TABLE_3),
    },
    "DarkCLR": {
        "aachen": Published(58.0, 2.0, _TABLE_3),
        "rinv_0.2": Published(28.0, 2.0, _TABLE_3),
        "rinv_0.5": Published(35.0, 3.0, _TABLE_3),
        "mass_10": Published(65.0, 7.0, _TABLE_3),
        "mass_20": Published(33.0, 1.0, _TABLE_3),
    },
}
"""Background rejection at a signal efficiency of 0.2, by method and signal.

Signals have the names of `darkclr_ray.jets.generation.samples`.

The caption of the table says 0.1, its header 0.2; Table 2 and the text agree with the header. "supervised" was trained
on the Aachen benchmark.
"""
