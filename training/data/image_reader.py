"""Read sparse image files in ranges of events, so that memory does not grow with their number."""

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
import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError
from common.schema import hdf5
from common.schema import images as schema
from common.schema.images import N_CHANNELS, OFFSETS, VALUES
from common.stats.normalisation import relative_weights
from training.data.sparse_images import (
    CELL_FIELDS,
    DIRECTIONS,
    EVENT_FIELDS,
    Floats,
    Images,
    Indices,
    Mask,
)
from training.data.validation import in_validation

SIGNAL = 0
"""Label of the signal and index of its output of a network, as in the thesis."""

RANGE_CELLS = 1 << 19  # cells of a range: 20 MB, and many chunks of the file


@dataclass(frozen=True)
class EventRange:
    """Events [begin, end) of a file; ``first`` is the index of the first among all files."""

    file: int
    begin: int
    end: int
    first: int

    def view(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the view of this range on a column over the events of all files."""
        return column[self.first : self.first + self.end - self.begin]


@dataclass(frozen=True)
class LabelledFiles:
    """Image files and the label of each: 0 signal, 1, ... backgrounds."""

    paths: Sequence[Path]
    labels: Sequence[int]


class ImageFiles:
    """The events of some image files, indexed in the order of the files, each file with a label.

    Labels are 0 (signal), 1, ... (backgrounds). Only ``fold`` and ``weight``, five bytes per event,
    are kept in memory. Weights are relative: the mean of their moduli is 1 in each file, so that
    files count by their numbers of events, whatever the scale of their weights. ``sums`` are the
    sums of the original weights. Images are read in ranges, from any thread. ``settings`` are the
    required values of `common.schema.images.SETTINGS`.

    Raises:
        InputError: a file is missing, damaged, has another schema version, or was filled with
            settings other than ``settings`` or those of the other files.
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
                with _errors_naming(path):
                    self._files.append(file := hdf5.open_file(path))
                    _check(path, file)
                    found = {name: _plain(file, name) for name in schema.SETTINGS}
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
        """Return about how many events have this number of cells in total; at least 1."""
        return max(1, cells * len(self) // max(1, self.n_cells))

    def ranges(self, n_events: int | None = None) -> list[EventRange]:
        """Return all events in ranges of ``n_events`` (default: about `RANGE_CELLS`), in order."""
        step = n_events or self.events_with(RANGE_CELLS)
        starts = np.cumsum([0, *self.sizes]).tolist()
        return [
            EventRange(file, begin, min(begin + step, size), starts[file] + begin)
            for file, size in enumerate(self.sizes)
            for begin in range(0, size, step)
        ]

    def read(self, events: EventRange) -> Images:
        """Return the images of a range.

        Raises:
            InputError: the file is damaged in this range.
        """
        file, begin, end = self._files[events.file], events.begin, events.end
        with _errors_naming(self.paths[events.file]):
            offsets = file[OFFSETS][begin : end + 1].astype(np.int64)
            cells = slice(int(offsets[0]), int(offsets[-1]))
            row, column = file["cells/row"][cells], file["cells/column"][cells]
            new_row, new_column = row, column
            kept: dict[str, Any] = {}
            if self.compression != "none":
                group = file[schema.address_group(self.compression)]
                new_row, new_column = group["row"][cells], group["column"][cells]
                if self.compression == "stochastic":
                    for name, n in schema.KEPT_LINES.items():
                        bits = file[schema.kept_lines(name)][begin:end]
                        kept[name] = np.unpackbits(bits, axis=1, count=n, bitorder="little")
            directions = {n: file[f"events/{n}"] for n in DIRECTIONS if n in file["events"]}
            return Images(
                self.compression,
                offsets - offsets[0],
                row,
                column,
                new_row,
                new_column,
                _values(file[VALUES], cells),
                file["events/run_number"][begin:end],
                file["events/event_number"][begin:end],
                events.view(self.fold),
                np.full(end - begin, self.labels[events.file], np.int8),
                events.view(self.weight),
                **kept,
                **{name: phi[begin:end] for name, phi in directions.items()},
            )

    def read_selected(self, wanted: Sequence[tuple[EventRange, Indices]]) -> Images:
        """Return events of several ranges, chosen by their indices in each range, in this order.

        Raises:
            InputError: a file is damaged in one of the ranges.
        """
        counts = []
        for events, mine in wanted:
            with _errors_naming(self.paths[events.file]):
                offsets = self._files[events.file][OFFSETS][events.begin : events.end + 1]
            counts.append(np.diff(offsets.astype(np.int64))[mine])
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        # Filled range by range: concatenating at the end would take twice the memory.
        whole: dict[str, Any] = dict.fromkeys((*CELL_FIELDS, *EVENT_FIELDS))
        first = 0
        for events, mine in wanted:
            chosen, last = self.read(events).take(mine), first + len(mine)
            for names, start, end, n in (
                (CELL_FIELDS, offsets[first], offsets[last], offsets[-1]),
                (EVENT_FIELDS, first, last, len(offsets) - 1),
            ):
                for name in names:
                    values = getattr(chosen, name)
                    if values is not None:
                        if whole[name] is None:
                            whole[name] = _mapped_array((int(n), *values.shape[1:]), values.dtype)
                        whole[name][start:end] = values
            first = last
        return Images(self.compression, offsets, **whole)

    def columns(
        self, events: EventRange, names: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Return quantities of ``/events`` of a range (default: all).

        Raises:
            InputError: the file is damaged in this range, or lacks a quantity.
        """
        with _errors_naming(self.paths[events.file]):
            group = self._files[events.file]["events"]
            return {name: group[name][events.begin : events.end] for name in names or group}

    def identity(self) -> dict[str, npt.NDArray[Any]]:
        """Return ``run_number``, ``event_number`` and ``fold`` of all events: 13 bytes per event.

        Raises:
            InputError: a file is damaged.
        """
        found: dict[str, list[npt.NDArray[Any]]] = {"run_number": [], "event_number": []}
        for path, file in zip(self.paths, self._files, strict=True):
            with _errors_naming(path):
                for name, arrays in found.items():
                    arrays.append(file[schema.event_column(name)][:])
        return {name: np.concatenate(a) for name, a in found.items()} | {"fold": self.fold}

    def passing(self, region: str | None) -> Mask:
        """Return which events lie in a region of the selection; all if it is None.

        Raises:
            InputError: a file is damaged or lacks the region.
        """
        if region is None:
            return np.ones(len(self), bool)
        passing = []
        for path, file in zip(self.paths, self._files, strict=True):
            with _errors_naming(path):
                passing.append(file[schema.region_column(region)][:].astype(bool))
        return np.concatenate(passing)

    def in_validation(self, fraction: float) -> Mask:
        """Return which events are in the validation subset."""
        chosen = np.zeros(len(self), bool)
        for events in self.ranges():
            key = self.columns(events, ("run_number", "event_number"))
            events.view(chosen)[:] = in_validation(key["run_number"], key["event_number"], fraction)
        return chosen


@contextlib.contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Turn errors of h5py into one line with the file and the remedy."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image file: make it with --stage imaging") from error
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split()).strip("'\"")
        if "filter returned failure" in cause:
            cause = "wrong checksum"
        raise InputError(
            f"{path}: damaged or incomplete image file ({cause}): make it again with "
            "--stage imaging --force"
        ) from error


def _plain(file: h5py.File, name: str) -> Any:
    """Return an attribute as a number, a string or a list."""
    return np.asarray(file.attrs[name]).tolist()


def _check(path: Path, file: h5py.File) -> None:
    """Check the schema, the layout and the lengths of the datasets.

    Raises:
        InputError: the file has another schema or layout, or a file that it links to is missing.
        ValueError: the lengths differ.
    """
    version = file.attrs.get("schema")
    if version != schema.SCHEMA:
        raise InputError(
            f"{path}: image file of schema version {version}, but this program reads "
            f"{schema.SCHEMA}: make it again with --stage imaging"
        )
    layout = {name: list(schema.LAYOUT[name]) for name in ("grid_shape", "channels")}
    _require_same(path, {name: _plain(file, name) for name in layout}, layout, "this program")
    row = file["cells/row"]
    for source in row.virtual_sources() if row.is_virtual else ():
        if not (path.parent / source.file_name).is_file():  # HDF5 would read zeros
            raise InputError(
                f"{path}: linked file {source.file_name} is missing: make it again with "
                "--stage imaging"
            )
    n_events, n_cells = len(file[OFFSETS]) - 1, len(file["cells/row"])
    if (
        int(file[OFFSETS][n_events]) != n_cells
        or file[VALUES].shape != (n_cells, N_CHANNELS)
        or len(file["events/fold"]) != n_events
        or len(file["events/weight"]) != n_events
    ):
        raise ValueError("its datasets differ in length")


def _require_same(
    path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], owner: object
) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            raise InputError(
                f"{path}: images made with {name} = {found[name]!r}, but {owner} has {value!r}: "
                "make all with one configuration, by --stage imaging"
            )


def _values(values: h5py.Dataset, cells: slice) -> Floats:
    """Return the channels of some cells, shape (cells, 8)."""
    # One by one: a chunk holds one channel, and HDF5 takes twice the time to interleave them.
    found = np.empty((cells.stop - cells.start, N_CHANNELS), np.float32)
    for channel in range(N_CHANNELS):
        found[:, channel] = values[cells, channel]
    return found


def _mapped_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return an empty array whose memory returns to the system when it is freed.

    With malloc, large arrays of varying sizes fragment the heap, which grows steadily.
    """
    n = math.prod(shape)
    memory = mmap.mmap(-1, max(1, n * dtype.itemsize), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, dtype, n).reshape(shape)
