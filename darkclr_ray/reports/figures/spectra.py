"""Figure of the spectra of background jets before and after cuts on a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import BLACK, BLUE, GREEN, VERMILLION, Style
from darkclr_ray.evaluation.sculpting import Sculpting
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import EPS_B

_LOOKS = (Style(BLUE, "dash"), Style(VERMILLION, "solid"), Style(GREEN, "dot"))


def spectra(panels: Mapping[str, Mapping[str, Sequence[Sculpting]]], titles: Mapping[str, str]) -> go.Figure:
    """Return a figure of normalised spectra before and after each cut, on a log axis.

    Each of ``panels`` (label of a detector -> observable -> cuts) is a column, and each observable of ``titles`` (name
    -> title of its axis) a row.

    Raises:
        ValueError: nothing to show.
    """
    if not panels or not titles:
        raise ValueError("no spectrum to show: give at least one detector and one observable")
    figure = make_subplots(
        rows=len(titles),
        cols=len(panels),
        column_titles=list(panels),
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=0.12,
    )
    for column, found in enumerate(panels.values(), start=1):
        for row, (observable, title) in enumerate(titles.items(), start=1):
            cuts = found.get(observable) or ()
            if cuts:
                first = column == row == 1
                before = _line(cuts[0].edges, cuts[0].before, "before", Style(BLACK), show=first)
                figure.add_trace(before, row=row, col=column)
            for cut, style in zip(cuts, _LOOKS, strict=False):
                name = f"after a cut at {EPS_B} = {cut.eps_b:g}"
                figure.add_trace(_line(cut.edges, cut.after, name, style, show=first), row=row, col=column)
            figure.update_xaxes(title_text=title, row=row, col=column)
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title_text="share of jets per GeV", col=1)
    return theme.apply_template(figure, 90 + 240 * len(titles))


def _line(edges: Sequence[float], counts: Sequence[int], name: str, style: Style, *, show: bool) -> go.Scatter:
    total = sum(counts)
    density = [
        count / total / (high - low) if count else None
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
    return go.Scatter(
        x=list(edges),
        y=[*density, density[-1]],
        mode="lines",
        line={"shape": "hv", "color": style.colour, "dash": style.dash, "width": 1.8},
        name=name,
        legendgroup=name,
        showlegend=show,
        hovertemplate="%{x:.0f} GeV: %{y:.3g}<extra>%{fullData.name}</extra>",
    )
