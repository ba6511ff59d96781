"""Turn sparse images into network input: dense images or lists of cells.

A dense image has the eight channels of the file and two coordinate channels, the pseudorapidity and
azimuth of the centre of the cell, which are not standardised (Praderio 2018, section 4.2). Where a
compression keeps an empty cell inside a kept row and column, the cell has its coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError
from common.schema.images import CHANNELS, GRID, N_CHANNELS, eta_of_row, phi_of_column
from training.data.image_reader import ImageFiles
from training.data.sparse_images import Floats, Images, Indices, Mask

# Lookup tables: coordinates of rows and columns, and functions of column differences from -125.
ETA = eta_of_row(np.arange(GRID[0])).astype(np.float32)
PHI = phi_of_column(np.arange(GRID[1])).astype(np.float32)
_DELTA_PHI = np.arange(1 - GRID[1], GRID[1]) / 20
_COS_SIN = np.stack([np.cos(_DELTA_PHI), np.sin(_DELTA_PHI)], axis=1).astype(np.float32)
_COS_SIN_PHI = np.stack([np.cos(PHI), np.sin(PHI)], axis=1)


def channel_means(files: ImageFiles, chosen: Mask) -> Floats:
    """Return the mean of the non-zero entries of each channel over training events, shape (8,).

    For the charge this is the mean of |x|: the mean of x is near 0, and dividing by it would
    inflate the channel.

    Raises:
        InputError: a value is not finite, or a channel has no non-zero entry.
    """
    sums, filled = np.zeros(N_CHANNELS), np.zeros(N_CHANNELS, np.int64)
    for events in files.ranges():
        (mine,) = np.nonzero(events.view(chosen))
        if len(mine) == 0:
            continue
        values = np.abs(files.read(events).take(mine).values)
        sums += values.sum(axis=0, dtype=np.float64)
        filled += np.count_nonzero(values, axis=0)
        if not np.isfinite(sums).all():
            raise InputError(
                f"{files.paths[events.file]}: an image contains a NaN or an infinity: make it "
                "again with --stage imaging --force"
            )
    empty = [f"'{name}'" for name, entries in zip(CHANNELS, filled, strict=True) if not entries]
    if empty:
        raise InputError(
            f"{', '.join(map(str, files.paths))}: cannot standardise channel {', '.join(empty)}, "
            "which is 0 in all training events: use more events, or check their columns"
        )
    return (sums / filled).astype(np.float32)


# --- Dense images ---------------------------------------------------------------------------------


def dense_shape(compression: str, crop_size: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of a dense image; without compression the grid's."""
    return GRID if compression == "none" else (crop_size, crop_size)


def dense(
    images: Images, events: Indices, means: Floats, crop_size: int, coordinates: bool = True
) -> Floats:
    """Return standardised dense images, shape (events, rows, columns, 10), 8 without coordinates.

    Rows and columns are cropped or padded to ``crop_size``; uncompressed images keep 100 x 126.
    """
    n_rows, n_columns = dense_shape(images.compression, crop_size)
    cells, place = images.cells_of(events)
    row, column = images.new_row[cells], images.new_column[cells]
    if images.compression != "none":
        (inside,) = np.nonzero((row < n_rows) & (column < n_columns))
        cells, place, row, column = cells[inside], place[inside], row[inside], column[inside]
    n_channels = N_CHANNELS + 2 * coordinates
    filled = np.zeros((len(cells), n_channels), np.float32)
    filled[:, :N_CHANNELS] = np.take(images.values, cells, axis=0) / means
    batch = np.zeros((len(events), n_rows, n_columns, n_channels), np.float32)
    if coordinates and images.compression == "cell":
        filled[:, N_CHANNELS] = ETA[images.row[cells]]
        filled[:, N_CHANNELS + 1] = PHI[images.column[cells]]
    elif coordinates:
        rows, columns = _kept_lines(images, events)
        eta, has_row = _centres(rows, n_rows, ETA)
        phi, has_column = _centres(columns, n_columns, PHI)
        np.multiply(eta[:, :, None], has_column[:, None, :], out=batch[..., N_CHANNELS])
        np.multiply(phi[:, None, :], has_row[:, :, None], out=batch[..., N_CHANNELS + 1])
        filled[:, N_CHANNELS] = eta[place, row]
        filled[:, N_CHANNELS + 1] = phi[place, column]
    batch.reshape(-1, n_channels)[(place * n_rows + row) * n_columns + column] = filled
    return batch


