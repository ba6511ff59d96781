"""Figure of the pass rates of signals and of Znunu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.monojet.sensitivity_model import AS_PUBLISHED, CONSISTENT
from analysis.monojet.signals_model import SignalComparison
from analysis.processes import IRREDUCIBLE
from plots import style
from selections.selection import Bin

_RATE_DEFINITIONS = {
    AS_PUBLISHED: "as published: before the lepton veto",
    CONSISTENT: "consistent: after the whole selection",
}
_OVERFLOW_WIDTH = 200.0  # GeV


@style.styled()
def pass_rates(
    network: str, comparisons: Sequence[SignalComparison], bins: Sequence[Bin]
) -> Figure:
    """Draw the pass rates of Znunu and of the signals against missing transverse momentum, above
    their ratio; one column for each rate definition.

    Args:
        network: its name.
        comparisons: those of the network.
        bins: the exclusive regions in their order, the last without upper edge.
    """
    edges = np.array([*(b.low for b in bins), bins[-1].low + _OVERFLOW_WIDTH])
    figure = Figure(figsize=(13, 7.4), layout="constrained")
    rows = figure.subplots(
        2, len(_RATE_DEFINITIONS), sharex=True, sharey="row", height_ratios=(2, 1), squeeze=False
    )
    places = {b.name: i for i, b in enumerate(bins)}
    signals = style.in_order(c.signal for c in comparisons)
    for (upper, lower), (name, title) in zip(rows.T, _RATE_DEFINITIONS.items(), strict=True):
        chosen = {c.signal: c for c in comparisons if c.rate_definition == name}
        _znunu(upper, lower, list(chosen.values()), places, edges)
        for number, signal in enumerate(signals):
            if signal in chosen:
                shift = (number + 1) / (len(signals) + 1)
                _signal(upper, lower, chosen[signal], places, edges, shift)
        lower.axhline(1, color="black", linewidth=1)
        upper.set_title(title, loc="right")
        ticks = range(300, int(edges[-2]), 100)
        middle = (edges[-2] + edges[-1]) / 2
        lower.set_xticks([*ticks, middle], [*map(str, ticks), f"> {edges[-2]:g}"])
        lower.set_xticks(edges, minor=True)
        lower.set(xlabel=f"{style.MET} [GeV]", xlim=(edges[0], edges[-1]))
    rows[0, 0].set_ylabel("selected by the network")
    rows[1, 0].set_ylabel(f"signal / {style.process(IRREDUCIBLE).label}")
    entries: dict[str, Any] = {}
    for axes in rows[0]:  # a signal may be in one of them only
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend([*entries.values()], [*entries], loc="outside lower center", ncols=3)
    style.heading(figure, text=style.network(network))
    return figure


def _znunu(
    upper: Axes,
    lower: Axes,
    comparisons: Sequence[SignalComparison],
    places: Mapping[str, int],
    edges: Any,
) -> None:
    """Draw the rate of Znunu, which all comparisons have, with a band for its error."""
    value, error = np.full(len(places), np.nan), np.full(len(places), np.nan)
    for comparison in comparisons:
        for found in comparison.bins:
            place = places[found.region]
            value[place], error[place] = found.znunu.value, found.znunu.error
    look = style.process(IRREDUCIBLE)
    _band(upper, edges, value, error, look.colour)
    upper.stairs(value, edges, baseline=None, color=look.colour, linewidth=1.8, label=look.label)
    relative = np.divide(error, value, out=np.full(len(value), np.nan), where=value > 0)
    _band(lower, edges, np.ones(len(value)), relative, look.colour)


def _band(axes: Axes, edges: Any, value: Any, error: Any, colour: str) -> None:
    """Draw a box of the error in each bin."""
    axes.use_sticky_edges = False  # else the lowest box ends the axis
    axes.bar(
        edges[:-1],
        2 * error,
        np.diff(edges),
        bottom=value - error,
        align="edge",
        color=colour,
        alpha=0.25,
        linewidth=0,
    )


def _signal(
    upper: Axes,
    lower: Axes,
    comparison: SignalComparison,
    places: Mapping[str, int],
    edges: Any,
    shift: float,
) -> None:
    """Draw the rates of a signal and their ratios to Znunu, at ``shift`` (0 to 1) of each bin."""
    found = comparison.bins
    look = style.process(comparison.signal)
    at = np.array([places[b.region] for b in found])
    centres = edges[at] + shift * np.diff(edges)[at]
    value = np.array([b.signal.value for b in found])
    error = np.array([b.signal.error for b in found])
    znunu = np.array([b.znunu.value for b in found])
    drawn: dict[str, Any] = {
        "color": look.colour,
        "marker": look.marker,
        "linestyle": "none",
        "capsize": 2,
        "markersize": 5,
    }
    upper.errorbar(centres, value, error, label=look.label, **drawn)
    shown = znunu > 0
    lower.errorbar(
        centres[shown], value[shown] / znunu[shown], error[shown] / znunu[shown], **drawn
    )
