"""Spectra of samples of matrices: expected backgrounds and signals, and observed events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.schema.matrices import MatrixFile
from plots import style
from plots.stack import (
    Bins,
    Content,
    Histogram,
    by_yield,
    events_per_width,
    fill,
    plain_bins,
    stacked,
)
from plots.three_lepton.samples import Axis, Kind, MatrixSample, read_quantity


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
    content = Content(
        by_yield(histograms(samples, "background", axis)),
        histograms(samples, "signal", axis),
        histograms(samples, "observed", axis),
        factors,
    )
    return stacked(_bins(axis), content, log=True, ratio=bool(content.observed))


def _bins(axis: Axis) -> Bins:
    """Return the bins, whose events are not divided by the widths."""
    widths = np.diff(axis.edges)
    events = (
        "events / bin"
        if axis.log or not np.allclose(widths, widths[0])
        else events_per_width(float(widths[0]), axis.unit)
    )
    return plain_bins(axis.edges, axis.title, events, axis.log)