def _kept_lines(images: Images, events: Indices) -> tuple[Mask, Mask]:
    """Return which rows (events, 100) and columns (events, 126) of the grid are kept."""
    if images.kept_rows is not None and images.kept_columns is not None:
        return images.kept_rows[events].astype(bool), images.kept_columns[events].astype(bool)
    all_kept = images.compression == "none"
    rows = np.full((len(events), GRID[0]), all_kept)
    columns = np.full((len(events), GRID[1]), all_kept)
    cells, place = images.cells_of(events)
    rows[place, images.row[cells]] = True
    columns[place, images.column[cells]] = True
    return rows, columns


def _centres(kept: Mask, crop_size: int, centre: Floats) -> tuple[Floats, Mask]:
    """Return the coordinates (events, crop_size) of kept lines in their new order, and a mask."""
    event, line = np.nonzero(kept)
    new = (np.cumsum(kept, axis=1) - 1)[event, line]
    inside = new < crop_size
    coordinates = np.zeros((len(kept), crop_size), np.float32)
    present = np.zeros((len(kept), crop_size), bool)
    coordinates[event[inside], new[inside]] = centre[line[inside]]
    present[event[inside], new[inside]] = True
    return coordinates, present


# --- Lists of cells -------------------------------------------------------------------------------


def n_features(phi_reference: Sequence[str]) -> int:
    """Return the number of features of a cell in a list, without the mask."""
    return N_CHANNELS + 1 + 2 * len(phi_reference)


def cell_lists(
    images: Images,
    events: Indices,
    means: Floats,
    max_cells: int,
    phi_reference: Sequence[str] = ("hardest_cell",),
) -> Floats:
    """Return lists of non-empty cells for set networks, shape (events, max_cells, 1 + features).

    Each cell has a mask (1, or 0 for padding), the pseudorapidity, the cosine and sine of the
    azimuth relative to each of ``phi_reference`` (the cell of highest pT, the leading jet, the
    missing transverse momentum), and the eight standardised channels on a logarithmic scale,
    sign(x) ln(1 + |x|). The ``max_cells`` cells of highest pT are kept, in this order.

    Raises:
        InputError: the images lack the azimuth of a reference.
    """
    cells, place = images.cells_of(events)
    # One key sorts by event and falling pT: the bits of a float >= 0 rise with its value.
    softness = ~images.values[cells, 0].view(np.uint32)
    cells = cells[np.argsort(place << 32 | softness, kind="stable")]
    counts = np.bincount(place, minlength=len(events))
    first = np.cumsum(counts) - counts
    rank = np.arange(len(cells)) - first[place]
    hardest = cells[first[place]]
    if len(counts) and counts.max() > max_cells:
        (kept,) = np.nonzero(rank < max_cells)
        cells, place, rank, hardest = cells[kept], place[kept], rank[kept], hardest[kept]
    scaled = np.take(images.values, cells, axis=0) / means
    n = n_features(phi_reference)
    features = np.empty((len(cells), 1 + n), np.float32)
    features[:, 0] = 1
    features[:, 1] = ETA[images.row[cells]]
    for i, reference in enumerate(phi_reference, start=1):
        column = images.column[cells]
        if reference == "hardest_cell":
            delta = column.astype(np.int64) - images.column[hardest]
            found = np.take(_COS_SIN, delta + (GRID[1] - 1), axis=0)
        else:
            found = _relative(column, _direction(images, reference)[events][place])
        features[:, 2 * i : 2 * i + 2] = found
    # numpy has a fast log of float32, but no fast log1p
    channels = features[:, 1 + n - N_CHANNELS :]
    np.copysign(np.log(1 + np.abs(scaled)), scaled, out=channels)
    batch = np.zeros((len(events), max_cells, 1 + n), np.float32)
    batch.reshape(-1, 1 + n)[place * max_cells + rank] = features
    return batch


def _direction(images: Images, reference: str) -> Floats:
    phi: Floats | None = getattr(images, f"{reference}_phi")
    if phi is None:
        raise InputError(
            f"the images lack '{reference}_phi': make them again with --stage imaging --force"
        )
    return phi


def _relative(column: npt.NDArray[np.uint8], phi: Floats) -> npt.NDArray[Any]:
    """Return the cosine and sine of the azimuths of columns relative to ``phi``."""
    cosine, sine = np.cos(phi), np.sin(phi)
    of_cell = np.take(_COS_SIN_PHI, column, axis=0)
    return np.stack(
        [
            of_cell[:, 0] * cosine + of_cell[:, 1] * sine,
            of_cell[:, 1] * cosine - of_cell[:, 0] * sine,
        ],
        axis=1,
    )
