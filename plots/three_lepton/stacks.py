"""Spectra: expected backgrounds, expected signals and observed events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy.special import gammaincinv, ndtr  # type: ignore[import-untyped]

from common.schema.matrices import MatrixFile
from plots import style
from plots.three_lepton.samples import Axis, Kind, MatrixSample, read_quantity

Floats = npt.NDArray[np.float64]

_RATIOS = (0.0, 2.0)
_FEW = 0.1  # events; bins with fewer do not extend the axis, unless all have few
_MARKERS = "osD^"  # one per set of observed events
_BAND: dict[str, Any] = {"hatch": "//////", "edgecolor": "0.3", "linewidth": 0, "fill": False}
_CASING = [withStroke(linewidth=4.5, foreground="white")]  # sets a line off filled areas


@dataclass(frozen=True)
class Histogram:
    """Sums of weights and of squared weights in bins.

    The first and the last bin include underflow and overflow; ``below`` and ``above`` tell whether
    either has events.
    """

    sums: Floats
    squares: Floats
    below: bool = False
    above: bool = False

    @property
    def error(self) -> Floats:
        """Return the statistical error of each bin."""
        return np.sqrt(self.squares)

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(
            self.sums + other.sums,
            self.squares + other.squares,
            self.below or other.below,
            self.above or other.above,
        )


def fill(values: Floats, weights: Floats, edges: Sequence[float]) -> Histogram:
    """Return a histogram of weighted values."""
    inside = np.clip(values, edges[0], edges[-1])
    return Histogram(
        np.histogram(inside, edges, weights=weights)[0].astype(np.float64),
        np.histogram(inside, edges, weights=weights**2)[0].astype(np.float64),
        bool((values < edges[0]).any()),
        bool((values > edges[-1]).any()),
    )


def total(histograms: Iterable[Histogram], n_bins: int) -> Histogram:
    """Return the sum of histograms of ``n_bins`` bins, also of none."""
    return reduce(Histogram.__add__, histograms, Histogram(np.zeros(n_bins), np.zeros(n_bins)))


def garwood(counts: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper errors of counts: central 68.3 % intervals of Poisson means (F.
    Garwood, Biometrika 28 (1936) 437)."""
    tail = float(ndtr(-1.0))
    low = np.where(counts > 0, gammaincinv(np.maximum(counts, 1), tail), 0.0)
    return counts - low, gammaincinv(counts + 1, 1 - tail) - counts


def histograms(samples: Sequence[MatrixSample], kind: Kind, axis: Axis) -> dict[str, Histogram]:
    """Return a histogram of each process of a kind, in the order of legends."""
    of_kind = [sample for sample in samples if sample.kind == kind]
    found = {}
    for process in style.in_order(sample.process for sample in of_kind):
        columns = [read_quantity(s, axis) for s in of_kind if s.process == process]
        values, weights = (np.concatenate(column) for column in zip(*columns, strict=True))
        found[process] = fill(values, weights, axis.edges)
    return found


def has_data(samples: Sequence[MatrixSample]) -> bool:
    """Return whether any of the samples is collision data."""
    for sample in samples:
        with MatrixFile(sample.path) as file:
            if file.is_data:
                return True
    return False


@style.styled()
def stack(
    samples: Sequence[MatrixSample],
    axis: Axis,
    luminosity: float,
    factors: Mapping[str, float] | None = None,
    text: str = "",
) -> Figure:
    """Draw stacked backgrounds, signals as lines, observed events as points, and the ratio of
    observed to expected events.

    Points have Poisson intervals, the expectation has the statistical error of the simulation. The
    first and the last bin include underflow and overflow.

    Args:
        samples: samples of one process are added; the ratio needs observed events.
        axis: quantity and bins.
        luminosity: in 1/fb.
        factors: scale factors of signals, by process.
        text: addition to the heading, such as a selection.
    """
    figure, _ = compared(samples, axis, factors or {})
    style.heading(figure, luminosity, text, has_data(samples))
    return figure


