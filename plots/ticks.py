"""Draw ticks in less time, with the same look.

Matplotlib has five artists for each minor tick and updates them a dozen times per figure, which
takes half of the time of a figure. Here, the minor ticks of a side of an axis are one line of
markers. The numbers at ticks are formulas, which are slow to parse, where plain text does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import Locator, NullLocator, ScalarFormatter

_TOLERANCE = 1e-10  # of the length of an axis, as matplotlib has it


@contextlib.contextmanager
def minor_as_lines(figure: Figure) -> Iterator[None]:
    """Take the minor ticks from a figure, and draw them as lines in the end, when the layout is
    known. Minor ticks with labels stay."""
    taken = [
        (axis, axis.get_minor_locator())
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if not _has_labels(axis)
    ]
    for axis, _ in taken:
        axis.set_minor_locator(NullLocator())
    yield
    for axis, locator in taken:
        _draw(axis, _places(axis, locator))


def plain_numbers(figure: Figure) -> None:
    """Write the numbers at the axes of a figure as plain text, unless these have a common power of
    ten."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, ScalarFormatter):
                formatter.format_ticks(axis.get_majorticklocs().tolist())
                if not formatter.get_offset():
                    formatter.set_useMathText(False)


def _has_labels(axis: Axis) -> bool:
    return any(axis.get_minor_formatter().format_ticks(axis.get_minorticklocs().tolist()))


def _places(axis: Axis, locator: Locator) -> Any:
    """Return where a locator places the minor ticks of an axis, within its limits."""
    axis.set_minor_locator(locator)  # of which axes may have one in common
    places = np.asarray(axis.get_minorticklocs(), np.float64)
    axis.set_minor_locator(NullLocator())
    transform = axis.get_transform()
    low, high = np.sort(transform.transform(np.asarray(axis.get_view_interval())))
    shown, margin = transform.transform(places), _TOLERANCE * (high - low)
    return places[(low - margin <= shown) & (shown <= high + margin)]


def _draw(axis: Axis, places: Any) -> None:
    """Draw the minor ticks of an axis, as one line for each side that has ticks."""
    if not len(places) or not axis.get_visible() or not axis.axes.axison:
        return
    (tick,) = axis.get_minor_ticks(1)
    for pattern in (tick.tick1line, tick.tick2line):
        if not pattern.get_visible():
            continue
        line = Line2D([], [], zorder=axis.get_zorder())
        line.update_from(pattern)
        x, y = (np.resize(part, len(places)) for part in pattern.get_data())
        line.set_data(*((places, y) if axis is axis.axes.xaxis else (x, places)))
        axis.axes.add_artist(line)
        line.set_clip_on(False)
