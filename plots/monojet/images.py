"""Figures of event images: one event in all compressions and channels, and mean images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from common.schema import images as schema
from common.schema.images import GRID, OFFSETS, VALUES
from plots import style
from plots.results import SampleFiles, opened

Array = npt.NDArray[Any]

ETA, PHI = schema.ETA_RANGE, schema.PHI_RANGE
CROP = 60  # rows and columns kept of a compressed image
REGION = "SR_no_veto"

_ETA_LABEL, _PHI_LABEL = r"$\eta$", r"$\varphi$ [rad]"
_CHANNELS = {
    "pt_all": r"all particles, $\Sigma\,p_\mathrm{T}$",
    "n_part": "number of particles",
    "charge": "sum of charges",
    "pt_mu": r"muons, $\Sigma\,p_\mathrm{T}$",
    "pt_e": r"electrons, $\Sigma\,p_\mathrm{T}$",
    "emf": "electromagnetic fraction",
    "pt_jet": r"jets, $p_\mathrm{T}$",
    "jet_width": "jet width",
}
_UNITS = {"GeV": " [GeV]", "e": r" [$e$]"}
_FRACTIONS = ("emf", "jet_width")  # from 0 to 1; the other positive channels span decades

_BLOCK_SIZE = 1 << 20  # cells read at a time


_BLUES = style.part_of("Blues", 0.35, 1.0)


@dataclass(frozen=True)
class Event:
    """The non-empty cells of one event; ``values`` has the shape (cells, channels).

    ``addresses`` has their rows and columns in the grid (``none``) and after each compression.
    """

    process: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    values: Array
    addresses: dict[str, tuple[Array, Array]]

    def __len__(self) -> int:
        return len(self.values)

    def channel(self, name: str) -> Array:
        """Return the values of a channel, of shape (cells,)."""
        return self.values[:, self.channels.index(name)]


def typical_event(path: Path) -> int:
    """Return the index of the first event whose number of cells is nearest to the median.

    Only events that pass the selection of the thesis are considered, unless none does.
    """
    with opened(path) as file:
        cells = np.diff(file[OFFSETS][:].astype(np.int64))
        passing = np.flatnonzero(file[schema.region_column(REGION)][:])
    chosen = passing if len(passing) else np.arange(len(cells))
    distance = np.abs(cells[chosen] - np.median(cells[chosen]))
    return int(chosen[np.argmin(distance)])


def read_event(path: Path, index: int) -> Event:
    """Read one event of an image file."""
    with opened(path) as file:
        begin, end = (int(i) for i in file[OFFSETS][index : index + 2])

        def address(compression: str) -> tuple[Array, Array]:
            group = file[schema.address_group(compression)]
            row, column = (group[name][begin:end].astype(np.int64) for name in ("row", "column"))
            return row, column

        addresses = {name: address(name) for name in ("none", *schema.STORED_COMPRESSIONS)}
        return Event(
            process=str(file.attrs["process"]),
            channels=tuple(file.attrs["channels"]),
            units=tuple(file.attrs["units"]),
            values=file[VALUES][begin:end],
            addresses=addresses,
        )


@style.styled()
def compressions(event: Event) -> Figure:
    """Draw one event, uncompressed and after each compression (figures 9 to 12 of the thesis).

    As in the thesis, only the electromagnetic fraction is shown. Cells with particles but without
    electromagnetic energy have their own colour.
    """
    figure = Figure(figsize=(11.5, 9.6), layout="constrained")
    grid = figure.subplots(2, 2)
    emf = event.channel("emf")
    for axes, (name, (row, column)) in zip(grid.flat, event.addresses.items(), strict=True):
        shape = GRID if name == "none" else (CROP, CROP)
        inside = (row < shape[0]) & (column < shape[1])
        image = np.full(shape, np.nan)
        image[row[inside], column[inside]] = emf[inside]
        extent = (*PHI, *ETA) if name == "none" else (-0.5, CROP - 0.5, -0.5, CROP - 0.5)
        box: dict[str, Any] = {"origin": "lower", "extent": extent}
        axes.imshow(np.where(image > 0, image, np.nan), cmap=_BLUES, vmin=0, vmax=1, **box)
        axes.imshow(np.where(image == 0, 1.0, np.nan), cmap=ListedColormap([style.ORANGE]), **box)
        if name == "none":
            axes.set(xlabel=_PHI_LABEL, ylabel=_ETA_LABEL)
        else:
            axes.set(xlabel="column", ylabel="row")
        axes.set_title(f"{style.compression(name)} ({shape[0]} × {shape[1]})", loc="left")
        axes.set_title(f"{inside.sum()} of {len(event)} cells", loc="right", fontsize=11)
    figure.colorbar(
        ScalarMappable(Normalize(0, 1), _BLUES),
        ax=grid,
        label="electromagnetic fraction of the cell's energy",
        shrink=0.6,
    )
    figure.legend(
        handles=[
            Patch(facecolor=style.ORANGE, label="non-empty, fraction 0"),
            Patch(facecolor="white", edgecolor="black", label="empty"),
        ],
        loc="outside upper right",
        ncols=2,
    )
    style.heading(figure, text=f"one {style.process(event.process).label} event")
    return figure


@style.styled()
def channels(event: Event) -> Figure:
    """Draw one event, uncompressed, in all eight channels.

    Non-empty cells with a value of 0 in a channel are grey.
    """
    figure = Figure(figsize=(17.5, 7.8), layout="constrained")
    grid = figure.subplots(2, 4, sharex=True, sharey=True)
    row, column = event.addresses["none"]
    eta = ETA[0] + (row + 0.5) * (ETA[1] - ETA[0]) / GRID[0]
    phi = PHI[0] + (column + 0.5) * (PHI[1] - PHI[0]) / GRID[1]
    for axes, name, unit in zip(grid.flat, event.channels, event.units, strict=True):
        values = event.channel(name)
        axes.scatter(phi, eta, s=14, marker="s", color="0.82", linewidths=0)
        there = values != 0
        order = np.flatnonzero(there)[np.argsort(np.abs(values[there]), kind="stable")]
        norm, scale = _norm(name, values[there])
        drawn = axes.scatter(
            phi[order],
            eta[order],
            c=values[order],
            s=26,
            marker="s",
            cmap=scale,
            norm=norm,
            linewidths=0.3,
            edgecolors="black",
        )
        figure.colorbar(drawn, ax=axes, pad=0.02)
        axes.set(xlim=PHI, ylim=ETA)
        axes.set_title(_CHANNELS.get(name, name) + _UNITS.get(unit, ""), loc="left")
        axes.set_title(f"{there.sum()} cells", loc="right", fontsize=11)
    for axes in grid[-1]:
        axes.set_xlabel(_PHI_LABEL)
    for axes in grid[:, 0]:
        axes.set_ylabel(_ETA_LABEL)
    style.heading(figure, text=f"one {style.process(event.process).label} event, uncompressed")
    return figure


def _norm(channel: str, values: Array) -> tuple[Normalize, Colormap]:
    """Return a scale that covers all values: logarithmic, except for charges and fractions."""
    if channel == "charge":
        largest = max(1.0, float(np.abs(values).max(initial=0)))
        return Normalize(-largest, largest), matplotlib.colormaps["RdBu_r"]
    if channel in _FRACTIONS:
        return Normalize(0, 1), style.SCALE
    if not len(values):
        return LogNorm(1, 10), style.SCALE
    low = 10.0 ** math.floor(np.log10(values.min()))
    return LogNorm(low, max(10 * low, values.max())), style.SCALE


@style.styled()
def mean_images(samples: Sequence[SampleFiles], aligned: bool = False) -> Figure:
    """Draw the mean scalar sum of transverse momenta in each cell, one panel per process.

    Args:
        samples: those of one process are mixed according to their cross-sections.
        aligned: rotate each event so that its missing transverse momentum points to 0.
    """
    processes = style.in_order(sample.process for sample in samples)
    images = {
        process: _mean([s for s in samples if s.process == process], aligned)
        for process in processes
    }
    columns = min(3, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(1.2 + 5.0 * columns, 0.9 + 3.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # A few cells of rare or heavy events would stretch the scale over many decades.
    filled = np.concatenate([image[image > 0] for image in images.values()])
    low, high = np.quantile(filled, (0.1, 0.9995))
    norm = LogNorm(low, high, clip=True)
    box = (-math.pi / 2, 1.5 * math.pi, *ETA) if aligned else (*PHI, *ETA)
    for axes, (process, image) in zip(grid.flat, images.items(), strict=False):
        axes.imshow(
            np.where(image > 0, image, np.nan),
            cmap=style.SCALE,
            norm=norm,
            origin="lower",
            extent=box,
        )
        axes.set_title(style.process(process).label, loc="left")
    for axes in grid.flat[len(images) :]:
        axes.set_axis_off()
    for index in range(len(images)):
        _label_mean(grid, index, len(images), aligned)
    figure.colorbar(
        ScalarMappable(norm, style.SCALE),
        ax=grid,
        label=r"mean $\Sigma\,p_\mathrm{T}$ of a cell [GeV]",
        extend="both",
        pad=0.01,
    )
    style.heading(figure)
    return figure


def _label_mean(grid: Any, index: int, total: int, aligned: bool) -> None:
    columns = grid.shape[1]
    axes: Axes = grid.flat[index]
    if index % columns == 0:
        axes.set_ylabel(_ETA_LABEL)
    if index + columns >= total:  # no panel below
        axes.xaxis.set_tick_params(labelbottom=True)
        axes.set_xlabel(rf"$\varphi - \varphi(${style.MET}$)$ [rad]" if aligned else _PHI_LABEL)


def _mean(samples: Sequence[SampleFiles], aligned: bool) -> Array:
    """Return the weighted mean over the events of some samples, of shape (rows, columns)."""
    total, weights = np.zeros(GRID[0] * GRID[1]), 0.0
    for sample in samples:
        with opened(sample.images) as file:
            offsets = file[OFFSETS][:].astype(np.int64)
            weight = file["events/weight"][:] * sample.normalisation
            direction = file["events/met_phi"][:]
            weights += weight.sum()
            event = np.repeat(np.arange(len(weight)), np.diff(offsets))
            for begin in range(0, len(event), _BLOCK_SIZE):
                cells = slice(begin, begin + _BLOCK_SIZE)
                column = file["cells/column"][cells].astype(np.int64)
                if aligned:
                    column = _aligned_column(column, direction[event[cells]])
                total += np.bincount(
                    file["cells/row"][cells].astype(np.int64) * GRID[1] + column,
                    file[VALUES][cells, 0] * weight[event[cells]],
                    minlength=len(total),
                )
    return (total / (weights or 1.0)).reshape(GRID)  # a selection may leave no event


def _aligned_column(column: Array, direction: Array) -> Array:
    """Return the columns of an axis from -π/2 to 3π/2 with ``direction`` at 0."""
    phi = PHI[0] + (column + 0.5) * (PHI[1] - PHI[0]) / GRID[1]
    turn = (phi - direction + math.pi / 2) / (2 * math.pi) % 1.0
    return np.minimum((turn * GRID[1]).astype(np.int64), GRID[1] - 1)
