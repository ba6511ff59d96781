"""Sparse image files as network input: dense batches, or lists of cells.

A dense image has the eight channels of the file and two coordinate channels, the pseudorapidity
and azimuth of the cell's centre, which are not standardised (Praderio 2018, section 4.2). Where a
compression keeps an empty cell inside a kept row and column, the cell carries its coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codec of the image files)
import numpy as np
import numpy.typing as npt

from common.errors import InputError

SCHEMA = 1
N_CHANNELS = 8
CHARGE = 2  # the channel whose sign matters
GRID = (100, 126)
SIGNAL_CLASS = 0  # of the two outputs of a network, as in the thesis: (signal, background)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Images:
    """Sparse images of events: the cells of event i are [offsets[i], offsets[i + 1]).

    ``row`` and ``column`` are the address in the grid; ``new_row`` and ``new_column`` that after
    the compression. ``kept_rows`` (events, 100) and ``kept_columns`` (events, 126) are set for the
    stochastic compression alone.
    """

    compression: str
    offsets: npt.NDArray[np.int64]
    row: npt.NDArray[np.uint8]
    column: npt.NDArray[np.uint8]
    new_row: npt.NDArray[np.uint8]
    new_column: npt.NDArray[np.uint8]
    values: Floats
    run_number: npt.NDArray[np.uint32]
    event_number: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int8]
    kept_rows: npt.NDArray[np.uint8] | None = None
    kept_columns: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def cells_of(
        self, events: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Indices of all cells of the given events, and for each its place in ``events``."""
        counts = self.offsets[events + 1] - self.offsets[events]
        place = np.repeat(np.arange(len(events)), counts)
        first = np.cumsum(counts) - counts
        cells = np.arange(counts.sum()) - first[place] + self.offsets[events][place]
        return cells, place


