"""The quantity of each cut of a region, for the events that pass all other cuts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import CARETLEFTBASE, CARETRIGHTBASE

from common.schema.templates import Template
from plots import fit, style
from plots.selection.spectra import bins_of, content
from plots.stack import Bins, Content, draw, note, scale, visible_factors

_PANEL = (4.2, 3.5)  # inches
_LINE: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 1.4, "zorder": 5}
_REJECTED: dict[str, Any] = {"facecolor": "0.4", "alpha": 0.3, "linewidth": 0, "zorder": 3}

Threshold = tuple[float, bool | None]
"""A value of the quantity, and whether the cut keeps what is above; None: neither side alone."""


@dataclass(frozen=True)
class CutPanel:
    """A cut: its text, the histogram of its quantity by process, and its thresholds."""

    label: str
    templates: Mapping[str, Template]
    thresholds: Sequence[Threshold] = ()


@style.styled()
def n_minus_one(
    cuts: Sequence[CutPanel],
    luminosity: float,
    *,
    signals: Collection[str] = (),
    data: Collection[str] = (),
    hidden: bool = False,
    text: str = "",
) -> Figure:
    """Draw a panel per cut: stacked backgrounds, signals as lines, data as points, the thresholds
    as lines with arrows to what the cut keeps, and what it rejects shaded.

    The outer bins include underflow and overflow. A signal has one scale factor in all panels.

    Args:
        cuts: the cuts, in their order; at least one.
        luminosity: in 1/fb.
        signals: processes that are signals.
        data: processes that are collision data, which are added.
        hidden: leave the data out, and say so.
        text: addition to the heading, such as the region.
    """
    shown = [
        (cut, bins_of(cut.templates), content(cut.templates, signals, data, hidden)) for cut in cuts
    ]
    factors = _common_factors([(bins, one) for _, bins, one in shown])
    columns = _columns(len(cuts))
    rows = math.ceil(len(cuts) / columns)
    size = max(_PANEL[0] * columns, 7.0), _PANEL[1] * rows + 1.8
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    handles = [
        _draw(axes, cut, bins, replace(found, factors=factors))
        for axes, (cut, bins, found) in zip(panels, shown, strict=False)
    ]
    for axes in panels[len(cuts) :]:
        axes.remove()
    everything = [histogram for _, _, found in shown for histogram in found.everything]
    entries = max(handles, key=len)  # all panels have the same processes, or some have fewer
    fit.legend(figure, entries, note(everything), columns=min(columns + 1, 4))
    observed = any(found.observed for _, _, found in shown)
    fit.heading(figure, luminosity, text, data=observed, hidden=hidden)
    return figure


def _columns(number: int) -> int:
    """Return the number of columns for some panels."""
    return {1: 1, 2: 2, 4: 2}.get(number, 3 if number <= 9 else 4)


def _common_factors(shown: Sequence[tuple[Bins, Content]]) -> dict[str, float]:
    """Return the scale factor of each signal: the least that any panel needs."""
    found: dict[str, float] = {}
    for bins, one in shown:
        for process, factor in visible_factors(one, bins).items():
            found[process] = min(factor, found.get(process, factor))
    return found


def _draw(axes: Axes, cut: CutPanel, bins: Bins, found: Content) -> list[Any]:
    """Draw one panel and return its legend entries."""
    handles = draw(axes, bins, found)
    scale(axes, bins, [found])
    if bins.log:
        axes.set_xscale("log")
    axes.set_xlim(bins.edges[0], bins.edges[-1])
    axes.set_title(fit.wrapped(cut.label, _PANEL[0] - 0.8, 11), loc="left", fontsize=11)
    axes.set_xlabel(fit.wrapped(bins.title, _PANEL[0] - 0.8, 11), fontsize=11)
    axes.set_ylabel(bins.events, fontsize=11)
    for value, keeps_above in cut.thresholds:
        _threshold(axes, bins, value, keeps_above)
    return handles


def _threshold(axes: Axes, bins: Bins, value: float, keeps_above: bool | None) -> None:
    """Draw a threshold, an arrow to the side that passes, and the other side shaded."""
    low, high = float(bins.edges[0]), float(bins.edges[-1])
    inside = min(max(value, low), high)
    if low <= value <= high:
        axes.axvline(value, **_LINE)
    if keeps_above is None:
        return
    axes.axvspan(*((low, inside) if keeps_above else (inside, high)), **_REJECTED)
    axes.plot(
        inside,
        0.95,
        marker=CARETRIGHTBASE if keeps_above else CARETLEFTBASE,
        markersize=9,
        color="black",
        transform=axes.get_xaxis_transform(),
        zorder=5,
    )
