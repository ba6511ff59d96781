"""Sparse image files as network input: dense batches, or lists of cells.

`ImageFiles` reads ranges of events, so that memory does not grow with their number; `dense` and
`cell_lists` turn them into batches. A dense image has the eight channels of the file and two
coordinate channels, the pseudorapidity and azimuth of the cell's centre, which are not standardised
(Praderio 2018, section 4.2). Where a compression keeps an empty cell inside a kept row and column,
the cell carries its coordinates.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codec of the image files)
import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError
from common.schema import hdf5
from common.stats.normalisation import relative_weights

SCHEMA = 4
CHANNELS = ("pt_all", "n_part", "charge", "pt_mu", "pt_e", "emf", "pt_jet", "jet_width")
N_CHANNELS = len(CHANNELS)
COMPRESSIONS = ("cell", "rowcol", "stochastic", "none")
GRID = (100, 126)
SIGNAL = 0  # class of the signal, and its output of a network, as in the thesis; then backgrounds

# How a file was filled: what must be the same in all files that are read together.
SETTINGS = ("particle_threshold_GeV", "jet_threshold_GeV", "select", "detector", "folds")

RANGE_CELLS = 1 << 19  # of ranges read one after another: 20 MB, and many chunks of the file

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


# --- Images in memory -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Images:
    """Sparse images of events: the cells of event i are [offsets[i], offsets[i + 1]).

    ``row`` and ``column`` are the address in the grid; ``new_row`` and ``new_column`` that after
    the compression. ``kept_rows`` (events, 100) and ``kept_columns`` (events, 126) are set for the
    stochastic compression alone, the azimuths of the missing transverse momentum and of the leading
    jet where the file has them.
    """

    compression: str
    offsets: Indices
    row: npt.NDArray[np.uint8]
    column: npt.NDArray[np.uint8]
    new_row: npt.NDArray[np.uint8]
    new_column: npt.NDArray[np.uint8]
    values: Floats
    run_number: npt.NDArray[np.uint32]
    event_number: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int8]
    weight: Floats
    kept_rows: npt.NDArray[np.uint8] | None = None
    kept_columns: npt.NDArray[np.uint8] | None = None
    met_phi: Floats | None = None
    leading_jet_phi: Floats | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def cells_of(self, events: Indices) -> tuple[Indices, Indices]:
        """Indices of all cells of the given events, and for each its place in ``events``."""
        counts = self.offsets[events + 1] - self.offsets[events]
        place = np.repeat(np.arange(len(events)), counts)
        first = np.cumsum(counts) - counts
        cells = np.arange(len(place)) + (self.offsets[events] - first)[place]
        return cells, place

    def take(self, events: Indices) -> Images:
        """The images of the given events alone, in their order."""
        cells, place = self.cells_of(events)
        counts = np.bincount(place, minlength=len(events))
        new: dict[str, Any] = {"offsets": np.concatenate([[0], np.cumsum(counts)])}
        for names, chosen in ((_OF_CELLS, cells), (_OF_EVENTS, events)):
            for name in names:
                values = getattr(self, name)
                new[name] = None if values is None else np.take(values, chosen, axis=0)
        return Images(self.compression, **new)


_OF_CELLS = ("row", "column", "new_row", "new_column", "values")
_DIRECTIONS = ("met_phi", "leading_jet_phi")
_OF_EVENTS = (
    *("run_number", "event_number", "fold", "label", "weight", "kept_rows", "kept_columns"),
    *_DIRECTIONS,
)


# --- Image files ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """Events [begin, end) of a file; ``first`` is the number of the first among all files."""

    file: int
    begin: int
    end: int
    first: int

    def of(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The part of a column over all files' events that is this range's."""
        return column[self.first : self.first + self.end - self.begin]


@dataclass(frozen=True)
class Labelled:
    """Image files and the label of each, the number of its events' class: 0 signal, then the
    backgrounds."""

    paths: Sequence[Path]
    labels: Sequence[int]


