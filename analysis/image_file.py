"""The sparse image file (HDF5): schema and writer. Described in docs/formats.md.

Images stay sparse on disk: a compression only changes a cell's address. Written block by block
with memory that does not grow with the number of events; the file gets its name only when whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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

SCHEMA = 1
N_ROWS, N_COLUMNS = 100, 126
COMPRESSIONS = ("cell", "rowcol", "stochastic")  # beside "none", the address itself
CHANNELS = ("pt_all", "n_part", "charge", "pt_mu", "pt_e", "emf", "pt_jet", "jet_width")
UNITS = ("GeV", "1", "e", "GeV", "GeV", "1", "GeV", "1")
CROPS = (60, 30)

_EVENTS_A_CHUNK = 1024
_CELLS_A_CHUNK = 65536
_MARGIN = 1_000_000  # bytes for HDF5's own bookkeeping


@dataclass
class Losses:
    """What did not enter the images, counted over all events."""

    particles: int = 0
    particles_below_threshold: int = 0
    particles_outside_grid: int = 0
    objects_not_finite: int = 0
    jets_outside_grid: int = 0
    pt_particles: float = 0.0
    pt_below_threshold: float = 0.0
    pt_outside_grid: float = 0.0
    cells: int = 0
    pt_cells: float = 0.0
    # of a crop: "<compression>_<size>" -> cells, their pT, and the events that lose any
    cells_lost: dict[str, int] = field(default_factory=dict)
    pt_lost: dict[str, float] = field(default_factory=dict)
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
    ``offsets[i]`` and ``offsets[i + 1]``."""

    events: Mapping[str, npt.NDArray[Any]]
    offsets: npt.NDArray[np.uint64]
    row: npt.NDArray[np.uint8]
    column: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float32]  # (cells, 8)
    compressed: Mapping[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]
    kept_rows: npt.NDArray[np.uint8]  # (events, 13): bits of the stochastic compression
    kept_columns: npt.NDArray[np.uint8]  # (events, 16)
    losses: Losses

    def __len__(self) -> int:
        return len(self.offsets) - 1


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
            self._file = h5py.File(partial, "w", libver="v110")
            self._create()
        except BaseException as error:
            self._whole.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _dataset(self, name: str, dtype: Any, chunk: int, *shape: int) -> h5py.Dataset:
        return self._file.create_dataset(
            name,
            (0, *shape),
            dtype=dtype,
            maxshape=(None, *shape),
            chunks=(chunk, *shape),
            fletcher32=True,
            **hdf5plugin.Blosc(cname="zstd", clevel=3, shuffle=hdf5plugin.Blosc.SHUFFLE),
        )

    def _create(self) -> None:
        self._dataset("cells/offsets", np.uint64, _EVENTS_A_CHUNK)
        self._dataset("cells/row", np.uint8, _CELLS_A_CHUNK)
        self._dataset("cells/column", np.uint8, _CELLS_A_CHUNK)
        self._dataset("cells/values", np.float32, _CELLS_A_CHUNK // 8, len(CHANNELS))
        for name in COMPRESSIONS:
            self._dataset(f"compression/{name}/row", np.uint8, _CELLS_A_CHUNK)
            self._dataset(f"compression/{name}/column", np.uint8, _CELLS_A_CHUNK)
        self._dataset("compression/stochastic/kept_rows", np.uint8, _EVENTS_A_CHUNK, 13)
        self._dataset("compression/stochastic/kept_columns", np.uint8, _EVENTS_A_CHUNK, 16)
        _append(self._file["cells/offsets"], np.zeros(1, np.uint64))

    def append(self, block: ImageColumns) -> None:
        """Append the images of some events.

        Raises:
            OutputError: the directory is full or cannot be written.
        """
        files.require_space(self._path, _MARGIN + _size(block))
        try:
            offsets = self._file["cells/offsets"]
            _append(offsets, block.offsets[1:] + offsets[-1])
            _append(self._file["cells/row"], block.row)
            _append(self._file["cells/column"], block.column)
            _append(self._file["cells/values"], block.values)
            for name, (row, column) in block.compressed.items():
                _append(self._file[f"compression/{name}/row"], row)
                _append(self._file[f"compression/{name}/column"], column)
            _append(self._file["compression/stochastic/kept_rows"], block.kept_rows)
            _append(self._file["compression/stochastic/kept_columns"], block.kept_columns)
            for name, values in block.events.items():
                if f"events/{name}" not in self._file:
                    self._dataset(f"events/{name}", values.dtype, _EVENTS_A_CHUNK)
                _append(self._file[f"events/{name}"], values)
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
            self._file.close()
        except (OSError, RuntimeError) as failure:
            wrapped = OutputError(f"{self._path}: cannot write: {failure}")
            self._whole.__exit__(type(wrapped), wrapped, wrapped.__traceback__)
            raise wrapped from failure
        self._whole.__exit__(kind, error, traceback)


def _size(block: ImageColumns) -> int:
    """Bytes of a block, uncompressed."""
    per_cell = 2 * (1 + len(block.compressed))
    arrays = (*block.events.values(), block.offsets, block.values, block.kept_rows)
    return sum(array.nbytes for array in arrays) + per_cell * len(block.row)


def _append(dataset: h5py.Dataset, values: npt.NDArray[Any]) -> None:
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


def _flat(losses: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Attributes of the counts: ``lost/<what>`` or ``lost/<what>/<compression>_<size>``."""
    flat: list[tuple[str, Any]] = []
    for key, value in losses.items():
        if isinstance(value, dict):
            flat += [(f"losses/{key}/{name}", number) for name, number in value.items()]
        else:
            flat.append((f"losses/{key}", value))
    return flat
