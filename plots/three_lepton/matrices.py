"""Rapidity-mass matrices: those of processes, and what autoencoders make of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from common.runtime.errors import InputError, did_you_mean
from plots import style
from plots.results import Matrices, counted, opened
from plots.three_lepton.stacks import has_data

Floats = npt.NDArray[np.float64]

LEADING = 5  # elements that are named
_DECADES = 4.0  # of a colour scale
_ROWS = 4096  # events read at a time
_KINDS = {
    "jet": "jets",
    "bjet": "b jets",
    "electron": "e",
    "muon": r"$\mu$",
    "photon": r"$\gamma$",
    "tau": r"$\tau$",
}


@dataclass(frozen=True)
class Layout:
    """The elements of a matrix, row by row, and the numbers of slots of its types of objects."""

    names: tuple[str, ...]
    objects: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Of the matrix, which is square."""
        return 1 + sum(self.objects.values())

    def square(self, values: Any) -> Floats:
        """Elements in the shape of the matrix."""
        return np.asarray(values, np.float64).reshape(self.rows, self.rows)

    def borders(self) -> list[int]:
        """The rows at which types of objects begin and the last one ends."""
        return list(accumulate(self.objects.values(), initial=1))


def layout_of(path: Path, file: Any) -> Layout:
    """The layout of the matrices in an open file.

    Raises:
        InputError: its names and types of objects do not make a matrix.
    """
    objects = {kind: slots for kind, slots in json.loads(file.attrs["objects"]).items() if slots}
    layout = Layout(tuple(str(name) for name in file.attrs["names"]), objects)
    if len(layout.names) != layout.rows**2:
        raise InputError(
            f"{path}: {len(layout.names)} elements do not make a matrix of {layout.rows} rows:"
            " make it again"
        )
    return layout


def draw(axes: Axes, matrix: Floats, layout: Layout, norm: Normalize) -> AxesImage:
    """Draw a matrix, white where it is not positive, its types of objects along both sides."""
    end = layout.rows - 0.5
    image = axes.imshow(
        np.where(matrix > 0, matrix, np.nan),
        cmap=style.SCALE,
        norm=norm,
        extent=(-0.5, end, end, -0.5),
    )
    borders = [border - 0.5 for border in layout.borders()]
    for border in borders[:-1]:
        axes.axhline(border, color="0.4", linewidth=0.7)
        axes.axvline(border, color="0.4", linewidth=0.7)
    centres = [0.0, *((a + b) / 2 for a, b in pairwise(borders))]
    labels = [style.MET, *(_KINDS.get(kind, style.plain(kind)) for kind in layout.objects)]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(borders[:-1], [""] * (len(borders) - 1))
        axis.set_ticks(centres, labels, minor=True, fontsize=10)
        axis.set_tick_params(which="minor", length=0)
    axes.tick_params("x", which="minor", rotation=40)
    return image


