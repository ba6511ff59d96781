"""Maps of a region: histograms of two quantities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from common.schema.templates import Template
from plots import fit, style
from plots.stack import Floats, is_logarithmic

_PANEL = (5.4, 5.2)  # inches
_DECADES = 6.0  # of a colour scale, at most
_WHITE = ListedColormap(["white"])
_LINEAR = 100.0  # largest over smallest value that a linear scale shows


@dataclass(frozen=True)
class _Map:
    """Events in the cells of two quantities; the outer cells include all beyond."""

    title: str
    cells: Floats
    beyond: bool


@style.styled()
def maps(
    templates: Mapping[str, Template],
    luminosity: float,
    *,
    signals: Collection[str] = (),
    data: Collection[str] = (),
    hidden: bool = False,
    text: str = "",
) -> Figure:
    """Draw the sum of the backgrounds, data and the largest signal in two quantities.

    Backgrounds and data have one colour scale. Cells without events are white, cells of a negative
    sum hatched. The outer cells include the events beyond.

    Args:
        templates: one histogram of two quantities in one region, by process; at least one.
        luminosity: in 1/fb.
        signals: processes that are signals.
        data: processes that are collision data, which are added.
        hidden: leave the data out, and say so.
        text: addition to the heading, such as the region.
    """
    shown = {process: templates[process] for process in style.in_order(templates)}
    backgrounds = [one for p, one in shown.items() if p not in {*signals, *data}]
    observed = [one for p, one in shown.items() if p in data and not hidden]
    found, common = [], []
    if backgrounds:
        common.append(_added("backgrounds", backgrounds))
    if observed:
        common.append(_added("data", observed))
    found += [(one, _norm([other.cells for other in common])) for one in common]
    if signal := _largest([one for p, one in shown.items() if p in signals]):
        one = _added(style.process(signal.process).label, [signal])
        found.append((one, _norm([one.cells])))
    columns = max(len(found), 1)
    size = max(_PANEL[0] * columns, 7.0), _PANEL[1]
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    template = next(iter(templates.values()))
    for axes, (one, norm) in zip(panels, found, strict=False):
        _draw(axes, one, norm, template)
    if any(one.beyond for one, _ in found):
        text = f"{text}, outer bins: with all events beyond".removeprefix(", ")
    fit.heading(figure, luminosity, text, data=bool(observed), hidden=hidden)
    return figure


def _added(title: str, templates: Sequence[Template]) -> _Map:
    """Return the sum of histograms."""
    values = sum((one.values for one in templates), np.zeros_like(templates[0].values))
    squares = sum((one.variances for one in templates), np.zeros_like(values))
    return _Map(title, _folded(values), bool(squares.sum() > squares[1:-1, 1:-1].sum()))


def _folded(values: Floats) -> Floats:
    """Add underflow and overflow of both axes to the outer cells."""
    for _ in range(2):
        values[1] += values[0]
        values[-2] += values[-1]
        values = values[1:-1].T
    return values


def _largest(templates: Sequence[Template]) -> Template | None:
    return max(templates, key=lambda one: float(one.values.sum()), default=None)


def _norm(cells: Sequence[Floats]) -> Normalize:
    """Return the colour scale of some maps: logarithmic if their values span more than two decades,
    else linear from 0."""
    values = np.concatenate([one.ravel() for one in cells])
    values = values[values > 0]
    high = float(values.max(initial=0.0))
    if high > _LINEAR * values.min(initial=high):
        low = max(float(values.min()), high * 10**-_DECADES)
        return LogNorm(low, high, clip=True)
    return Normalize(0, high or 1.0)


def _draw(axes: Axes, one: _Map, norm: Normalize, template: Template) -> None:
    x, y = template.edges
    mesh = axes.pcolormesh(x, y, style.positive(one.cells).T, norm=norm, cmap=style.SCALE)
    mesh.set_rasterized(True)
    if (one.cells < 0).any():
        negative = np.ma.masked_array(one.cells, one.cells >= 0).T  # type: ignore[no-untyped-call]
        axes.pcolor(x, y, negative, hatch="xxxx", cmap=_WHITE, edgecolor="0.4", linewidth=0)
    for axis, edges, label in zip("xy", (x, y), template.labels, strict=True):
        axes.set(**{f"{axis}label": fit.wrapped(label, _PANEL[0] - 1.6, 13)})
        if is_logarithmic(edges):
            axes.set(**{f"{axis}scale": "log"})
    axes.set_title(fit.wrapped(one.title, _PANEL[0] - 1.6, 12), loc="left")
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=axes).set_label("events / bin")
