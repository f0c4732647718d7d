"""Figure of the change of a score if one constituent, or one branch, of a jet is removed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.figures.jets import plane, sizes
from darkclr_ray.reports.labels import P_T
from darkclr_ray.study.records import OcclusionRecord


def occlusions(shown: Sequence[tuple[str, OcclusionRecord]], radius: float = 0.8) -> go.Figure:
    """Return a figure with a column for each jet (title, record): constituents in the eta-phi plane.

    The colour of a constituent is the change of the score if it is removed (top), or if its whole branch is (bottom),
    relative to the largest change of this jet in absolute value.

    Raises:
        ValueError: no jet.
    """
    if not shown:
        raise ValueError("no jet to show: give at least one")
    jets = [np.array(one.jet.constituents, dtype=np.float32) for _, one in shown]
    reach = 1.08 * max(radius, *(float(np.abs(jet[:, 1:]).max()) for jet in jets))
    hardest = max(float(jet[:, 0].max()) for jet in jets)
    figure = plane([title for title, _ in shown] + [""] * len(shown), len(shown), reach, radius)
    for column, (jet, (_, one)) in enumerate(zip(jets, shown, strict=True), start=1):
        changes = one.constituents, one.branch_changes or [0.0] * len(jet)
        for row, change in enumerate(changes, start=1):
            trace = _constituents(jet, np.array(change, dtype=np.float32), largest_change(one), hardest)
            figure.add_trace(trace, row=row, col=column)
    for row, title in enumerate(("one constituent removed", "one branch removed"), start=1):
        figure.update_yaxes(title_text=f"{title}<br>Δφ", row=row, col=1)
    bar = {"title": {"text": "change"}, "tickvals": [-1, 0, 1], "ticktext": ["−largest", "0", "+largest"]}
    figure.update_layout(
        coloraxis={"colorscale": "PuOr_r", "cmin": -1, "cmax": 1, "colorbar": {**bar, "thickness": 12, "len": 0.9}}
    )
    return figure.update_annotations(font_size=13)


def largest_change(one: OcclusionRecord) -> float:
    """Return the largest change of the score of a jet in absolute value."""
    return max(map(abs, [*one.constituents, *one.branch_changes]))


def _constituents(jet: NDArray[np.float32], change: NDArray[np.float32], largest: float, hardest: float) -> go.Scatter:
    return go.Scatter(
        x=jet[:, 1],
        y=jet[:, 2],
        mode="markers",
        marker={
            **sizes(jet[:, 0], hardest),
            "sizemin": 4,
            "color": change / np.float32(largest or 1.0),
            "coloraxis": "coloraxis",
            "line": {"width": 0.8, "color": theme.INK},
        },
        customdata=change,
        hovertemplate=f"{P_T} = %{{marker.size:.1f}} GeV: change %{{customdata:.3g}}<extra></extra>",
    )
