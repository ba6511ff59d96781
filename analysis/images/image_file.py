"""Write image files (HDF5), whose layout is in `common.schema.images`.

Images stay sparse on disk: a compression only changes the address of a cell. Files are written
block by block, so that memory does not grow with the number of events, and get their name only when
complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import numpy.typing as npt
from h5py import h5s

from analysis.images.input_files import write_sources
from analysis.images.losses import Losses
from analysis.inputs.sample_info import InputRange
from common.runtime import files
from common.runtime.errors import OutputError
from common.schema import images as schema
from common.schema.hdf5 import create_file
from common.schema.images import CHANNELS, GROUPS, OFFSETS, VALUES, has_entry_per_event

_EVENTS_PER_ROUND = 8192  # and per chunk
_CELLS_PER_CHUNK = 65536
_MARGIN = 1_000_000  # bytes for the metadata of HDF5


@dataclass(frozen=True)
class ImageColumns:
    """Images of consecutive events as flat arrays.

    The cells of event i are those between ``offsets[i]`` and ``offsets[i + 1]``, counted from
    ``offsets[0]``. ``columns`` are the other datasets by their names in the file, with one entry
    per event or per cell; ``channels`` the values of the cells, an array of shape (cells,) each.
    """

    offsets: npt.NDArray[np.uint64]
    columns: Mapping[str, npt.NDArray[Any]]
    channels: Sequence[npt.NDArray[np.float32]]
    losses: Losses

    def view(self, begin: int, end: int) -> ImageColumns:
        """Return events [begin, end) in the same memory, without losses."""
        first, last = (int(self.offsets[i] - self.offsets[0]) for i in (begin, end))
        columns = {
            name: values[begin:end] if has_entry_per_event(name) else values[first:last]
            for name, values in self.columns.items()
        }
        channels = [values[first:last] for values in self.channels]
        return ImageColumns(self.offsets[begin : end + 1], columns, channels, Losses())

    def copy(self) -> ImageColumns:
        """Return a copy in separate memory."""
        columns = {name: values.copy() for name, values in self.columns.items()}
        channels = [values.copy() for values in self.channels]
        return ImageColumns(self.offsets.copy(), columns, channels, self.losses)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Return the size of all arrays in bytes."""
        arrays = (self.offsets, *self.columns.values(), *self.channels)
        return sum(array.nbytes for array in arrays)


