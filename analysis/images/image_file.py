"""The sparse image file (HDF5): schema and writer. Described in docs/formats.md.

Images stay sparse on disk: a compression only changes a cell's address. Written block by block
with memory that does not grow with the number of events; the file gets its name only when whole.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import numpy.typing as npt
from h5py import h5s

from analysis.inputs.sample_info import Source
from common.runtime import files
from common.runtime.errors import OutputError
from common.schema import hdf5
from common.schema.hdf5 import create_file
from common.tasks import Skipped

SCHEMA = 4
N_ROWS, N_COLUMNS = 100, 126
COMPRESSIONS = ("cell", "rowcol", "stochastic")  # beside "none", the address itself
CHANNELS = ("pt_all", "n_part", "charge", "pt_mu", "pt_e", "emf", "pt_jet", "jet_width")
UNITS = ("GeV", "1", "e", "GeV", "GeV", "1", "GeV", "1")
CROPS = (60, 30)

SOURCES = "files"
SKIPPED = "skipped_files"

GROUPS = ("cells", "events", "compression", *(f"compression/{name}" for name in COMPRESSIONS))
NO_COLUMNS = (SOURCES, "cells/offsets", "cells/values")
_LOSSES = "losses/"
_EVENTS_A_ROUND = 8192  # and a chunk
_CELLS_A_CHUNK = 65536
_MARGIN = 1_000_000  # bytes for HDF5's own bookkeeping


@dataclass
class Losses:
    """What did not enter the images, counted over all events. Transverse momenta are summed in
    whole keV, so that the sums do not depend on how the events are grouped."""

    particles: int = 0
    particles_below_threshold: int = 0
    particles_outside_grid: int = 0
    objects_not_finite: int = 0
    jets_outside_grid: int = 0
    pt_particles_kev: int = 0
    pt_below_threshold_kev: int = 0
    pt_outside_grid_kev: int = 0
    cells: int = 0
    pt_cells_kev: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    """Particles that were taken as visible though their PDG code, the key, is not known to be."""
    # of a crop: "<compression>_<size>" -> cells, their pT, and the events that lose any
    cells_lost: dict[str, int] = field(default_factory=dict)
    pt_lost_kev: dict[str, int] = field(default_factory=dict)
    events_cropped: dict[str, int] = field(default_factory=dict)

    def add(self, other: Losses) -> None:
        """Count the losses of further events."""
        for item in dataclasses.fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if isinstance(mine, dict):
                for key, value in theirs.items():
                    mine[key] = mine.get(key, 0) + value
            else:
                setattr(self, item.name, mine + theirs)

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Losses:
        """As stored in a file."""
        losses = cls()
        for key, value in attributes.items():
            if not key.startswith(_LOSSES):
                continue
            name, _, item = key.removeprefix(_LOSSES).partition("/")
            if item:
                getattr(losses, name)[item] = int(value)
            else:
                setattr(losses, name, int(value))
        return losses


def is_of_events(name: str) -> bool:
    """Whether a dataset has one entry an event, not one a cell."""
    return name.startswith("events/") or name.endswith(("/kept_rows", "/kept_columns"))


@dataclass(frozen=True)
class ImageColumns:
    """The images of consecutive events as flat arrays; cells of event i are those between
    ``offsets[i]`` and ``offsets[i + 1]``, counted from ``offsets[0]``. ``columns`` are named as in
    the file."""

    offsets: npt.NDArray[np.uint64]
    columns: Mapping[str, npt.NDArray[Any]]  # datasets of one entry an event, or one a cell
    channels: Sequence[npt.NDArray[np.float32]]  # of the cells' values, each (cells,)
    losses: Losses

    def part(self, begin: int, end: int) -> ImageColumns:
        """Events [begin, end), seen in the same memory, without losses."""
        first, last = (int(self.offsets[i] - self.offsets[0]) for i in (begin, end))
        columns = {
            name: values[begin:end] if is_of_events(name) else values[first:last]
            for name, values in self.columns.items()
        }
        channels = [values[first:last] for values in self.channels]
        return ImageColumns(self.offsets[begin : end + 1], columns, channels, Losses())

    def copy(self) -> ImageColumns:
        """The same in memory of its own."""
        columns = {name: values.copy() for name, values in self.columns.items()}
        channels = [values.copy() for values in self.channels]
        return ImageColumns(self.offsets.copy(), columns, channels, self.losses)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.offsets, *self.columns.values(), *self.channels)
        return sum(array.nbytes for array in arrays)


class ImageWriter:
    """Appends blocks of images to a file that appears whole on leaving the context, with the
    ``attributes`` and ``sources`` it has been given by then.

    Whatever the blocks, the file is written in rounds of the same number of events, so that equal
    images make files that are equal byte by byte.
    """

    def __init__(self, path: Path) -> None:
        self._whole = files.whole(path)
        self._path = path
        self.attributes: dict[str, Any] = {}
        self.sources: list[Source] = []
        self._waiting: list[ImageColumns] = []  # of the round that is not full yet
        # Kept open: to close a dataset writes its unfinished chunks, to be read again at once.
        self._datasets: dict[str, h5py.Dataset] = {}
        self.losses = Losses()

    def __enter__(self) -> ImageWriter:
        partial = self._whole.__enter__()
        try:
            self._file = create_file(partial, GROUPS)
            _append(self._dataset("cells/offsets", np.dtype(np.uint64)), [np.zeros(1, np.uint64)])
        except BaseException as error:
            self._whole.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def append(self, block: ImageColumns) -> None:
        """Append the images of some events.

        Raises:
            OutputError: the directory is full or cannot be written.
        """
        files.require_space(self._path, _MARGIN + block.nbytes)
        self.losses.add(block.losses)
        begin = 0
        while begin < len(block):
            free = _EVENTS_A_ROUND - sum(map(len, self._waiting))
            end = min(begin + free, len(block))
            self._waiting.append(block.part(begin, end))
            if end - begin == free:
                self._write_round()
            begin = end
        if not self._waiting:
            self._waiting.append(block.part(0, 0))  # an empty file has its datasets too
        self._waiting[-1] = self._waiting[-1].copy()  # the block's memory may be used again

    def append_file(self, file: h5py.File) -> None:
        """Append the images of another file, and its losses."""
        for block in read_blocks(file):
            self.append(block)

    def _write_round(self) -> None:
        parts, self._waiting = self._waiting, []
        try:
            offsets = self._datasets["cells/offsets"]
            n_cells = offsets[-1]
            for part in parts:
                _append(offsets, [part.offsets[1:] - part.offsets[0] + n_cells])
                n_cells += part.offsets[-1] - part.offsets[0]
            first = parts[0]
            # A chunk holds one channel: most are nearly empty, which packs small and fast.
            values = self._dataset("cells/values", np.dtype(np.float32), len(CHANNELS))
            _append_channels(values, [part.channels for part in parts])
            for name in sorted(first.columns):  # one order, whoever made the block
                column = first.columns[name]
                dataset = self._dataset(name, column.dtype, *column.shape[1:])
                _append(dataset, [part.columns[name] for part in parts])
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self._path}: cannot write: {error}") from error

    def _dataset(self, name: str, dtype: np.dtype[Any], *shape: int) -> h5py.Dataset:
        if name not in self._datasets:
            of_events = is_of_events(name) or name == "cells/offsets"
            chunk = _EVENTS_A_ROUND if of_events else _CELLS_A_CHUNK
            # Addresses hardly get smaller, and that costs as much as all else about them.
            codec = {} if dtype == np.uint8 and not of_events else hdf5plugin.LZ4()
            self._datasets[name] = self._file.create_dataset(
                name,
                (0, *shape),
                dtype=dtype,
                maxshape=(None, *shape),
                chunks=(chunk, *(1 if name == "cells/values" else n for n in shape)),
                fletcher32=True,
                **codec,
            )
        return self._datasets[name]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                if self._waiting:
                    self._write_round()
                finish(self._file, self.attributes, self.sources, self.losses)
            self._datasets.clear()
            self._file.close()
        except (OSError, RuntimeError) as failure:
            wrapped = OutputError(f"{self._path}: cannot write: {failure}")
            self._whole.__exit__(type(wrapped), wrapped, wrapped.__traceback__)
            raise wrapped from failure
        self._whole.__exit__(kind, error, traceback)


def _append(dataset: h5py.Dataset, parts: Sequence[npt.NDArray[Any]]) -> None:
    start, *shape = dataset.shape
    dataset.id.set_extent((start + sum(map(len, parts)), *shape))
    for part in parts:
        _write(dataset, (start, *(0 for _ in shape)), part)
        start += len(part)


def _append_channels(
    dataset: h5py.Dataset, parts: Sequence[Sequence[npt.NDArray[np.float32]]]
) -> None:
    begin = len(dataset)
    dataset.id.set_extent((begin + sum(len(part[0]) for part in parts), len(CHANNELS)))
    for k in range(len(CHANNELS)):
        start = begin
        for part in parts:
            _write(dataset, (start, k), part[k][:, np.newaxis])
            start += len(part[k])


def _write(dataset: h5py.Dataset, start: tuple[int, ...], values: npt.NDArray[Any]) -> None:
    """``dataset[start:...] = values``; h5py's own way there costs more than the writing."""
    if values.size:
        place = dataset.id.get_space()
        place.select_hyperslab(start, values.shape)
        dataset.id.write(h5s.create_simple(values.shape), place, np.ascontiguousarray(values))


