"""Rapidity-mass matrices: means of processes, reconstruction and errors by autoencoders."""

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
from common.schema.matrices import MatrixFile
from plots import style
from plots.results import opened
from plots.three_lepton.samples import MatrixSample, selected_events
from plots.three_lepton.stacks import has_data

Floats = npt.NDArray[np.float64]

LEADING = 5  # elements listed
_DECADES = 4.0  # of a colour scale
_ROWS = 4096  # events per block
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
    """Names of the elements of a matrix, row by row, and slots of each type of objects."""

    names: tuple[str, ...]
    objects: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Return the number of rows and columns."""
        return 1 + sum(self.objects.values())

    def square(self, values: Any) -> Floats:
        """Return elements as a matrix."""
        return np.asarray(values, np.float64).reshape(self.rows, self.rows)

    def borders(self) -> list[int]:
        """Return the first row of each type of objects, and the end of the last."""
        return list(accumulate(self.objects.values(), initial=1))


def inspection_layout(path: Path, file: Any) -> Layout:
    """Return the layout of the matrices in an open inspection file.

    Raises:
        InputError: as `layout_of`.
    """
    names = tuple(str(name) for name in file.attrs["names"])
    return layout_of(path, names, json.loads(file.attrs["objects"]))


def layout_of(path: Path, names: tuple[str, ...], objects: Mapping[str, int]) -> Layout:
    """Return the layout of the matrices in a file, without types of no slots.

    Raises:
        InputError: the names do not fill a square matrix of these types of objects.
    """
    layout = Layout(names, {kind: slots for kind, slots in objects.items() if slots})
    if len(layout.names) != layout.rows**2:
        raise InputError(
            f"{path}: {len(layout.names)} elements do not make a matrix of {layout.rows} rows:"
            " make it again"
        )
    return layout


def draw(axes: Axes, matrix: Floats, layout: Layout, norm: Normalize) -> AxesImage:
    """Draw a matrix with its types of objects along both axes; elements <= 0 are white."""
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
    """Return a figure with ``count`` panels of a size, in up to four columns."""
    columns = min(4, math.ceil(math.sqrt(max(count, 1))))
    rows = math.ceil(max(count, 1) / columns)
    figure = Figure(figsize=(1.2 + width * columns, 0.7 + height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def mean(samples: Sequence[MatrixSample]) -> tuple[Floats, int]:
    """Return the weighted mean of all elements over the events of samples, and their number."""
    sums: Any = 0.0
    weights, events = 0.0, 0
    for sample in samples:
        with MatrixFile(sample.path) as file:
            chosen, weight = selected_events(file, sample)
            all_weights = np.zeros(len(file))
            all_weights[chosen] = weight
            for begin in range(0, len(all_weights), _ROWS):
                rows = slice(begin, begin + _ROWS)
                sums = sums + all_weights[rows] @ file.features(rows).astype(np.float64)
        weights += weight.sum()
        events += len(chosen)
    return np.asarray(sums / weights if weights > 0 else np.zeros_like(sums)), events


@style.styled()
def mean_matrices(samples: Sequence[MatrixSample]) -> Figure:
    """Draw the mean rapidity-mass matrix of each process, weighted by expected events.

    Empty elements are white. All processes share one colour scale.
    """
    processes = style.in_order(sample.process for sample in samples)
    with MatrixFile(samples[0].path) as file:
        layout = layout_of(file.path, file.names, file.objects)
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
    """Draw the matrix of one event, its reconstruction, and the squared difference, not scaled.

    Raises:
        InputError: the file has no event of the sample.
    """
    with opened(path) as file:
        layout = inspection_layout(path, file)
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
    path: Path, samples: Sequence[MatrixSample], label: Callable[[str], str] = style.plain
) -> Figure:
    """Draw the share of each element in the squared error: of all background events, and of the
    anomalous events, above the threshold of the last region, of each kind of sample.

    Leading elements are listed beside each panel. Background samples are mixed by expected events.

    Args:
        path: inspection file of an autoencoder.
        samples: samples to show, if the file has them.
        label: returns the label of an element.
    """
    with opened(path) as file:
        layout = inspection_layout(path, file)
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


def _error_panels(errors: Any, samples: Sequence[MatrixSample]) -> list[tuple[str, Floats, int]]:
    """Return title, mean error of each element, and number of events of each panel."""
    known = [sample for sample in samples if sample.name in errors]
    backgrounds = [sample for sample in known if sample.kind == "background"]
    panels = []
    for which in ("all", "anomalous"):
        if backgrounds:
            panels.append((f"backgrounds, {which}", *_mixed(errors, backgrounds, which)))
    for sample in known:
        if sample.kind != "background":
            found = errors[sample.name]["anomalous"]
            title = f"{style.process(sample.process).label}, anomalous"
            panels.append((title, _finite(found), int(found.attrs["events"])))
    return panels


def _mixed(errors: Any, samples: Sequence[MatrixSample], which: str) -> tuple[Floats, int]:
    """Return the mean error over samples, weighted by expected events, and the number of events."""
    sums: Any = 0.0
    count = 0
    for sample in samples:
        found = errors[sample.name][which]
        weight, total = (float(errors[sample.name][w].attrs["weight"]) for w in (which, "all"))
        with MatrixFile(sample.path) as file:
            expected = selected_events(file, sample)[1].sum() * weight / (total or 1.0)
        sums = sums + expected * _finite(found)
        count += int(found.attrs["events"])
    return np.asarray(sums), count


def _finite(dataset: Any) -> Floats:
    """Return errors, with 0 in place of NaN, the mean over no events."""
    return np.asarray(np.nan_to_num(dataset[:].astype(np.float64)))
