"""What is found above scores, in observed events without and with a signal in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plots import style
from plots.three_lepton.stacks import garwood

_BANDS = ((2, "0.87"), (1, "0.72"))  # standard deviations, and the colour
_SPREAD = 0.6  # of the sets of observed events, beside each other


@style.styled()
def injection(results: Sequence[Mapping[str, Any]], luminosity: float | None = None) -> Figure:
    """Events observed in each region above those expected, and below their significance; a column
    for each autoencoder, a marker for each set of observed events.

    Args:
        results: of each autoencoder, set and region ``autoencoder``, ``observed`` (the set),
            ``quantile`` (share of the background below the region), ``n_observed``,
            ``n_background`` (value and error), ``significance``, and ``with_error``, which counts
            the background's error; significances may be null.
        luminosity: in 1/fb.
    """
    names = list(dict.fromkeys(str(r["autoencoder"]) for r in results))
    sets = list(dict.fromkeys(str(r["observed"]) for r in results))
    looks = style.networks(sets)
    columns = max(len(names), 1)
    figure = Figure(figsize=(2.6 + 3.6 * columns, 7.4), layout="constrained")
    grid = figure.subplots(2, columns, sharex="col", sharey="row", squeeze=False)
    for (upper, lower), name in zip(grid.T, names, strict=False):
        chosen = [r for r in results if r["autoencoder"] == name]
        quantiles = sorted({float(r["quantile"]) for r in chosen})
        _expected(upper, chosen, quantiles)
        for number, observed in enumerate(sets):
            shift = _SPREAD * ((number + 1) / (len(sets) + 1) - 0.5)
            of_set = [r for r in chosen if r["observed"] == observed]
            x = np.array([quantiles.index(float(r["quantile"])) for r in of_set]) + shift
            _observed(upper, lower, x, of_set, looks[observed])
        lower.set_xlabel("background below the region")
        lower.set_xticks(range(len(quantiles)), [f"{100 * q:g} %" for q in quantiles])
        lower.xaxis.minorticks_off()
        lower.set_xlim(-0.5, len(quantiles) - 0.5)
        upper.set_title(style.network(name), loc="left")
    for axes in grid[1]:
        for reach, colour in _BANDS:
            axes.axhspan(-reach, reach, color=colour, linewidth=0, zorder=0)
        axes.axhline(0, color="black", linewidth=1)
    low, high = grid[1, 0].get_ylim()
    grid[1, 0].set_ylim(min(low, -3), max(high, 3))
    if any(r["n_observed"] > 0 or r["n_background"]["value"] > 0 for r in results):
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


def _expected(axes: Axes, results: Sequence[Mapping[str, Any]], quantiles: Sequence[float]) -> None:
    """A line for the background of each region, and a box for its error."""
    found = {float(r["quantile"]): r["n_background"] for r in results}
    for place, quantile in enumerate(quantiles):
        value, error = float(found[quantile]["value"]), float(found[quantile]["error"])
        axes.bar(place, 2 * error, 0.9, bottom=value - error, color=_BANDS[1][1], zorder=0)
        axes.hlines(value, place - 0.45, place + 0.45, color="black", linewidth=1.4)


def _observed(
    upper: Axes, lower: Axes, x: Any, results: Sequence[Mapping[str, Any]], look: style.Look
) -> None:
    """The points of a set of observed events."""
    drawn: dict[str, Any] = {
        "linestyle": "none",
        "marker": look.marker,
        "markersize": 7,
        "color": look.colour,
        "zorder": 3,
    }
    counts = np.array([r["n_observed"] for r in results], np.float64)
    some = counts > 0
    upper.errorbar(x[some], counts[some], garwood(counts[some]), **drawn)
    for key, face in (("significance", "white"), ("with_error", look.colour)):
        values = np.array([r[key] for r in results], np.float64)  # null is NaN
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
