"""Density of energy-flow polynomials from an invertible network (Buss et al., SciPost Phys. 15, 168 (2023); [17]).

A density depends on the coordinates: with y = x^n of the polynomials x, -ln p changes by the logarithm of the Jacobian,
and so does the order of jets, which is the point of the paper. One flow is trained in y = ln x, and the scores in
other coordinates follow from it. Choice that was made without signals: ln x (n -> 0) is the method's main score.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.detectors.display import ORANGE, Display, Style
from darkclr_ray.detectors.tables import TableDetector
from darkclr_ray.jets.energy_flow import GRAPHS, energy_flow_polynomials
from darkclr_ray.jets.packed import Jets
from darkclr_ray.training.inn import INNTraining, WhitenedFlow

SMALLEST = 1e-10
"""Number that is added to the polynomials, which vanish for jets of few constituents, before the logarithm."""


class INN(TableDetector):
    """Score jets by -ln of the density in the logarithms of the polynomials."""

    name = "inn"
    title = "INN, density in ln EFP"
    display = Display("INN, density in ln EFP", Style(ORANGE, "solid", "star-triangle-down"), order=37)
    family = "INN"
    group = "inn"
    product = "inn"

    power: ClassVar[float] = 0.0
    """Power n of the coordinates y = x^n in which the density is taken; 0 stands for y = ln x."""

    def table(self, jets: Jets) -> NDArray[np.float32]:
        polynomials = energy_flow_polynomials(jets, self.settings.inn.beta)
        logarithms: NDArray[np.float32] = np.log(polynomials + SMALLEST).astype(np.float32)
        return logarithms

    def training(self, table: NDArray[np.float32]) -> INNTraining:
        return INNTraining(table, self.settings.inn, seed=self.settings.seed)

    def untrained(self) -> WhitenedFlow:
        return WhitenedFlow(len(GRAPHS), self.settings.inn)

    def score_rows(self, model: WhitenedFlow, rows: Tensor) -> Tensor:
        # dy / d ln x = n x^n, so that -ln p changes by n ln x and a constant for each polynomial
        return model.negative_log_density(model.whitened(rows)) + self.power * rows.mean(1)


class INNCubeRoot(INN):
    """Score jets by -ln of the density in the cube roots of the polynomials."""

    name = "inn_cube_root"
    title = "INN, density in EFP^(1/3)"
    display = Display(
        "INN, density in EFP<sup>1/3</sup>", Style(ORANGE, "dashdot", "star-triangle-down-open"), order=38
    )
    power = 1 / 3


class INNLinear(INN):
    """Score jets by -ln of the density in the polynomials."""

    name = "inn_linear"
    title = "INN, density in EFP"
    display = Display("INN, density in EFP", Style(ORANGE, "longdashdot", "triangle-left"), order=39)
    power = 1.0


class INNLatent(INN):
    """Score jets by the length of their latent vector, which does not depend on the coordinates' Jacobian."""

    name = "inn_latent"
    title = "INN, latent distance"
    display = Display("INN, latent distance", Style(ORANGE, "dot", "triangle-left-open"), order=42)

    def score_rows(self, model: WhitenedFlow, rows: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(model.flow(model.whitened(rows))[0], dim=1)
        return length