class ImageFiles:
    """The events of some image files, numbered through in their order, each file with a label.

    Labels are 0 (signal), 1, ... (backgrounds). Only ``fold`` and ``weight``, five bytes an event,
    are kept in memory. Weights are relative: their moduli have a mean of 1 in each file, so that
    files count as their numbers of events, whatever their weights' scale. ``sums`` are the sums of
    weights as they are. Images are read in ranges, from any thread. ``settings`` are those of
    `SETTINGS` that the files must have been filled with.

    Raises:
        InputError: a file is missing, damaged, of another schema version, or not filled as
            ``settings`` or the other files.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int],
        compression: str,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.paths, self.labels, self.compression = tuple(paths), tuple(labels), compression
        self.settings: dict[str, Any] = {}
        self._files: list[h5py.File] = []
        folds, weights, sums = [], [], []
        try:
            for path, _ in zip(paths, labels, strict=True):
                with _damage_named(path):
                    self._files.append(file := hdf5.open_file(path))
                    _check(path, file)
                    found = {name: _plain(file, name) for name in SETTINGS}
                    folds.append(file["events/fold"][:])
                    weight = file["events/weight"][:].astype(np.float64)
                    sums.append(float(weight.sum()))
                    weights.append(relative_weights(weight).astype(np.float32))
                _require_same(path, found, settings or {}, "this run")
                _require_same(path, found, self.settings, paths[0])
                self.settings = found
        except BaseException:
            self.close()
            raise
        self.fold: npt.NDArray[np.uint8] = np.concatenate(folds)
        self.weight: Floats = np.concatenate(weights)
        self.sums = tuple(sums)
        self.sizes = tuple(len(fold) for fold in folds)
        self.n_cells = sum(len(file["cells/row"]) for file in self._files)

    def __len__(self) -> int:
        return len(self.fold)

    def __enter__(self) -> ImageFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def events_with(self, cells: int) -> int:
        """About how many events have so many cells together; at least 1."""
        return max(1, cells * len(self) // max(1, self.n_cells))

    def ranges(self, n_events: int | None = None) -> list[Range]:
        """All events in ranges of ``n_events`` (default: what has `RANGE_CELLS`), in order."""
        step = n_events or self.events_with(RANGE_CELLS)
        starts = np.cumsum([0, *self.sizes]).tolist()
        return [
            Range(file, begin, min(begin + step, size), starts[file] + begin)
            for file, size in enumerate(self.sizes)
            for begin in range(0, size, step)
        ]

    def read(self, events: Range) -> Images:
        """The images of a range.

        Raises:
            InputError: the file is damaged there.
        """
        file, begin, end = self._files[events.file], events.begin, events.end
        with _damage_named(self.paths[events.file]):
            offsets = file["cells/offsets"][begin : end + 1].astype(np.int64)
            cells = slice(int(offsets[0]), int(offsets[-1]))
            row, column = file["cells/row"][cells], file["cells/column"][cells]
            new_row, new_column = row, column
            kept: dict[str, Any] = {}
            if self.compression != "none":
                folder = file[f"compression/{self.compression}"]
                new_row, new_column = folder["row"][cells], folder["column"][cells]
                if self.compression == "stochastic":
                    for name, n in zip(("kept_rows", "kept_columns"), GRID, strict=True):
                        bits = folder[name][begin:end]
                        kept[name] = np.unpackbits(bits, axis=1, count=n, bitorder="little")
            directions = {n: file[f"events/{n}"] for n in _DIRECTIONS if n in file["events"]}
            return Images(
                self.compression,
                offsets - offsets[0],
                row,
                column,
                new_row,
                new_column,
                _values(file["cells/values"], cells),
                file["events/run_number"][begin:end],
                file["events/event_number"][begin:end],
                events.of(self.fold),
                np.full(end - begin, self.labels[events.file], np.int8),
                events.of(self.weight),
                **kept,
                **{name: phi[begin:end] for name, phi in directions.items()},
            )

    def gather(self, wanted: Sequence[tuple[Range, Indices]]) -> Images:
        """Some events of each range, by their places in it, one range after another.

        Raises:
            InputError: a file is damaged there.
        """
        counts = []
        for events, mine in wanted:
            with _damage_named(self.paths[events.file]):
                offsets = self._files[events.file]["cells/offsets"][events.begin : events.end + 1]
            counts.append(np.diff(offsets.astype(np.int64))[mine])
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        # Filled part by part: to join the parts in the end would take twice the memory.
        whole: dict[str, Any] = dict.fromkeys((*_OF_CELLS, *_OF_EVENTS))
        first = 0
        for events, mine in wanted:
            part, last = self.read(events).take(mine), first + len(mine)
            for names, start, end, n in (
                (_OF_CELLS, offsets[first], offsets[last], offsets[-1]),
                (_OF_EVENTS, first, last, len(offsets) - 1),
            ):
                for name in names:
                    values = getattr(part, name)
                    if values is not None:
                        if whole[name] is None:
                            whole[name] = _from_system((int(n), *values.shape[1:]), values.dtype)
                        whole[name][start:end] = values
            first = last
        return Images(self.compression, offsets, **whole)

    def columns(
        self, events: Range, names: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Quantities of ``/events`` of a range (default: all).

        Raises:
            InputError: the file is damaged there.
        """
        with _damage_named(self.paths[events.file]):
            folder = self._files[events.file]["events"]
            return {name: folder[name][events.begin : events.end] for name in names or folder}

    def identity(self) -> dict[str, npt.NDArray[Any]]:
        """``run_number``, ``event_number`` and ``fold`` of all events: 13 bytes an event."""
        found: dict[str, list[npt.NDArray[Any]]] = {"run_number": [], "event_number": []}
        for path, file in zip(self.paths, self._files, strict=True):
            with _damage_named(path):
                for name, parts in found.items():
                    parts.append(file[f"events/{name}"][:])
        return {name: np.concatenate(parts) for name, parts in found.items()} | {"fold": self.fold}

    def passing(self, region: str | None) -> Mask:
        """Which of all events lie in a region of the selection; all if it is None.

        Raises:
            InputError: a file is damaged, or does not know the region.
        """
        if region is None:
            return np.ones(len(self), bool)
        parts = []
        for path, file in zip(self.paths, self._files, strict=True):
            with _damage_named(path):
                parts.append(file[f"events/pass_{region}"][:].astype(bool))
        return np.concatenate(parts)

    def in_validation(self, fraction: float) -> Mask:
        """Which of all events watch the training: see `in_validation`."""
        chosen = np.zeros(len(self), bool)
        for events in self.ranges():
            key = self.columns(events, ("run_number", "event_number"))
            events.of(chosen)[:] = in_validation(key["run_number"], key["event_number"], fraction)
        return chosen


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """What h5py says of a file as one line with its name and the remedy."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image file: make it with --stage imaging") from error
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split()).strip("'\"")
        if "filter returned failure" in cause:
            cause = "a checksum does not hold"
        raise InputError(
            f"{path}: not a whole image file ({cause}): make it again with --stage imaging --force"
        ) from error


def _plain(file: h5py.File, name: str) -> Any:
    """An attribute as a number, a string or a list."""
    return np.asarray(file.attrs[name]).tolist()


def _check(path: Path, file: h5py.File) -> None:
    """Refuse a file that this program does not understand, or whose parts do not fit."""
    version = file.attrs.get("schema")
    if version != SCHEMA:
        raise InputError(
            f"{path}: image file of schema version {version}, this program reads {SCHEMA}: make "
            "it again with --stage imaging"
        )
    layout = {"grid_shape": list(GRID), "channels": list(CHANNELS)}
    _require_same(path, {name: _plain(file, name) for name in layout}, layout, "this program")
    row = file["cells/row"]
    for source in row.virtual_sources() if row.is_virtual else ():
        if not (path.parent / source.file_name).is_file():  # HDF5 would read zeros
            raise InputError(
                f"{path}: linked to {source.file_name}, which is not there: make it again with "
                "--stage imaging"
            )
    n_events, n_cells = len(file["cells/offsets"]) - 1, len(file["cells/row"])
    if (
        int(file["cells/offsets"][n_events]) != n_cells
        or file["cells/values"].shape != (n_cells, N_CHANNELS)
        or len(file["events/fold"]) != n_events
        or len(file["events/weight"]) != n_events
    ):
        raise ValueError("its columns do not have one length")


def _require_same(
    path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], whose: object
) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            raise InputError(
                f"{path}: images made with {name} = {found[name]!r}, {whose} has {value!r}: make "
                "them with one configuration, by --stage imaging"
            )


def _values(values: h5py.Dataset, cells: slice) -> Floats:
    """The channels of some cells, shape (cells, 8)."""
    # One by one: a chunk holds one channel, and HDF5 takes twice the time to interleave them.
    found = np.empty((cells.stop - cells.start, N_CHANNELS), np.float32)
    for channel in range(N_CHANNELS):
        found[:, channel] = values[cells, channel]
    return found


def _from_system(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An empty array whose memory the system has back as soon as it is dropped.

    malloc keeps holes where large arrays of various sizes were, more and more of them.
    """
    n = math.prod(shape)
    memory = mmap.mmap(-1, max(1, n * dtype.itemsize), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, dtype, n).reshape(shape)