def compared(
    samples: Sequence[MatrixSample], axis: Axis, factors: Mapping[str, float]
) -> tuple[Figure, list[Axes]]:
    """Return the figure of `stack` without its heading, and its panels."""
    observed = histograms(samples, "observed", axis)
    backgrounds = histograms(samples, "background", axis)
    signals = histograms(samples, "signal", axis)
    expected = total(backgrounds.values(), len(axis.edges) - 1)
    scaled = {p: factors.get(p, 1.0) * h.sums for p, h in signals.items()}

    figure = Figure(figsize=(8.2, 7.6 if observed else 6.4), layout="constrained")
    figure.get_layout_engine().set(hspace=0.0, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    heights = (3, 1) if observed else (1,)
    panels: list[Axes] = list(
        figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    )
    upper = panels[0]
    handles = [
        *_observed(upper, observed, axis.edges),
        *_stack(upper, backgrounds, axis.edges)[::-1],
        *_signals(upper, scaled, axis.edges, factors),
    ]
    _scale(upper, [expected.sums, *scaled.values(), *(h.sums for h in observed.values())])
    if observed:
        _ratio(panels[1], observed, expected, axis.edges)
    upper.set_ylabel(_events(axis))
    panels[-1].set_xlabel(axis.title)
    panels[-1].set_xlim(axis.edges[0], axis.edges[-1])
    if axis.log:
        panels[-1].set_xscale("log")
    everything = [expected, *signals.values(), *observed.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, title=note(everything))
    return figure, panels


def _stack(axes: Axes, backgrounds: Mapping[str, Histogram], edges: Sequence[float]) -> list[Any]:
    """Draw the backgrounds stacked, the largest on top, and the error of their sum."""
    below = total((), len(edges) - 1)
    drawn = []
    for process, histogram in sorted(backgrounds.items(), key=lambda item: item[1].sums.sum()):
        look, above = style.process(process), below + histogram
        drawn.append(
            axes.stairs(
                above.sums,
                edges,
                baseline=below.sums,
                fill=True,
                facecolor=look.colour,
                edgecolor="black",
                linewidth=0.6,
                hatch=look.hatch,
                label=look.label,
            )
        )
        below = above
    if backgrounds:
        low, high = np.maximum(below.sums - below.error, 0), below.sums + below.error
        label = "statistical error"
        drawn.insert(0, axes.stairs(high, edges, baseline=low, label=label, **_BAND))
    return drawn


def _signals(
    axes: Axes, signals: Mapping[str, Floats], edges: Sequence[float], factors: Mapping[str, float]
) -> list[Any]:
    """Draw signals, already scaled by the factors, as lines."""
    drawn = []
    for process, sums in signals.items():
        look, factor = style.process(process), factors.get(process, 1.0)
        drawn.append(
            axes.stairs(
                style.positive(sums),
                edges,
                baseline=None,
                color=look.colour,
                linestyle=look.line,
                linewidth=2.2,
                path_effects=_CASING,
                label=look.label + (f" × {factor:g}" if factor != 1 else ""),
            )
        )
    return drawn


def _points(
    axes: Axes, x: Floats, y: Floats, errors: tuple[Floats, Floats], number: int, label: str = ""
) -> Any:
    return axes.errorbar(
        x,
        y,
        errors,
        color="black",
        linestyle="none",
        marker=_MARKERS[number % len(_MARKERS)],
        markerfacecolor="white" if number else "black",
        markersize=5,
        linewidth=1.2,
        label=label,
        zorder=4,
    )


def _places(edges: Sequence[float], number: int, total_number: int) -> Floats:
    """Return the abscissa of the points of one set; several sets lie side by side in a bin."""
    return np.array(edges[:-1]) + (number + 1) / (total_number + 1) * np.diff(edges)


def _observed(axes: Axes, observed: Mapping[str, Histogram], edges: Sequence[float]) -> list[Any]:
    """Draw observed events of bins that are not empty."""
    drawn = []
    for number, (process, histogram) in enumerate(observed.items()):
        x, some = _places(edges, number, len(observed)), histogram.sums > 0
        below, above = garwood(histogram.sums[some])
        label = style.process(process).label
        drawn.append(_points(axes, x[some], histogram.sums[some], (below, above), number, label))
    return drawn


def _ratio(
    axes: Axes, observed: Mapping[str, Histogram], expected: Histogram, edges: Sequence[float]
) -> None:
    """Draw observed over expected events with both errors.

    Arrows mark ratios beyond the panel, and observed events where none are expected.
    """
    some = expected.sums > 0
    relative = np.divide(expected.error, expected.sums, out=np.zeros(len(some)), where=some)
    low, high = np.where(some, 1 - relative, np.nan), np.where(some, 1 + relative, np.nan)
    axes.stairs(np.clip(high, *_RATIOS), edges, baseline=np.clip(low, *_RATIOS), **_BAND)
    axes.axhline(1, color="black", linewidth=1)
    for number, histogram in enumerate(observed.values()):
        x, counts = _places(edges, number, len(observed)), histogram.sums
        ratio = np.divide(counts, expected.sums, out=np.full(len(some), np.inf), where=some)
        beyond = (ratio > _RATIOS[1]) & (counts > 0)
        shown = some & ~beyond
        below, above = garwood(counts[shown])
        errors = below / expected.sums[shown], above / expected.sums[shown]
        drawn = _points(axes, x[shown], ratio[shown], errors, number)
        drawn.lines[0].set_clip_on(False)  # points at 0
        axes.plot(
            x[beyond],
            np.full(int(beyond.sum()), _RATIOS[1] - 0.14),
            linestyle="none",
            marker="^",
            markersize=8,
            color="black",
            markerfacecolor=drawn.lines[0].get_markerfacecolor(),
            zorder=4,
        )
    axes.set_ylim(*_RATIOS)
    axes.set_yticks([0, 0.5, 1, 1.5])
    axes.set_ylabel("observed / expected", fontsize=11)


def _scale(axes: Axes, shown: Sequence[Floats]) -> None:
    """Set a logarithmic axis from below the lowest non-empty bin to above the highest."""
    values = np.concatenate(shown)
    values = values[values > 0]
    high = float(values.max(initial=0.0)) or 1.0
    low = max(float(values.min(initial=high)), min(_FEW, 1e-3 * high))
    axes.set_ylim(low / 4, high * max(4.0, (high / low) ** 0.15))
    axes.set_yscale("log")


def _events(axis: Axis) -> str:
    """Return the title of the axis of events, with the bin width."""
    widths = np.diff(axis.edges)
    if axis.log or not np.allclose(widths, widths[0]):
        return "events / bin"
    if not axis.unit and np.isclose(widths[0], 1):
        return "events"
    return f"events / {widths[0]:.3g} {axis.unit}".rstrip()


def note(shown: Sequence[Histogram]) -> str | None:
    """Return a note on underflow and overflow in the outer bins; None without any."""
    parts = []
    if any(h.below for h in shown):
        parts.append("first bin: with all events below")
    if any(h.above for h in shown):
        parts.append("last bin: with all events above")
    return "; ".join(parts) or None
