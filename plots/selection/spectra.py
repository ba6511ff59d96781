"""Spectra of a region: histograms of one quantity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from matplotlib.figure import Figure

from common.schema.templates import Template
from plots import fit, style
from plots.stack import (
    Bins,
    Content,
    Floats,
    Histogram,
    by_yield,
    labelled_bins,
    stacked,
    together,
    visible_factors,
)


@style.styled()
def stack(
    templates: Mapping[str, Template],
    luminosity: float,
    *,
    signals: Collection[str] = (),
    data: Collection[str] = (),
    hidden: bool = False,
    factors: Mapping[str, float] | None = None,
    text: str = "",
) -> Figure:
    """Draw stacked backgrounds, signals as lines, data as points, and the ratio of data to the
    expected events.

    The outer bins include underflow and overflow. Events in bins of different widths are divided by
    these. Points have Poisson intervals; the band is the statistical error of the simulation.

    Args:
        templates: one histogram of one quantity in one region, by process; at least one.
        luminosity: in 1/fb.
        signals: processes that are signals.
        data: processes that are collision data, which are added.
        hidden: leave the data out, and say so.
        factors: scale factors of signals, by process; None: powers of ten that make them visible.
        text: addition to the heading, such as the region.
    """
    bins = bins_of(templates)
    shown = content(templates, signals, data, hidden)
    shown = replace(shown, factors=visible_factors(shown, bins) if factors is None else factors)
    figure, _ = stacked(bins, shown, ratio=bool(shown.observed and shown.backgrounds))
    fit.heading(figure, luminosity, text, data=bool(shown.observed), hidden=hidden)
    return figure


def bins_of(templates: Mapping[str, Template]) -> Bins:
    """Return the bins of histograms of one quantity."""
    template = next(iter(templates.values()))
    return labelled_bins(template.edges[0].tolist(), template.labels[0])


def content(
    templates: Mapping[str, Template],
    signals: Collection[str],
    data: Collection[str],
    hidden: bool,
) -> Content:
    """Return what a figure shows: the backgrounds, the smallest first, the signals in the order of
    legends, and the data, added, unless these are ``hidden``."""
    found = {process: folded(templates[process]) for process in style.in_order(templates)}
    observed = {p: h for p, h in found.items() if p in data and not hidden}
    return Content(
        by_yield({p: h for p, h in found.items() if p not in {*signals, *data}}),
        {p: h for p, h in found.items() if p in signals},
        together(observed, len(bins_of(templates))),
    )


def folded(template: Template) -> Histogram:
    """Return a histogram of one quantity whose outer bins include underflow and overflow."""
    below, above = (bool(template.variances[end]) for end in (0, -1))
    return Histogram(_fold(template.values), _fold(template.variances), below, above)


def _fold(content: Floats) -> Floats:
    inner = content[1:-1].copy()
    inner[0] += content[0]
    inner[-1] += content[-1]
    return inner
