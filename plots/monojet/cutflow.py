"""Figures of the cut-flow and of the missing transverse momentum of the selected events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.processes import SIGNALS
from analysis.rdf.yields import Expected
from analysis.yields.cutflow_model import ProcessCutflow
from plots import style
from selections.cuts import MetBin, Region
from training.classifier.evaluation_model import WorkingPoint

_OVERFLOW_WIDTH = 200.0  # GeV

Floats = npt.NDArray[np.float64]


@style.styled()
def cutflow(
    cutflows: Mapping[str, ProcessCutflow],
    region: Region,
    networks: Mapping[str, WorkingPoint],
    luminosity: float,
) -> Figure:
    """Draw the expected events of each process after each cut, and after all cuts and a network.

    Args:
        cutflows: by process, normalised to the luminosity.
        region: the region of the cut-flows.
        networks: the working point of each network.
        luminosity: in 1/fb.
    """
    names = ["all events", *(cut.name for cut in region.cuts)]
    labels = ["all events", *(cut.latex for cut in region.cuts)]
    labels += [f"{style.network(name)}, {_kept(point)}" for name, point in networks.items()]
    figure = Figure(figsize=(4.5 + 0.85 * len(labels), 7.2), layout="constrained")
    axes = figure.subplots()
    handles = [
        _draw_steps(axes, process, cutflows[process], names, list(networks))
        for process in style.in_order(cutflows)
    ]
    if networks:
        axes.axvline(len(names) - 0.5, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.set_xticks(range(len(labels)), labels, rotation=32, ha="right", rotation_mode="anchor")
    axes.xaxis.minorticks_off()
    axes.set(ylabel="events", xlim=(-0.5, len(labels) - 0.5))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.18)  # room for the legend
    axes.legend(handles=handles, loc="upper left", ncols=3)
    style.heading(axes, luminosity)
    return figure


def _draw_steps(
    axes: Axes, process: str, found: ProcessCutflow, cuts: Sequence[str], networks: Sequence[str]
) -> Line2D:
    """Draw the events of one process after each cut and network, and return its legend entry."""
    look = style.process(process)
    values, errors = _arrays([found.steps[name] for name in cuts])
    axes.stairs(
        style.positive(values),
        np.arange(len(cuts) + 1) - 0.5,
        baseline=None,
        color=look.colour,
        linestyle=look.line,
        linewidth=1.8,
    )
    after, after_errors = _arrays([found.networks[name]["all"] for name in networks])
    places = np.arange(len(cuts) + len(networks))
    for place, value in zip(places[len(cuts) :], after, strict=True):
        axes.hlines(style.positive(value), place - 0.4, place + 0.4, look.colour, look.line)
    axes.errorbar(
        places,
        style.positive(np.append(values, after)),
        np.append(errors, after_errors),
        color=look.colour,
        marker=look.marker,
        linestyle="none",
        markersize=6,
    )
    return Line2D(
        [], [], color=look.colour, linestyle=look.line, marker=look.marker, label=look.label
    )


@style.styled()
def met_spectrum(
    cutflows: Mapping[str, ProcessCutflow],
    bins: Sequence[MetBin],
    network: str,
    point: WorkingPoint,
    luminosity: float,
) -> Figure:
    """Draw the missing transverse momentum of the signal region, before and after a network.

    Args:
        cutflows: by process, normalised to the luminosity.
        bins: the exclusive regions in their order, the last without upper edge.
        network: the network of the second panel.
        point: its working point.
        luminosity: in 1/fb.
    """
    overflow = bins[-1].low
    edges = np.array([*(b.low for b in bins), overflow + _OVERFLOW_WIDTH])
    ticks = range(300, int(overflow), 100)
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    factor = _visible_factor(cutflows)
    before = {p: [found.bins[b.name] for b in bins] for p, found in cutflows.items()}
    after = {p: [found.networks[network][b.name] for b in bins] for p, found in cutflows.items()}
    tops = [
        _stack(axes, yields, edges, factor) for axes, yields in ((left, before), (right, after))
    ]
    peak = max(float(total.max()) for total in tops)
    least = min((float(t[t > 0].min()) for t in tops if (t > 0).any()), default=1.0)
    if peak > 0:
        left.set_yscale("log")
        left.set_ylim(least / 20, peak * 4)
    left.set(xlim=(edges[0], edges[-1]), ylabel="events / GeV")
    left.set_title("before the network", loc="right")
    right.set_title(f"{style.network(network)}, {_kept(point)}", loc="right")
    for axes in (left, right):
        axes.set_xlabel(f"{style.MET} [GeV]")
        axes.set_xticks([*ticks, (overflow + edges[-1]) / 2], [*map(str, ticks), f"> {overflow:g}"])
        axes.set_xticks(edges, minor=True)
        axes.axvline(overflow, color=style.GREY, linestyle=(0, (2, 2)), linewidth=1)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles[::-1],
        labels[::-1],
        loc="outside lower center",
        ncols=3,
        title=f"last bin: all events above {overflow:g} GeV, divided by {_OVERFLOW_WIDTH:g} GeV",
    )
    style.heading(figure, luminosity, "signal region")
    return figure


def _stack(
    axes: Axes, yields: Mapping[str, Sequence[Expected]], edges: Floats, factor: float
) -> Floats:
    """Stack the backgrounds with their error, draw the signals as lines, and return the total."""
    widths = np.diff(edges)
    total, variance = np.zeros(len(widths)), np.zeros(len(widths))
    backgrounds = [p for p in style.in_order(yields) if p not in SIGNALS]
    for process in reversed(backgrounds):
        look = style.process(process)
        values, errors = _arrays(yields[process])
        axes.stairs(
            total + values / widths,
            edges,
            baseline=total,
            fill=True,
            facecolor=look.colour,
            edgecolor="black",
            linewidth=0.6,
            hatch=look.hatch,
            label=look.label,
        )
        total = total + values / widths
        variance = variance + (errors / widths) ** 2
    error = np.sqrt(variance)
    axes.stairs(
        total + error,
        edges,
        baseline=np.maximum(total - error, 0),
        fill=True,
        facecolor="0.2",
        alpha=0.5,
        label="error (statistics, cross-sections)",
    )
    for process in yields:
        if process in SIGNALS:
            look = style.process(process)
            scaled = f" × {factor:g}" if factor != 1 else ""
            values, _ = _arrays(yields[process])
            axes.stairs(
                style.positive(factor * values / widths),
                edges,
                baseline=None,
                color=look.colour,
                linestyle=look.line,
                linewidth=2.2,
                label=look.label + scaled,
            )
    return total


def _kept(point: WorkingPoint) -> str:
    """Return the signal efficiency of a working point as text."""
    return rf"$\varepsilon_S$ = {100 * point.signal_efficiency:.1f} %"


def _visible_factor(cutflows: Mapping[str, ProcessCutflow]) -> float:
    """Return the power of ten that scales the signals to at least 1 % of the backgrounds."""
    sums = {True: 0.0, False: 0.0}
    for process, found in cutflows.items():
        sums[process in SIGNALS] += found.bins["all"].events
    if sums[True] <= 0 or sums[False] <= 0:
        return 1.0
    return 10.0 ** max(0, math.ceil(math.log10(0.01 * sums[False] / sums[True])))


def _arrays(yields: Sequence[Expected]) -> tuple[Floats, Floats]:
    return np.array([y.events for y in yields]), np.array([y.error for y in yields])