# --- Which events, and their scale ----------------------------------------------------------------


def in_validation(
    run_number: npt.NDArray[np.uint32], event_number: npt.NDArray[np.uint64], fraction: float
) -> Mask:
    """Which events watch the training: chosen by a hash of their identity."""
    with np.errstate(over="ignore"):
        key = event_number ^ (run_number.astype(np.uint64) << np.uint64(32))
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    uniform: npt.NDArray[np.float64] = (key >> np.uint64(11)) * 2.0**-53
    return uniform < fraction


def channel_means(files: ImageFiles, chosen: Mask) -> Floats:
    """Mean of the non-zero entries of each channel over the chosen (training) events, shape (8,).

    For the charge the mean of |x|: that of x is near 0 and would blow the channel up.

    Raises:
        InputError: a value is not finite, or a channel has no entry that is not 0.
    """
    sums, filled = np.zeros(N_CHANNELS), np.zeros(N_CHANNELS, np.int64)
    for events in files.ranges():
        (mine,) = np.nonzero(events.of(chosen))
        if len(mine) == 0:
            continue
        values = np.abs(files.read(events).take(mine).values)
        sums += values.sum(axis=0, dtype=np.float64)
        filled += np.count_nonzero(values, axis=0)
        if not np.isfinite(sums).all():
            raise InputError(
                f"{files.paths[events.file]}: an image holds a value that is not a number: make "
                "it again with --stage imaging --force"
            )
    empty = [f"'{name}'" for name, entries in zip(CHANNELS, filled, strict=True) if not entries]
    if empty:
        raise InputError(
            f"{', '.join(map(str, files.paths))}: no training event has an entry in channel "
            f"{', '.join(empty)}, which has no scale then: take more events, or check their columns"
        )
    return (sums / filled).astype(np.float32)


