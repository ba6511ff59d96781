"""Stacked backgrounds, signals as lines, observed events as points, and their ratio.

What is drawn are histograms by process; figures say where these come from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy.special import gammaincinv, ndtr  # type: ignore[import-untyped]

from plots import fit, style

Floats = npt.NDArray[np.float64]

_RATIOS = (0.0, 2.0)
_FEW = 0.1  # events; bins with fewer do not extend the axis, unless all have few
_DECADES = 2.0  # that values span at most on a linear axis
_MARKERS = "osD^"  # one per set of observed events
_BAND: dict[str, Any] = {"hatch": "//////", "edgecolor": "0.3", "linewidth": 0, "fill": False}
_CASING = [withStroke(linewidth=4.5, foreground="white")]  # sets a line off filled areas


# --- Histograms -----------------------------------------------------------------------------------


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


def together(data: Mapping[str, Histogram], n_bins: int) -> dict[str, Histogram]:
    """Return all data as one set; several processes become one, ``data``."""
    return dict(data) if len(data) < 2 else {"data": total(data.values(), n_bins)}


def by_yield(histograms: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """Return histograms in the order of their sums, the smallest first."""
    return dict(sorted(histograms.items(), key=lambda item: float(item[1].sums.sum())))


def garwood(counts: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper errors of counts: central 68.3 % intervals of Poisson means (F.
    Garwood, Biometrika 28 (1936) 437)."""
    tail = float(ndtr(-1.0))
    low = np.where(counts > 0, gammaincinv(np.maximum(counts, 1), tail), 0.0)
    return counts - low, gammaincinv(counts + 1, 1 - tail) - counts


def note(shown: Iterable[Histogram]) -> str | None:
    """Return a note on underflow and overflow in the outer bins; None without any."""
    histograms = list(shown)
    parts = []
    if any(h.below for h in histograms):
        parts.append("first bin: with all events below")
    if any(h.above for h in histograms):
        parts.append("last bin: with all events above")
    return "; ".join(parts) or None


# --- Bins and content of a panel ------------------------------------------------------------------


@dataclass(frozen=True)
class Bins:
    """Edges of bins, the titles of the axes, and what the events of each bin are divided by.

    ``log`` makes the axis of the quantity logarithmic.
    """

    edges: Floats
    title: str
    events: str
    divisor: Floats
    log: bool = False

    def __len__(self) -> int:
        return len(self.edges) - 1

    def places(self, number: int, total_number: int) -> Floats:
        """Return the abscissa of the points of one set; several sets lie side by side in a bin."""
        return self.edges[:-1] + (number + 1) / (total_number + 1) * np.diff(self.edges)


def plain_bins(edges: Sequence[float], title: str, events: str, log: bool = False) -> Bins:
    """Return bins whose events are not divided by anything."""
    return Bins(np.asarray(edges, np.float64), title, events, np.ones(len(edges) - 1), log)


def labelled_bins(edges: Sequence[float], label: str) -> Bins:
    """Return the bins of a quantity with its label, such as ``$m$ [GeV]``.

    Bins of different widths are divided by these. The axis is logarithmic if they are equal there.
    """
    places, unit = np.asarray(edges, np.float64), unit_of(label)
    widths = np.diff(places)
    if np.allclose(widths, widths[0]):
        return plain_bins(edges, label, events_per_width(float(widths[0]), unit))
    return Bins(places, label, f"events / {unit or 'unit'}", widths, is_logarithmic(places))


def is_logarithmic(edges: Floats) -> bool:
    """Return whether bins, which are more than one, have equal widths on a logarithmic axis."""
    if len(edges) < 3 or edges[0] <= 0:
        return False
    ratios = edges[1:] / edges[:-1]
    return bool(np.allclose(ratios, ratios[0]))


def unit_of(label: str) -> str:
    """Return the unit at the end of a label, in brackets; empty without any."""
    found = re.search(r"\[([^][]+)\]\s*$", label)
    return found[1] if found else ""


def events_per_width(width: float, unit: str) -> str:
    """Return the title of the axis of events in bins of one width."""
    if not unit and math.isclose(width, 1):
        return "events"
    return f"events / {width:.3g} {unit}".rstrip()