def _flat(losses: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Attributes of the counts: ``losses/<what>`` or ``losses/<what>/<compression>_<size>``."""
    flat: list[tuple[str, Any]] = []
    for key, value in losses.items():
        if isinstance(value, dict):
            flat += [(f"{_LOSSES}{key}/{name}", number) for name, number in sorted(value.items())]
        else:
            flat.append((f"{_LOSSES}{key}", value))
    return flat


def finish(
    file: h5py.File, attributes: Mapping[str, Any], sources: Sequence[Source], losses: Losses
) -> None:
    """Add what is known at the end: the input files, the attributes and the losses."""
    file.create_dataset(SOURCES, data=_table(sources), fletcher32=True, chunks=True)
    for key, value in (*attributes.items(), *_flat(dataclasses.asdict(losses))):
        file.attrs[key] = value
    file.attrs["schema"] = SCHEMA


_WHOLE_NUMBERS = ("begin", "end", "n_events")
_WEIGHTS = (
    "cross_section",
    "cross_section_error",
    "sum_of_weights",
    "sum_of_weights_squared",
)
_NUMBERS = (*_WHOLE_NUMBERS, *_WEIGHTS)
_TEXTS = ("file", "input_version", "dataset")


def _table(sources: Sequence[Source]) -> npt.NDArray[Any]:
    """A row a file; what is not known is NaN, or empty."""
    text = {name: [(getattr(s, name) or "").encode() for s in sources] for name in _TEXTS}
    columns = [(name, f"S{max(map(len, rows), default=0) or 1}") for name, rows in text.items()]
    columns += [(name, "<u8" if name in _WHOLE_NUMBERS else "<f8") for name in _NUMBERS]
    table = np.zeros(len(sources), columns)
    for name, rows in text.items():
        table[name] = rows
    for name in _NUMBERS:
        values = [getattr(s, name) for s in sources]
        table[name] = [np.nan if value is None else value for value in values]
    return table


def read_sources(file: h5py.File) -> list[Source]:
    """The input files of an image file."""
    return [Source(**_values(row)) for row in file[SOURCES][:]]


def _values(row: Any) -> dict[str, Any]:
    """A row of `_table`, by column."""
    values: dict[str, Any] = {name: row[name].decode() or None for name in _TEXTS}
    values |= {name: int(row[name]) for name in _WHOLE_NUMBERS}
    return values | {n: None if np.isnan(row[n]) else float(row[n]) for n in _WEIGHTS}


def skipped_files(path: Path) -> list[Skipped]:
    """The input files that were left out of an image file, if there is one."""
    if not path.exists():
        return []
    with hdf5.open_file(path) as file:
        return [Skipped(**one) for one in json.loads(file.attrs[SKIPPED])]


def read_blocks(file: h5py.File) -> Iterator[ImageColumns]:
    """The images of a file in blocks of memory of their own; the losses come with the first."""
    columns = [name for name in datasets_of(file) if name not in NO_COLUMNS]
    offsets = file["cells/offsets"]
    losses = Losses.from_attributes(file.attrs)
    values = file["cells/values"]
    for begin in range(0, max(len(offsets) - 1, 1), _EVENTS_A_ROUND):
        of_block = offsets[begin : begin + _EVENTS_A_ROUND + 1]
        end, first, last = begin + len(of_block) - 1, int(of_block[0]), int(of_block[-1])
        yield ImageColumns(
            of_block,
            {
                name: file[name][begin:end] if is_of_events(name) else file[name][first:last]
                for name in columns
            },
            [values[first:last, k] for k in range(len(CHANNELS))],
            losses,
        )
        losses = Losses()


def datasets_of(file: h5py.File) -> list[str]:
    """The names of all datasets."""
    found: list[str] = []
    file.visititems(lambda name, x: found.append(name) if isinstance(x, h5py.Dataset) else None)
    return found
