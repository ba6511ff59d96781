"""The sparse image file (HDF5): schema and writer. Described in docs/formats.md.

Images stay sparse on disk: a compression only changes a cell's address. Written block by block
with memory that does not grow with the number of events; the file gets its name only when whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import numpy.typing as npt

from common import files
from common.errors import OutputError

SCHEMA = 2
N_ROWS, N_COLUMNS = 100, 126
COMPRESSIONS = ("cell", "rowcol", "stochastic")  # beside "none", the address itself
CHANNELS = ("pt_all", "n_part", "charge", "pt_mu", "pt_e", "emf", "pt_jet", "jet_width")
UNITS = ("GeV", "1", "e", "GeV", "GeV", "1", "GeV", "1")
CROPS = (60, 30)

_EVENTS_A_CHUNK = 8192
_CELLS_A_CHUNK = 65536
_CACHE = 4 << 20  # bytes of unfinished chunks a dataset: all eight channels fit
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


@dataclass(frozen=True)
class ImageColumns:
    """The images of consecutive events as flat arrays; cells of event i are those between
    ``offsets[i]`` and ``offsets[i + 1]``. ``columns`` are named as in the file."""

    offsets: npt.NDArray[np.uint64]
    columns: Mapping[str, npt.NDArray[Any]]  # datasets of one entry an event, or one a cell
    channels: Sequence[npt.NDArray[np.float32]]  # of the cells' values, each (cells,)
    losses: Losses

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.offsets, *self.columns.values(), *self.channels)
        return sum(array.nbytes for array in arrays)


class ImageWriter:
    """Appends blocks of images to a file that appears whole on leaving the context."""

    def __init__(self, path: Path, attributes: Mapping[str, Any]) -> None:
        self._whole = files.whole(path)
        self._path = path
        self._attributes = attributes
        self.losses = Losses()

    def __enter__(self) -> ImageWriter:
        partial = self._whole.__enter__()
        try:
            self._file = h5py.File(partial, "w", libver="v110", rdcc_nbytes=_CACHE)
            self._create()
        except BaseException as error:
            self._whole.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _create(self) -> None:
        # Kept open: to close a dataset writes its unfinished chunks, to be read again at once.
        self._datasets: dict[str, h5py.Dataset] = {}
        _append(self._dataset("cells/offsets", np.dtype(np.uint64)), np.zeros(1, np.uint64))
        # A chunk holds one channel: most are nearly empty, which packs small and fast.
        self._dataset("cells/values", np.dtype(np.float32), len(CHANNELS))

    def _dataset(self, name: str, dtype: np.dtype[Any], *shape: int) -> h5py.Dataset:
        if name not in self._datasets:
            of_events = name.startswith("events/") or name.endswith(
                ("offsets", "_rows", "_columns")
            )
            chunk = _EVENTS_A_CHUNK if of_events else _CELLS_A_CHUNK
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

    def append(self, block: ImageColumns) -> None:
        """Append the images of some events.

        Raises:
            OutputError: the directory is full or cannot be written.
        """
        files.require_space(self._path, _MARGIN + block.nbytes)
        try:
            offsets = self._datasets["cells/offsets"]
            _append(offsets, block.offsets[1:] + offsets[-1])
            _append_channels(self._datasets["cells/values"], block.channels)
            for name, values in block.columns.items():
                _append(self._dataset(name, values.dtype, *values.shape[1:]), values)
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self._path}: cannot write: {error}") from error
        self.losses.add(block.losses)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                losses = dataclasses.asdict(self.losses)
                for key, value in (*self._attributes.items(), *_flat(losses)):
                    self._file.attrs[key] = value
                self._file.attrs["schema"] = SCHEMA
            self._datasets.clear()
            self._file.close()
        except (OSError, RuntimeError) as failure:
            wrapped = OutputError(f"{self._path}: cannot write: {failure}")
            self._whole.__exit__(type(wrapped), wrapped, wrapped.__traceback__)
            raise wrapped from failure
        self._whole.__exit__(kind, error, traceback)


def _append(dataset: h5py.Dataset, values: npt.NDArray[Any]) -> None:
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


def _append_channels(dataset: h5py.Dataset, channels: Sequence[npt.NDArray[np.float32]]) -> None:
    start = len(dataset)
    dataset.resize(start + len(channels[0]), axis=0)
    for k, channel in enumerate(channels):
        dataset[start:, k] = channel


def _flat(losses: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Attributes of the counts: ``losses/<what>`` or ``losses/<what>/<compression>_<size>``."""
    flat: list[tuple[str, Any]] = []
    for key, value in losses.items():
        if isinstance(value, dict):
            flat += [(f"losses/{key}/{name}", number) for name, number in value.items()]
        else:
            flat.append((f"losses/{key}", value))
    return flat