@dataclass(frozen=True)
class Content:
    """What a panel shows: histograms by process, with the same bins.

    Backgrounds are stacked in their order; signals are multiplied by their ``factors``. ``error``
    is what the error of the backgrounds is called.
    """

    backgrounds: Mapping[str, Histogram]
    signals: Mapping[str, Histogram] = field(default_factory=dict)
    observed: Mapping[str, Histogram] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    error: str = "statistical error"

    def expected(self, bins: Bins) -> Histogram:
        """Return the sum of the backgrounds."""
        return total(self.backgrounds.values(), len(bins))

    def heights(self, bins: Bins) -> list[Floats]:
        """Return the heights of all that is drawn."""
        scaled = [self.factors.get(p, 1.0) * h.sums for p, h in self.signals.items()]
        observed = [h.sums for h in self.observed.values()]
        return [one / bins.divisor for one in (self.expected(bins).sums, *scaled, *observed)]

    def ends(self, bins: Bins) -> list[Floats]:
        """Return the ends of stacked backgrounds and of errors."""
        expected = self.expected(bins)
        below, above = expected.sums - expected.error, expected.sums + expected.error
        stack = np.cumsum([0 * below, *(h.sums for h in self.backgrounds.values())], axis=0)
        observed = [h.sums + garwood(h.sums)[1] for h in self.observed.values()]
        return [one / bins.divisor for one in (below, above, *stack, *observed)]

    @property
    def everything(self) -> list[Histogram]:
        """Return all histograms."""
        return [*self.backgrounds.values(), *self.signals.values(), *self.observed.values()]


def visible_factors(content: Content, bins: Bins) -> dict[str, float]:
    """Return the powers of ten that scale signals to be seen beside the backgrounds: to a tenth of
    a linear axis, or a quarter of a logarithmic one."""
    shown = [content.expected(bins).sums / bins.divisor]
    shown += [h.sums / bins.divisor for h in content.observed.values()]
    low, high = _ends(shown, bins)
    least = low * (high / low) ** 0.25 if spans_decades(shown, bins) else 0.1 * high
    factors = {}
    for process, histogram in content.signals.items():
        highest = float((histogram.sums / bins.divisor).max(initial=0.0))
        some = highest > 0 and any((one > 0).any() for one in shown)
        factors[process] = 10.0 ** max(0, math.ceil(math.log10(least / highest))) if some else 1.0
    return factors


# --- Drawing --------------------------------------------------------------------------------------


