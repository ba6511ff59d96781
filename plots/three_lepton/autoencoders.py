"""Scores of autoencoders, and their latent spaces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

from plots import style
from plots.results import opened
from plots.stack import fill, note
from plots.three_lepton.matrices import grid
from plots.three_lepton.samples import Axis, MatrixSample, read_quantity
from plots.three_lepton.stacks import compared, has_data

Floats = npt.NDArray[np.float64]

_BINS = 40  # at most
_FAR = 0.005  # share of a sample's events beyond each end of the score axis
_EDGE: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 1.2}
_CELLS = 80  # per side of a density
_SMOOTH = 2.5  # cells
_INSIDE = 0.68  # share of a process's events inside its contour
_TAIL = 0.002  # share of all events beyond each end of an axis of the latent space


@style.styled()
def score_distributions(
    autoencoder: str,
    samples: Sequence[MatrixSample],
    regions: Mapping[float, float],
    luminosity: float,
    factors: Mapping[str, float] | None = None,
) -> Figure:
    """Draw the distribution of a score as `stacks.stack` does, with the thresholds of regions.

    Args:
        autoencoder: column of the scores.
        samples: samples with scores; the ratio needs observed events.
        regions: threshold of each region, by the background share below it.
        luminosity: in 1/fb.
        factors: scale factors of signals, by process.
    """
    figure, panels = compared(samples, _axis(autoencoder, samples, regions.values()), factors or {})
    _thresholds(panels, regions)
    style.heading(figure, luminosity, style.network(autoencoder), has_data(samples))
    return figure


@style.styled()
def score_shapes(
    autoencoder: str, samples: Sequence[MatrixSample], regions: Mapping[float, float]
) -> Figure:
    """Draw the scores of each process, normalised to unit area, with the thresholds of regions."""
    axis = _axis(autoencoder, samples, regions.values())
    figure = Figure(figsize=(8.2, 6.0), layout="constrained")
    axes = figure.subplots()
    found = []
    for process in style.in_order(sample.process for sample in samples):
        columns = [read_quantity(s, axis) for s in samples if s.process == process]
        scores, weights = (np.concatenate(column) for column in zip(*columns, strict=True))
        found.append(fill(scores, weights, axis.edges))
        sums = found[-1].sums
        if sums.sum() <= 0:  # a selection may leave nothing
            continue
        look = style.process(process)
        axes.stairs(
            style.positive(sums / sums.sum() / np.diff(axis.edges)),
            axis.edges,
            baseline=None,
            color=look.colour,
            linestyle=look.line,
            linewidth=2.0,
            label=look.label,
        )
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, high * 1e-4), high * 2)
    axes.set(xlabel=style.SCORE, ylabel="density of events", xlim=(axis.edges[0], axis.edges[-1]))
    _thresholds([axes], regions)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title=note(found))
    style.heading(figure, text=style.network(autoencoder), data=has_data(samples))
    return figure


def _axis(autoencoder: str, samples: Sequence[MatrixSample], regions: Collection[float]) -> Axis:
    """Return bins for nearly all scores of each sample, and for all thresholds."""
    axis = Axis(autoencoder, style.SCORE, (0.0, 1.0), source="score")
    found = [read_quantity(sample, axis)[0] for sample in samples]
    ends = [np.quantile(scores, (_FAR, 1 - _FAR)) for scores in found if len(scores)]
    ends.append(np.array(list(regions)))
    places = np.concatenate(ends)
    low, high = (float(places.min()), float(places.max())) if len(places) else (0.0, 1.0)
    edges = MaxNLocator(_BINS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, max(high, low + 1e-3))
    return Axis(autoencoder, style.SCORE, tuple(np.asarray(edges).tolist()), source="score")


def _thresholds(panels: Sequence[Axes], regions: Mapping[float, float]) -> None:
    """Draw the thresholds of regions, labelled with the background share below."""
    for axes in panels:
        for threshold in regions.values():
            axes.axvline(threshold, **_EDGE)
    for share, threshold in regions.items():
        panels[0].annotate(
            f"{100 * share:g} %",
            (threshold, 0.985),
            xytext=(-2, 0),
            textcoords="offset points",
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="right",
            va="top",
            fontsize=10,
        )


@style.styled()
def latent_space(path: Path) -> Figure:
    """Draw events in two dimensions of a latent space: first a contour around the densest 68 % of
    each process, then each process in front of all events.

    Args:
        path: inspection file of an autoencoder.
    """
    with opened(path) as file:
        groups = {name: file["latent"][name] for name in file["latent"]}
        processes = {name: str(group.attrs["process"]) for name, group in groups.items()}
        found = {name: group[:].astype(np.float64) for name, group in groups.items()}
        explained = file.attrs.get("explained")
    points = {
        process: np.concatenate(
            [np.empty((0, 2)), *(found[n] for n in found if processes[n] == process)]
        )
        for process in style.in_order(processes.values())
    }
    everything = np.concatenate([np.empty((0, 2)), *points.values()])
    limits = _limits(everything)
    figure, (first, *panels) = grid(1 + len(points), 4.2, 4.0)
    for process, events in points.items():
        _contour(first, events, limits, style.process(process))
    first.set_title(f"around {100 * _INSIDE:g} % of the events", loc="left")
    for axes, (process, events) in zip(panels, points.items(), strict=True):
        look = style.process(process)
        drawn: dict[str, Any] = {"linestyle": "none", "marker": ".", "rasterized": True}
        axes.plot(*everything.T, color="0.85", markersize=2, **drawn)
        axes.plot(*events.T, color=look.colour, markersize=3, **drawn)
        _contour(axes, events, limits, style.Look(look.label, "black", "-", ""))
        axes.set_title(look.label, loc="left")
        axes.set_title(f"{len(events)} events", loc="right", fontsize=10)
    titles = [f"latent variable {i}" for i in (1, 2)]
    if explained is not None:
        titles = [
            f"principal component {i} ({100 * share:.1f} %)" for i, share in enumerate(explained, 1)
        ]
    for axes in (first, *panels):
        axes.set(xlim=limits[0], ylim=limits[1])
        axes.set_xlabel(titles[0], fontsize=11)
        axes.set_ylabel(titles[1], fontsize=11)
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.line, label=look.label)
        for look in map(style.process, points)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    style.heading(figure, text=style.network(path.stem))
    return figure


def _limits(events: Floats) -> list[tuple[float, float]]:
    """Return the range of both axes, without the most distant events, which would hide the rest."""
    if not len(events):
        return [(-1.0, 1.0), (-1.0, 1.0)]
    low, high = np.quantile(events, (_TAIL, 1 - _TAIL), axis=0)
    room = np.maximum(0.08 * (high - low), 1e-6)
    return [(a, b) for a, b in zip((low - room).tolist(), (high + room).tolist(), strict=True)]


def _contour(
    axes: Axes, events: Floats, limits: Sequence[tuple[float, float]], look: style.Look
) -> None:
    """Draw a contour around the densest events."""
    counts, *edges = np.histogram2d(events[:, 0], events[:, 1], _CELLS, limits)
    if counts.sum() == 0:
        return
    density = gaussian_filter(counts, _SMOOTH)
    ordered = np.sort(density, axis=None)[::-1]
    level = ordered[np.searchsorted(np.cumsum(ordered), _INSIDE * density.sum())]
    x, y = ([(a + b) / 2 for a, b in pairwise(edge)] for edge in edges)
    line = axes.contour(
        x, y, density.T, [level], colors=[look.colour], linestyles=[look.line], linewidths=1.6
    )
    line.set_path_effects([withStroke(linewidth=3.2, foreground="white")])