# --- Batches --------------------------------------------------------------------------------------


def eta_of_row(row: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pseudorapidity of the centre of a row of the grid."""
    return -2.5 + (row.astype(np.float64) + 0.5) / 20


def phi_of_column(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Azimuth of the centre of a column of the grid."""
    return -3.15 + (column.astype(np.float64) + 0.5) / 20


# What batches look up: coordinates by line, and functions of a difference of columns, from -125.
ETA = eta_of_row(np.arange(GRID[0])).astype(np.float32)
PHI = phi_of_column(np.arange(GRID[1])).astype(np.float32)
_DELTA_PHI = np.arange(1 - GRID[1], GRID[1]) / 20
_COS_SIN = np.stack([np.cos(_DELTA_PHI), np.sin(_DELTA_PHI)], axis=1).astype(np.float32)
_COS_SIN_PHI = np.stack([np.cos(PHI), np.sin(PHI)], axis=1)


def dense(
    images: Images, events: Indices, means: Floats, size: int, coordinates: bool = True
) -> Floats:
    """Standardised dense images, shape (events, rows, columns, 10), or 8 without coordinates.

    Rows and columns are cropped or padded to ``size``; the uncompressed image keeps 100 x 126.
    """
    n_rows, n_columns = GRID if images.compression == "none" else (size, size)
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


def _centres(kept: Mask, size: int, centre: Floats) -> tuple[Floats, Mask]:
    """Coordinates (events, size) of the kept lines in their new order, and where there is one."""
    event, line = np.nonzero(kept)
    new = (np.cumsum(kept, axis=1) - 1)[event, line]
    inside = new < size
    coordinates = np.zeros((len(kept), size), np.float32)
    present = np.zeros((len(kept), size), bool)
    coordinates[event[inside], new[inside]] = centre[line[inside]]
    present[event[inside], new[inside]] = True
    return coordinates, present


def n_features(angles: Sequence[str]) -> int:
    """Numbers that a list of cells has for each, the mask not counted."""
    return N_CHANNELS + 1 + 2 * len(angles)


def cell_lists(
    images: Images,
    events: Indices,
    means: Floats,
    max_cells: int,
    angles: Sequence[str] = ("hardest_cell",),
) -> Floats:
    """Lists of non-empty cells for set networks, shape (events, max_cells, 1 + features).

    Features: a mask (1 for a cell, 0 for padding), the pseudorapidity, the cosine and sine of the
    azimuth relative to each of ``angles`` (the cell of highest pT, the leading jet, the missing
    transverse momentum), and the eight standardised channels on a logarithmic scale,
    sign(x) ln(1 + |x|). Of more than ``max_cells`` the hardest are kept.

    Raises:
        InputError: the images know no such direction.
    """
    cells, place = images.cells_of(events)
    # One key puts the hardest cell of each event first: the bits of a float >= 0 rise with it.
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
    n = n_features(angles)
    features = np.empty((len(cells), 1 + n), np.float32)
    features[:, 0] = 1
    features[:, 1] = ETA[images.row[cells]]
    for i, reference in enumerate(angles, start=1):
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
        raise InputError(f"the images have no '{reference}_phi': make them with --stage imaging")
    return phi


def _relative(column: npt.NDArray[np.uint8], phi: Floats) -> Floats:
    """Cosine and sine of the difference between the azimuths of columns' centres and ``phi``."""
    cosine, sine = np.cos(phi), np.sin(phi)
    of_cell = np.take(_COS_SIN_PHI, column, axis=0)
    return np.stack(
        [
            of_cell[:, 0] * cosine + of_cell[:, 1] * sine,
            of_cell[:, 1] * cosine - of_cell[:, 0] * sine,
        ],
        axis=1,
    )