def stacked(
    bins: Bins, content: Content, *, log: bool | None = None, ratio: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return a figure of stacked backgrounds, signals and observed events, and its panels.

    Args:
        bins: the bins.
        content: what is drawn.
        log: whether the axis of events is logarithmic; None: if its values span two decades.
        ratio: whether a second panel shows the ratio of observed to expected events.
    """
    figure = Figure(figsize=(8.2, 7.6 if ratio else 6.4), layout="constrained")
    figure.get_layout_engine().set(hspace=0.0, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    heights = (3, 1) if ratio else (1,)
    panels: list[Axes] = list(
        figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    )
    handles = draw(panels[0], bins, content)
    scale(panels[0], bins, [content], log)
    if ratio:
        _ratio(panels[1], bins, content)
    panels[0].set_ylabel(bins.events)
    panels[-1].set_xlabel(fit.wrapped(bins.title, figure.get_figwidth() - 1.5, 13))
    panels[-1].set_xlim(bins.edges[0], bins.edges[-1])
    if bins.log:
        panels[-1].set_xscale("log")
    fit.legend(figure, handles, note(content.everything))
    return figure, panels


def draw(axes: Axes, bins: Bins, content: Content) -> list[Any]:
    """Draw all histograms and return their legend entries: observed events, backgrounds from the
    top, the error, signals."""
    return [
        *_observed(axes, bins, content.observed),
        *_backgrounds(axes, bins, content)[::-1],
        *_signals(axes, bins, content),
    ]


def _backgrounds(axes: Axes, bins: Bins, content: Content) -> list[Any]:
    """Draw the backgrounds stacked, the last on top, and the error of their sum."""
    below = total((), len(bins))
    drawn = []
    for process, histogram in content.backgrounds.items():
        look, above = style.process(process), below + histogram
        drawn.append(
            axes.stairs(
                above.sums / bins.divisor,
                bins.edges,
                baseline=below.sums / bins.divisor,
                fill=True,
                facecolor=look.colour,
                edgecolor="black",
                linewidth=0.6,
                hatch=look.hatch,
                label=look.label,
            )
        )
        below = above
    if content.backgrounds:
        low, high = below.sums - below.error, below.sums + below.error
        low = np.where(below.sums >= 0, np.maximum(low, 0), low)
        drawn.insert(
            0,
            axes.stairs(
                high / bins.divisor,
                bins.edges,
                baseline=low / bins.divisor,
                label=content.error,
                **_BAND,
            ),
        )
    return drawn


def _signals(axes: Axes, bins: Bins, content: Content) -> list[Any]:
    """Draw signals, multiplied by their factors, as lines."""
    drawn = []
    for process, histogram in content.signals.items():
        look, factor = style.process(process), content.factors.get(process, 1.0)
        drawn.append(
            axes.stairs(
                style.positive(factor * histogram.sums / bins.divisor),
                bins.edges,
                baseline=None,
                color=look.colour,
                linestyle=look.line,
                linewidth=2.2,
                path_effects=_CASING,
                label=look.label + times(factor),
            )
        )
    return drawn


def times(factor: float) -> str:
    """Return a factor as an addition to a label; nothing for 1."""
    if factor == 1:
        return ""
    power = round(math.log10(factor)) if factor > 0 else 0
    if power > 4 and math.isclose(factor, 10.0**power):
        return rf" × $10^{{{power}}}$"
    return f" × {factor:g}"


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


def _observed(axes: Axes, bins: Bins, observed: Mapping[str, Histogram]) -> list[Any]:
    """Draw observed events of bins that are not empty."""
    drawn = []
    for number, (process, histogram) in enumerate(observed.items()):
        x, some = bins.places(number, len(observed)), histogram.sums > 0
        counts, divisor = histogram.sums[some], bins.divisor[some]
        below, above = garwood(counts)
        label = style.process(process).label
        errors = below / divisor, above / divisor
        drawn.append(_points(axes, x[some], counts / divisor, errors, number, label))
    return drawn


def _ratio(axes: Axes, bins: Bins, content: Content) -> None:
    """Draw observed over expected events with both errors.

    Arrows mark ratios beyond the panel, and observed events where none are expected.
    """
    expected = content.expected(bins)
    some = expected.sums > 0
    relative = np.divide(expected.error, expected.sums, out=np.zeros(len(some)), where=some)
    low, high = np.where(some, 1 - relative, np.nan), np.where(some, 1 + relative, np.nan)
    axes.stairs(np.clip(high, *_RATIOS), bins.edges, baseline=np.clip(low, *_RATIOS), **_BAND)
    axes.axhline(1, color="black", linewidth=1)
    for number, histogram in enumerate(content.observed.values()):
        x, counts = bins.places(number, len(content.observed)), histogram.sums
        ratio = np.divide(counts, expected.sums, out=np.full(len(some), np.inf), where=some)
        beyond = (ratio > _RATIOS[1]) & (counts > 0)
        shown = some & ~beyond
        below, above = garwood(counts[shown])
        errors = below / expected.sums[shown], above / expected.sums[shown]
        drawn = _points(axes, x[shown], ratio[shown], errors, number)
        drawn.lines[0].set_clip_on(
            not shown.any()
        )  # shows points at 0; none would be at the origin
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


# --- The axis of events ---------------------------------------------------------------------------


def scale(axes: Axes, bins: Bins, contents: Sequence[Content], log: bool | None = None) -> None:
    """Set the axis of events for all of some contents: logarithmic from below the lowest non-empty
    bin to above the highest, or linear from 0 or below negative bins.

    Without ``log``, values that span more than two decades make it logarithmic.
    """
    shown = [heights for content in contents for heights in content.heights(bins)]
    if log is None:
        log = spans_decades(shown, bins)
    if log:
        low, high = _ends(shown, bins)
        axes.set_ylim(low / 4, high * max(4.0, (high / low) ** 0.15))
        axes.set_yscale("log")
        return
    drawn = [*shown, *(ends for content in contents for ends in content.ends(bins))]
    high = max(float(one.max(initial=0.0)) for one in drawn) or 1.0
    negative = any((h.sums < 0).any() for one in contents for h in one.backgrounds.values())
    low = min(float(one.min(initial=0.0)) for one in drawn) if negative else 0.0
    axes.set_ylim(1.15 * low, 1.15 * high)


def spans_decades(shown: Sequence[Floats], bins: Bins) -> bool:
    """Return whether heights span more than two decades."""
    low, high = _ends(shown, bins)
    return high > 10**_DECADES * low


def _ends(shown: Sequence[Floats], bins: Bins) -> tuple[float, float]:
    """Return the lowest and the highest height for a logarithmic axis."""
    values = np.concatenate(shown)
    values = values[values > 0]
    high = float(values.max(initial=0.0)) or 1.0
    few = _FEW / float(bins.divisor.max())
    return max(float(values.min(initial=high)), min(few, 1e-3 * high)), high
