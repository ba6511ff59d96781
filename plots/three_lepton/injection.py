"""Observed events above thresholds of a score, with and without an injected signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.three_lepton.search_model import Observation, SearchResult
from plots import style
from plots.stack import garwood

_BANDS = ((2, "0.87"), (1, "0.72"))  # standard deviations, and the colour
_SPREAD = 0.6  # of the points of different sets of observed events


@style.styled()
def injection(findings: Sequence[SearchResult], luminosity: float | None = None) -> Figure:
    """Draw observed and expected events of each region, and their significance below; a column per
    autoencoder, a marker per set of observed events.

    Args:
        findings: results of each autoencoder.
        luminosity: in 1/fb.
    """
    everything = [one for found in findings for one in found.observations]
    sets = list(dict.fromkeys(one.observed for one in everything))
    looks = style.networks(sets)
    columns = max(len(findings), 1)
    figure = Figure(figsize=(2.6 + 3.6 * columns, 7.4), layout="constrained")
    grid = figure.subplots(2, columns, sharex="col", sharey="row", squeeze=False)
    for (upper, lower), found in zip(grid.T, findings, strict=False):
        quantiles = sorted({one.quantile for one in found.observations})
        _expected(upper, found.observations, quantiles)
        for number, observed in enumerate(sets):
            shift = _SPREAD * ((number + 1) / (len(sets) + 1) - 0.5)
            of_set = [one for one in found.observations if one.observed == observed]
            x = np.array([quantiles.index(one.quantile) for one in of_set]) + shift
            _observed(upper, lower, x, of_set, looks[observed])
        lower.set_xlabel("background below the region")
        lower.set_xticks(range(len(quantiles)), [f"{100 * q:g} %" for q in quantiles])
        lower.xaxis.minorticks_off()
        lower.set_xlim(-0.5, len(quantiles) - 0.5)
        upper.set_title(style.network(found.autoencoder), loc="left")
    for axes in grid[1]:
        for reach, colour in _BANDS:
            axes.axhspan(-reach, reach, color=colour, linewidth=0, zorder=0)
        axes.axhline(0, color="black", linewidth=1)
    low, high = grid[1, 0].get_ylim()
    grid[1, 0].set_ylim(min(low, -3), max(high, 3))
    if any(one.n_observed > 0 or one.n_background.value > 0 for one in everything):
        grid[0, 0].set_yscale("log")
    grid[0, 0].set_ylabel("events")
    grid[1, 0].set_ylabel("significance")
    handles = [
        *(_entry(looks[s].colour, looks[s].marker, style.process(s).label) for s in sets),
        _entry(style.GREY, "o", "with the background's error"),
        _entry(style.GREY, "o", "without", "white"),
        Line2D([], [], color="black", label="background"),
        *(Patch(color=colour, label=rf"$\pm {reach}\,\sigma$") for reach, colour in _BANDS[::-1]),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    style.heading(figure, luminosity)
    return figure


def _expected(axes: Axes, observations: Sequence[Observation], quantiles: Sequence[float]) -> None:
    """Draw a line for the background of each region, and a box for its error."""
    found = {one.quantile: one.n_background for one in observations}
    for place, quantile in enumerate(quantiles):
        value, error = found[quantile].value, found[quantile].error
        axes.bar(place, 2 * error, 0.9, bottom=value - error, color=_BANDS[1][1], zorder=0)
        axes.hlines(value, place - 0.45, place + 0.45, color="black", linewidth=1.4)


def _observed(
    upper: Axes, lower: Axes, x: Any, observations: Sequence[Observation], look: style.Look
) -> None:
    """Draw the points of a set of observed events."""
    drawn: dict[str, Any] = {
        "linestyle": "none",
        "marker": look.marker,
        "markersize": 7,
        "color": look.colour,
        "zorder": 3,
    }
    counts = np.array([one.n_observed for one in observations], np.float64)
    some = counts > 0
    upper.errorbar(x[some], counts[some], garwood(counts[some]), **drawn)
    for face, significances in (
        ("white", [one.significance for one in observations]),
        (look.colour, [one.with_error for one in observations]),
    ):
        values = np.array(significances, np.float64)  # None becomes NaN
        lower.plot(x, values, markerfacecolor=face, **drawn)


def _entry(colour: str, marker: str, label: str, face: str | None = None) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        color=colour,
        marker=marker,
        markersize=7,
        markerfacecolor=face or colour,
        label=label,
    )