class ImageWriter:
    """Context manager that appends blocks of images to a file.

    The file appears when the context ends without an error, with the ``attributes`` and ``sources``
    set by then. It is written in rounds of a fixed number of events, so that the same images give
    the same bytes whatever the blocks.
    """

    def __init__(self, path: Path) -> None:
        self._whole = files.whole(path)
        self._path = path
        self.attributes: dict[str, Any] = {}
        self.sources: list[InputRange] = []
        self._waiting: list[ImageColumns] = []  # for the current round
        # Kept open: closing a dataset writes its incomplete chunks, which are then read again.
        self._datasets: dict[str, h5py.Dataset] = {}
        self.losses = Losses()

    def __enter__(self) -> ImageWriter:
        partial = self._whole.__enter__()
        try:
            self._file = create_file(partial, GROUPS)
            _append(self._dataset(OFFSETS, np.dtype(np.uint64)), [np.zeros(1, np.uint64)])
        except BaseException as error:
            self._whole.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def append(self, block: ImageColumns) -> None:
        """Append the images of some events.

        Raises:
            OutputError: the directory is full or not writable.
        """
        files.require_space(self._path, _MARGIN + block.nbytes)
        self.losses.add(block.losses)
        begin = 0
        while begin < len(block):
            free = _EVENTS_PER_ROUND - sum(map(len, self._waiting))
            end = min(begin + free, len(block))
            self._waiting.append(block.view(begin, end))
            if end - begin == free:
                self._write_round()
            begin = end
        if not self._waiting:
            self._waiting.append(block.view(0, 0))  # a file without events has all datasets, too
        self._waiting[-1] = self._waiting[-1].copy()  # the caller may reuse the memory of the block

    def append_file(self, file: h5py.File) -> None:
        """Append the images and losses of another file."""
        for block in read_blocks(file):
            self.append(block)

    def _write_round(self) -> None:
        blocks, self._waiting = self._waiting, []
        try:
            offsets = self._datasets[OFFSETS]
            n_cells = offsets[-1]
            for block in blocks:
                _append(offsets, [block.offsets[1:] - block.offsets[0] + n_cells])
                n_cells += block.offsets[-1] - block.offsets[0]
            first = blocks[0]
            # A chunk holds one channel: most channels are nearly empty and compress well.
            values = self._dataset(VALUES, np.dtype(np.float32), len(CHANNELS))
            _append_channels(values, [block.channels for block in blocks])
            for name in sorted(first.columns):  # the same order for every producer
                column = first.columns[name]
                dataset = self._dataset(name, column.dtype, *column.shape[1:])
                _append(dataset, [block.columns[name] for block in blocks])
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self._path}: cannot write: {error}") from error

    def _dataset(self, name: str, dtype: np.dtype[Any], *shape: int) -> h5py.Dataset:
        if name not in self._datasets:
            per_event = has_entry_per_event(name) or name == OFFSETS
            chunk = _EVENTS_PER_ROUND if per_event else _CELLS_PER_CHUNK
            # Addresses hardly shrink, and compressing them takes as long as all other work on them.
            codec = {} if dtype == np.uint8 and not per_event else hdf5plugin.LZ4()
            self._datasets[name] = self._file.create_dataset(
                name,
                (0, *shape),
                dtype=dtype,
                maxshape=(None, *shape),
                chunks=(chunk, *(1 if name == VALUES else n for n in shape)),
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
                write_metadata(self._file, self.attributes, self.sources, self.losses)
            self._datasets.clear()
            self._file.close()
        except (OSError, RuntimeError) as failure:
            wrapped = OutputError(f"{self._path}: cannot write: {failure}")
            self._whole.__exit__(type(wrapped), wrapped, wrapped.__traceback__)
            raise wrapped from failure
        self._whole.__exit__(kind, error, traceback)


def _append(dataset: h5py.Dataset, arrays: Sequence[npt.NDArray[Any]]) -> None:
    start, *shape = dataset.shape
    dataset.id.set_extent((start + sum(map(len, arrays)), *shape))
    for array in arrays:
        _write(dataset, (start, *(0 for _ in shape)), array)
        start += len(array)


def _append_channels(
    dataset: h5py.Dataset, blocks: Sequence[Sequence[npt.NDArray[np.float32]]]
) -> None:
    begin = len(dataset)
    dataset.id.set_extent((begin + sum(len(channels[0]) for channels in blocks), len(CHANNELS)))
    for k in range(len(CHANNELS)):
        start = begin
        for channels in blocks:
            _write(dataset, (start, k), channels[k][:, np.newaxis])
            start += len(channels[k])


def _write(dataset: h5py.Dataset, start: tuple[int, ...], values: npt.NDArray[Any]) -> None:
    """Assign ``dataset[start:...] = values``, avoiding the overhead of h5py's indexing."""
    if values.size:
        place = dataset.id.get_space()
        place.select_hyperslab(start, values.shape)
        dataset.id.write(h5s.create_simple(values.shape), place, np.ascontiguousarray(values))


def write_metadata(
    file: h5py.File, attributes: Mapping[str, Any], sources: Sequence[InputRange], losses: Losses
) -> None:
    """Write the input files, the attributes and the losses."""
    write_sources(file, sources)
    for key, value in (*attributes.items(), *losses.to_attributes().items()):
        file.attrs[key] = value
    file.attrs["schema"] = schema.SCHEMA


def read_blocks(file: h5py.File) -> Iterator[ImageColumns]:
    """Yield the images of a file in blocks with separate memory; the first has the losses."""
    columns = [
        name for name in datasets_of(file) if name not in (schema.INPUT_FILES, OFFSETS, VALUES)
    ]
    offsets = file[OFFSETS]
    losses = Losses.from_attributes(file.attrs)
    values = file[VALUES]
    for begin in range(0, max(len(offsets) - 1, 1), _EVENTS_PER_ROUND):
        of_block = offsets[begin : begin + _EVENTS_PER_ROUND + 1]
        end, first, last = begin + len(of_block) - 1, int(of_block[0]), int(of_block[-1])
        yield ImageColumns(
            of_block,
            {
                name: file[name][begin:end] if has_entry_per_event(name) else file[name][first:last]
                for name in columns
            },
            [values[first:last, k] for k in range(len(CHANNELS))],
            losses,
        )
        losses = Losses()


def datasets_of(file: h5py.File) -> list[str]:
    """Return the names of all datasets."""
    found: list[str] = []
    file.visititems(lambda name, x: found.append(name) if isinstance(x, h5py.Dataset) else None)
    return found
