"""Figures of the cut-flow of a region and of the signal bins of its events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.rdf.yields import Expected
from analysis.yields.cutflow_model import ProcessCutflow
from plots import fit, style
from plots.stack import (
    Bins,
    Content,
    Floats,
    Histogram,
    by_yield,
    draw,
    garwood,
    scale,
    together,
    unit_of,
    visible_factors,
)
from selections.cuts import Region
from selections.selection import Binning
from training.classifier.evaluation_model import WorkingPoint

_WIDTHS = (2.4, 4.0)  # inches, of the lines of the text of a cut, of which two have room
_TICKS = 7
_TOTAL: dict[str, Any] = {"color": "0.6", "linewidth": 5, "zorder": 1}


@style.styled()
def cutflow(
    cutflows: Mapping[str, ProcessCutflow],
    region: Region,
    networks: Mapping[str, WorkingPoint],
    luminosity: float,
    *,
    signals: Collection[str] = (),
    data: Mapping[str, ProcessCutflow] | None = None,
    hidden: bool = False,
) -> Figure:
    """Draw the expected events of each process after each cut, and after all cuts and a network;
    with data, also the sum of the backgrounds, and data as points with Poisson intervals.

    Args:
        cutflows: of simulated processes, normalised to the luminosity.
        region: the region of the cut-flows.
        networks: the working point of each network; may be empty.
        luminosity: in 1/fb.
        signals: processes that are signals, drawn with thicker lines.
        data: cut-flows of collision data, which are added.
        hidden: say that data are hidden.
    """
    labels = ["all events", *(_tick(cut.latex, cut.name) for cut in region.cuts)]
    for name, point in networks.items():
        labels.append(_tick(f"{style.network(name)}, {_kept(point)}", style.network(name)))
    figure = Figure(figsize=(max(4.5 + 0.85 * len(labels), 7.0), 8.2), layout="constrained")
    axes = figure.subplots()
    observed = data or {}
    n_cuts = 1 + len(region.cuts)

    def found(cutflow: ProcessCutflow) -> tuple[Floats, Floats]:
        names = ["all events", *(cut.name for cut in region.cuts)]
        return _arrays(
            [cutflow.steps[name] for name in names]
            + [cutflow.networks[name]["all"] for name in networks]
        )

    handles = []
    heights = [found(one)[0] for one in cutflows.values()]
    backgrounds = [found(cutflows[process])[0] for process in cutflows if process not in signals]
    if observed and backgrounds:
        total = np.sum(backgrounds, axis=0)
        heights.append(total)
        _draw_steps(axes, total, n_cuts, **_TOTAL)
        handles.append(Line2D([], [], label="all backgrounds", **_TOTAL))
    for process in style.in_order(cutflows):
        look = style.process(process)
        values, errors = found(cutflows[process])
        line: dict[str, Any] = {
            "color": look.colour,
            "linestyle": look.line,
            "linewidth": 2.8 if process in signals else 1.8,
        }
        marks: dict[str, Any] = {"color": look.colour, "marker": look.marker, "markersize": 6}
        _draw_steps(axes, values, n_cuts, **line)
        places = np.arange(len(values))
        axes.errorbar(places, style.positive(values), errors, linestyle="none", **marks)
        handles.append(Line2D([], [], label=look.label, **(line | marks)))
    if observed:
        counts = np.sum([found(one)[0] for one in observed.values()], axis=0)
        heights.append(counts)
        handles.insert(0, _draw_data(axes, _name(observed), counts))
    if networks:
        axes.axvline(n_cuts - 0.5, color="black", linewidth=1)
    _scale(axes, heights)
    axes.set_xticks(range(len(labels)), labels, rotation=32, ha="right", rotation_mode="anchor")
    axes.xaxis.minorticks_off()
    axes.set(ylabel="events", xlim=(-0.5, len(labels) - 0.5))
    fit.legend(figure, handles)
    fit.heading(figure, luminosity, region.name, data=bool(observed), hidden=hidden)
    return figure


def _tick(text: str, name: str) -> str:
    """Return the text of a cut in at most two lines, or its name if it is longer."""
    for width in _WIDTHS:
        lines = fit.wrapped(text, width, 12)
        if lines.count("\n") < 2:
            return lines
    return fit.wrapped(name, _WIDTHS[-1], 12)


def _draw_steps(axes: Axes, values: Floats, n_cuts: int, **line: Any) -> None:
    """Draw events after each cut as one line, and those after each network as separate ones."""
    shown = style.positive(values)
    edges = np.arange(n_cuts + 1) - 0.5
    axes.stairs(shown[:n_cuts], edges, baseline=None, **line)
    for place, value in enumerate(shown[n_cuts:], start=n_cuts):
        axes.plot([place - 0.4, place + 0.4], [value, value], **line)


def _name(data: Mapping[str, ProcessCutflow]) -> str:
    """Return the process whose label data have."""
    return next(iter(data)) if len(data) == 1 else "data"


def _draw_data(axes: Axes, process: str, counts: Floats) -> Any:
    """Draw data after each cut, where any are left, and return their legend entry."""
    some = counts > 0
    return axes.errorbar(
        np.flatnonzero(some),
        counts[some],
        garwood(counts[some]),
        color="black",
        linestyle="none",
        marker="o",
        markersize=6,
        label=style.process(process).label,
        zorder=4,
    )


def _scale(axes: Axes, heights: Sequence[Floats]) -> None:
    """Set a logarithmic axis for all positive values."""
    values = np.concatenate([np.zeros(0), *heights])
    values = values[values > 0]
    high = float(values.max(initial=0.0)) or 1.0
    axes.set_ylim(float(values.min(initial=high)) / 3, high * 3)
    axes.set_yscale("log")


@style.styled()
def met_spectrum(
    cutflows: Mapping[str, ProcessCutflow],
    binning: Binning,
    network: str | None,
    point: WorkingPoint | None,
    luminosity: float,
    *,
    signals: Collection[str] = (),
    data: Mapping[str, ProcessCutflow] | None = None,
    label: str | None = None,
    text: str = "signal region",
) -> Figure:
    """Draw the quantity of the signal bins, before and after a network.

    Args:
        cutflows: of simulated processes in one region, normalised to the luminosity.
        binning: the signal bins, of which the exclusive ones are drawn.
        network: the network of the second panel; None: there is no second panel.
        point: its working point.
        luminosity: in 1/fb.
        signals: processes that are signals.
        data: cut-flows of collision data, which are added.
        label: label of the quantity, with the unit in brackets, if it is another one in this region
            than in ``binning``.
        text: addition to the heading, such as the region.
    """
    bins, names = _bins(binning, label or binning.axis.label), [b.name for b in binning.exclusive]

    def content(passing: str | None) -> Content:
        expected, observed = (_histograms(one, names, passing) for one in (cutflows, data or {}))
        return Content(
            by_yield({p: h for p, h in expected.items() if p not in signals}),
            {p: h for p, h in expected.items() if p in signals},
            together(observed, len(bins)),
            error="error (statistics, cross-sections)",
        )

    contents, titles = [content(None)], [""]
    if network is not None and point is not None:
        contents.append(content(network))
        titles = ["before the network", f"{style.network(network)}, {_kept(point)}"]
    factors = visible_factors(contents[0], bins)
    contents = [replace(one, factors=factors) for one in contents]
    figure = Figure(figsize=(13 if len(contents) > 1 else 8.2, 6.6), layout="constrained")
    panels = figure.subplots(1, len(contents), sharex=True, sharey=True, squeeze=False)[0]
    handles: list[Any] = []
    for axes, one, title in zip(panels, contents, titles, strict=True):
        handles = draw(axes, bins, one)
        axes.set_title(title, loc="right")
        _label_bins(axes, bins)
    scale(panels[0], bins, contents)
    panels[0].set_ylabel(bins.events)
    fit.legend(figure, handles, _overflow_note(bins), columns=4 if len(contents) > 1 else 3)
    fit.heading(figure, luminosity, text, data=bool(data))
    return figure


def _histograms(
    cutflows: Mapping[str, ProcessCutflow], names: Sequence[str], network: str | None
) -> dict[str, Histogram]:
    """Return the events of each process by signal bin, of those that pass a network if given."""
    found = {}
    for process in style.in_order(cutflows):
        one = cutflows[process]
        events = one.bins if network is None else one.networks[network]
        values, errors = _arrays([events[name] for name in names])
        found[process] = Histogram(values, errors**2)
    return found


def _bins(binning: Binning, label: str) -> Bins:
    """Return the exclusive signal bins, of which the last is drawn twice as wide as that before."""
    edges = list(binning.edges)
    last = edges[-1] - edges[-2] if len(edges) > 1 else abs(edges[-1]) / 4 or 1.0
    places = np.array([*edges, edges[-1] + 2 * last], np.float64)
    return Bins(places, label, f"events / {unit_of(label) or 'unit'}", np.diff(places))


def _label_bins(axes: Axes, bins: Bins) -> None:
    """Label the quantity, and tell the last bin, without upper edge, from the others."""
    low, overflow, high = (float(bins.edges[i]) for i in (0, -2, -1))
    axes.set_xlim(low, high)
    axes.set_xlabel(fit.wrapped(bins.title, 5.0, 13))
    ticks = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, overflow)
    shown = [float(tick) for tick in ticks if low <= tick <= overflow - (high - overflow) / 4]
    axes.set_xticks(
        [*shown, (overflow + high) / 2], [*(f"{tick:g}" for tick in shown), f"> {overflow:g}"]
    )
    axes.set_xticks(bins.edges, minor=True)
    axes.axvline(overflow, color=style.GREY, linestyle=(0, (2, 2)), linewidth=1)


def _overflow_note(bins: Bins) -> str:
    unit = unit_of(bins.title)
    overflow, width = (f"{value:g} {unit}".rstrip() for value in (bins.edges[-2], bins.divisor[-1]))
    return f"last bin: all events above {overflow}, divided by {width}"


def _kept(point: WorkingPoint) -> str:
    """Return the signal efficiency of a working point as text."""
    return rf"$\varepsilon_S$ = {100 * point.signal_efficiency:.1f} %"


def _arrays(yields: Sequence[Expected]) -> tuple[Floats, Floats]:
    return np.array([y.events for y in yields]), np.array([y.error for y in yields])