def read_images(paths: Sequence[Path], labels: Sequence[int], compression: str) -> Images:
    """The images of some files, one after another, each with its label (1 signal, 0 background).

    Raises:
        InputError: a file is missing, damaged or of another schema version.
    """
    parts = [_read(path, label, compression) for path, label in zip(paths, labels, strict=True)]
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.offsets[-1] for part in parts)])
    offsets = [np.zeros(1, np.int64)]
    offsets += [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]

    def join(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    names = (
        *("row", "column", "new_row", "new_column", "values", "run_number", "event_number"),
        *("fold", "label", "kept_rows", "kept_columns"),
    )
    return Images(compression, np.concatenate(offsets), **{name: join(name) for name in names})


def _read(path: Path, label: int, compression: str) -> Images:
    try:
        with h5py.File(path) as file:
            version = file.attrs.get("schema")
            if version != SCHEMA:
                raise InputError(
                    f"{path}: image file of schema version {version}, this program reads "
                    f"{SCHEMA}: make it again with --stage imaging"
                )
            row, column = file["cells/row"][:], file["cells/column"][:]
            new_row, new_column = row, column
            kept: dict[str, Any] = {}
            if compression != "none":
                folder = file[f"compression/{compression}"]
                new_row, new_column = folder["row"][:], folder["column"][:]
                if compression == "stochastic":
                    kept = {
                        name: np.unpackbits(folder[name][:], axis=1, count=n, bitorder="little")
                        for name, n in zip(("kept_rows", "kept_columns"), GRID, strict=True)
                    }
            events = file["events"]
            offsets = file["cells/offsets"][:].astype(np.int64)
            return Images(
                compression,
                offsets,
                row,
                column,
                new_row,
                new_column,
                file["cells/values"][:],
                events["run_number"][:],
                events["event_number"][:],
                events["fold"][:],
                np.full(len(offsets) - 1, label, np.int8),
                **kept,
            )
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not a whole image file: {error}") from error


def channel_means(images: Images, events: npt.NDArray[np.int64]) -> Floats:
    """Mean of the non-zero entries of each channel over some (training) events, shape (8,).

    For the charge the mean of |x|: that of x is near 0 and would blow the channel up.

    Raises:
        InputError: a value is not finite, or no cell has transverse momentum.
    """
    cells, _ = images.cells_of(events)
    values = np.abs(images.values[cells])
    filled = (values != 0).sum(axis=0)
    # Muons and electrons can be absent from a small training set: their channels stay as they are.
    sums = values.sum(axis=0, dtype=np.float64)
    if not np.isfinite(sums).all():
        raise InputError("an image holds a value that is not a number: make the images again")
    if filled[0] == 0:
        raise InputError("the training events have no cell with transverse momentum")
    return np.where(filled > 0, sums / np.maximum(filled, 1), 1.0).astype(np.float32)


def dense(
    images: Images,
    events: npt.NDArray[np.int64],
    means: Floats,
    size: int,
    coordinates: bool = True,
) -> Floats:
    """Standardised dense images, shape (events, rows, columns, 10), or 8 without coordinates.

    Rows and columns are cropped or padded to ``size``; the uncompressed image keeps 100 x 126.
    """
    n_rows, n_columns = GRID if images.compression == "none" else (size, size)
    cells, place = images.cells_of(events)
    row, column = images.new_row[cells], images.new_column[cells]
    kept = (row < n_rows) & (column < n_columns)
    cells, place, row, column = cells[kept], place[kept], row[kept], column[kept]
    shape = (len(events), n_rows, n_columns, N_CHANNELS + 2 * coordinates)
    batch = np.zeros(shape, np.float32)
    batch[place, row, column, :N_CHANNELS] = images.values[cells] / means
    if not coordinates:
        return batch
    if images.compression == "cell":
        batch[place, row, column, N_CHANNELS] = eta_of_row(images.row[cells])
        batch[place, row, column, N_CHANNELS + 1] = phi_of_column(images.column[cells])
    else:
        rows, columns = _kept_lines(images, events)
        eta, has_row = _centres(rows, n_rows, eta_of_row)
        phi, has_column = _centres(columns, n_columns, phi_of_column)
        inside = has_row[:, :, None] & has_column[:, None, :]
        batch[..., N_CHANNELS] = np.where(inside, eta[:, :, None], 0)
        batch[..., N_CHANNELS + 1] = np.where(inside, phi[:, None, :], 0)
    return batch


def _kept_lines(
    images: Images, events: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows (events, 100) and columns (events, 126) of the grid a compression keeps."""
    if images.kept_rows is not None and images.kept_columns is not None:
        return images.kept_rows[events].astype(bool), images.kept_columns[events].astype(bool)
    all_kept = images.compression == "none"
    rows = np.full((len(events), GRID[0]), all_kept)
    columns = np.full((len(events), GRID[1]), all_kept)
    cells, place = images.cells_of(events)
    rows[place, images.row[cells]] = True
    columns[place, images.column[cells]] = True
    return rows, columns


def _centres(kept: npt.NDArray[np.bool_], size: int, centre: Any) -> tuple[Floats, Any]:
    """Coordinates (events, size) of the kept lines in their new order, and where there is one."""
    event, line = np.nonzero(kept)
    new = (np.cumsum(kept, axis=1) - 1)[event, line]
    inside = new < size
    coordinates = np.zeros((len(kept), size), np.float32)
    present = np.zeros((len(kept), size), bool)
    coordinates[event[inside], new[inside]] = centre(line[inside])
    present[event[inside], new[inside]] = True
    return coordinates, present


def eta_of_row(row: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pseudorapidity of the centre of a row of the grid."""
    return -2.5 + (row.astype(np.float64) + 0.5) / 20


def phi_of_column(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Azimuth of the centre of a column of the grid."""
    return -3.15 + (column.astype(np.float64) + 0.5) / 20


N_FEATURES = N_CHANNELS + 3


def cell_lists(
    images: Images, events: npt.NDArray[np.int64], means: Floats, max_cells: int
) -> Floats:
    """Lists of non-empty cells for set networks, shape (events, max_cells, 12).

    Features: a mask (1 for a cell, 0 for padding), the pseudorapidity, cosine and sine of the
    azimuth relative to the cell of highest pT, and the eight standardised channels on a
    logarithmic scale, sign(x) ln(1 + |x|). Of more than ``max_cells`` the hardest are kept.
    """
    cells, place = images.cells_of(events)
    order = np.lexsort((-images.values[cells, 0], place))
    cells = cells[order]  # `place` is sorted already: events stay together, hardest cell first
    counts = np.bincount(place, minlength=len(events))
    first = np.cumsum(counts) - counts
    rank = np.arange(len(cells)) - first[place]
    phi = phi_of_column(images.column[cells])
    relative = phi - phi[first[place]] if len(cells) else phi
    batch = np.zeros((len(events), max_cells, 1 + N_FEATURES), np.float32)
    kept = rank < max_cells
    cells, place, rank, relative = cells[kept], place[kept], rank[kept], relative[kept]
    scaled = images.values[cells] / means
    batch[place, rank, 0] = 1
    batch[place, rank, 1] = eta_of_row(images.row[cells])
    batch[place, rank, 2] = np.cos(relative)
    batch[place, rank, 3] = np.sin(relative)
    batch[place, rank, 4:] = np.sign(scaled) * np.log1p(np.abs(scaled))
    return batch


def in_validation(images: Images, fraction: float) -> npt.NDArray[np.bool_]:
    """Which events watch the training: chosen by a hash of their identity."""
    with np.errstate(over="ignore"):
        key = images.event_number ^ (images.run_number.astype(np.uint64) << np.uint64(32))
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    uniform: npt.NDArray[np.float64] = (key >> np.uint64(11)) * 2.0**-53
    return uniform < fraction
