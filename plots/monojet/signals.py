"""How signals pass a network, beside Znunu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots import style

if TYPE_CHECKING:
    from selections.cuts import MetBin

_VERSIONS = {
    "as published": "as published: before the lepton veto",
    "consistent": "consistent: after the whole selection",
}
_OVERFLOW_WIDTH = 200.0  # GeV
_REFERENCE = "Znunu"


@style.styled()
def pass_rates(
    network: str, comparisons: Sequence[Mapping[str, Any]], bins: Sequence[MetBin]
) -> Figure:
    """Pass rates of Znunu and of the signals against missing transverse momentum, above their
    ratio; a column for each selection.

    Args:
        network: whose pass rates these are.
        comparisons: entries of the signals file, of this network.
        bins: the exclusive regions in their order, the last without upper edge.
    """
    edges = np.array([*(b.low for b in bins), bins[-1].low + _OVERFLOW_WIDTH])
    figure = Figure(figsize=(13, 7.4), layout="constrained")
    rows = figure.subplots(
        2, len(_VERSIONS), sharex=True, sharey="row", height_ratios=(2, 1), squeeze=False
    )
    places = {b.name: i for i, b in enumerate(bins)}
    signals = style.in_order(c["signal"] for c in comparisons)
    for (upper, lower), (version, title) in zip(rows.T, _VERSIONS.items(), strict=True):
        chosen = {c["signal"]: c for c in comparisons if c["version"] == version}
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
    rows[1, 0].set_ylabel(f"signal / {style.process(_REFERENCE).label}")
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
    comparisons: Sequence[Mapping[str, Any]],
    places: Mapping[str, int],
    edges: Any,
) -> None:
    """The rate of Znunu, which all comparisons have, with a band for its error."""
    value, error = np.full(len(places), np.nan), np.full(len(places), np.nan)
    for comparison in comparisons:
        for found in comparison["bins"]:
            place = places[found["region"]]
            value[place], error[place] = found["znunu"]["value"], found["znunu"]["error"]
    look = style.process(_REFERENCE)
    _band(upper, edges, value, error, look.colour)
    upper.stairs(value, edges, baseline=None, color=look.colour, linewidth=1.8, label=look.label)
    relative = np.divide(error, value, out=np.full(len(value), np.nan), where=value > 0)
    _band(lower, edges, np.ones(len(value)), relative, look.colour)


def _band(axes: Axes, edges: Any, value: Any, error: Any, colour: str) -> None:
    """A box of the error in each bin."""
    axes.use_sticky_edges = False  # the lowest box is not to end the axis
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
    comparison: Mapping[str, Any],
    places: Mapping[str, int],
    edges: Any,
    shift: float,
) -> None:
    """A signal's rates, ``shift`` of the way through each bin, and over those of Znunu."""
    found = comparison["bins"]
    look = style.process(comparison["signal"])
    at = np.array([places[b["region"]] for b in found])
    centres = edges[at] + shift * np.diff(edges)[at]
    value, error = (np.array([b["signal"][key] for b in found]) for key in ("value", "error"))
    znunu = np.array([b["znunu"]["value"] for b in found])
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