def grid(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of a size, in up to four columns."""
    columns = min(4, math.ceil(math.sqrt(max(count, 1))))
    rows = math.ceil(max(count, 1) / columns)
    figure = Figure(figsize=(1.2 + width * columns, 0.7 + height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def mean(samples: Sequence[Matrices]) -> tuple[Floats, int]:
    """The weighted mean of all elements over the events of some samples, and how many these are."""
    sums: Any = 0.0
    weights, events = 0.0, 0
    for sample in samples:
        with opened(sample.path) as file:
            chosen, weight = counted(file, sample)
            of_all = np.zeros(len(file["features"]))
            of_all[chosen] = weight
            for begin in range(0, len(of_all), _ROWS):
                part = of_all[begin : begin + _ROWS]
                sums = sums + part @ file["features"][begin : begin + _ROWS].astype(np.float64)
        weights += weight.sum()
        events += len(chosen)
    return np.asarray(sums / weights if weights > 0 else np.zeros_like(sums)), events


@style.styled()
def mean_matrices(samples: Sequence[Matrices]) -> Figure:
    """Mean rapidity-mass matrix of each process, weighted as events are expected.

    White elements are empty. Processes share a scale, so that they can be compared.
    """
    processes = style.in_order(sample.process for sample in samples)
    with opened(samples[0].path) as file:
        layout = layout_of(samples[0].path, file)
    means = {p: mean([s for s in samples if s.process == p]) for p in processes}
    figure, panels = grid(len(processes), 4.4, 4.3)
    shown = {p: np.zeros(len(layout.names)) if not n else m for p, (m, n) in means.items()}
    norm = style.log_norm(np.concatenate(list(shown.values())), _DECADES)
    for axes, (process, matrix) in zip(panels, shown.items(), strict=True):
        draw(axes, layout.square(matrix), layout, norm)
        axes.set_title(style.process(process).label, loc="left")
        axes.set_title(f"{means[process][1]} events", loc="right", fontsize=10)
    figure.colorbar(
        ScalarMappable(norm, style.SCALE),
        ax=figure.axes,
        label="mean of the element",
        extend="min",
        pad=0.01,
    )
    style.heading(figure, text="rapidity-mass matrices", data=has_data(samples))
    return figure


@style.styled()
def reconstruction(path: Path, sample: str) -> Figure:
    """The matrix of an event of a sample, what an autoencoder makes of it, and the square of the
    difference, all in the matrix's own units.

    Raises:
        InputError: the file has no event of the sample.
    """
    with opened(path) as file:
        layout = layout_of(path, file)
        examples = file["examples"]
        if sample not in examples:
            raise InputError(f"{path}: no event of '{sample}'{did_you_mean(sample, examples)}")
        group = examples[sample]
        matrix, found = (layout.square(group[k][:]) for k in ("features", "reconstruction"))
        process = str(group.attrs["process"])
        score, event = float(group.attrs["score"]), int(group.attrs["event_number"])
    figure = Figure(figsize=(15.5, 5.2), layout="constrained")
    panels = figure.subplots(1, 3)
    difference = (matrix - found) ** 2
    same = style.log_norm(matrix, _DECADES)
    other = style.log_norm(difference, 2 * _DECADES)
    for axes, values, norm, title in zip(
        panels,
        (matrix, found, difference),
        (same, same, other),
        ("event", "reconstruction", "squared difference"),
        strict=True,
    ):
        image = draw(axes, values, layout, norm)
        axes.set_title(title, loc="left")
        if axes is not panels[0]:
            extend = "both" if norm is same else "min"
            figure.colorbar(image, ax=axes, extend=extend, shrink=0.85, pad=0.02)
    text = f"{style.process(process).label}, event {event}, {style.SCORE} = {score:.2f}"
    style.heading(figure, text=f"{style.network(path.stem)}, {text}")
    return figure


@style.styled()
def element_errors(
    path: Path, samples: Sequence[Matrices], label: Callable[[str], str] = style.plain
) -> Figure:
    """Share of each element in the squared error: of all background events, and of those of each
    sample that are above the last region's edge, the most anomalous ones.

    Beside each panel are its leading elements. Samples of the background are mixed as events are
    expected.

    Args:
        path: what was found when looking into an autoencoder.
        samples: those that the file has are shown.
        label: how an element is written.
    """
    with opened(path) as file:
        layout = layout_of(path, file)
        panels = _error_panels(file["errors"], samples)
    figure, grid_axes = grid(len(panels), 6.2, 4.3)
    shares = [100 * e / e.sum() if e.sum() > 0 else np.zeros_like(e) for _, e, _ in panels]
    norm = style.log_norm(np.concatenate(shares), 3.0)
    for axes, (title, _, events), share in zip(grid_axes, panels, shares, strict=True):
        draw(axes, layout.square(share), layout, norm)
        axes.set_title(title, loc="left")
        leading = np.argsort(-share, kind="stable")[:LEADING]
        lines = [f"{events} events"]
        lines += [f"{share[i]:4.1f} %  {label(layout.names[i])}" for i in leading if share[i] > 0]
        axes.text(
            *(1.03, 1.0, "\n".join(lines)),
            transform=axes.transAxes,
            va="top",
            fontsize=10,
            linespacing=1.8,
        )
    figure.colorbar(
        ScalarMappable(norm, style.SCALE),
        ax=figure.axes,
        label="share of the squared error [%]",
        extend="min",
        pad=0.01,
    )
    style.heading(figure, text=style.network(path.stem), data=has_data(samples))
    return figure


def _error_panels(errors: Any, samples: Sequence[Matrices]) -> list[tuple[str, Floats, int]]:
    """Title, mean error of each element, and number of events of each panel."""
    known = [sample for sample in samples if sample.name in errors]
    backgrounds = [sample for sample in known if sample.kind == "background"]
    panels = []
    for part, title in (("all", "backgrounds, all"), ("anomalous", "backgrounds, anomalous")):
        if backgrounds:
            panels.append((title, *_mixed(errors, backgrounds, part)))
    for sample in known:
        if sample.kind != "background":
            found = errors[sample.name]["anomalous"]
            title = f"{style.process(sample.process).label}, anomalous"
            panels.append((title, _finite(found), int(found.attrs["events"])))
    return panels


def _mixed(errors: Any, samples: Sequence[Matrices], part: str) -> tuple[Floats, int]:
    """The mean over samples, each of which counts as its events are expected."""
    sums: Any = 0.0
    count = 0
    for sample in samples:
        found = errors[sample.name][part]
        weight, of_all = (float(errors[sample.name][p].attrs["weight"]) for p in (part, "all"))
        with opened(sample.path) as file:
            expected = counted(file, sample)[1].sum() * weight / (of_all or 1.0)
        sums = sums + expected * _finite(found)
        count += int(found.attrs["events"])
    return np.asarray(sums), count


def _finite(dataset: Any) -> Floats:
    """Errors, of which those of no events count nothing."""
    return np.asarray(np.nan_to_num(dataset[:].astype(np.float64)))
