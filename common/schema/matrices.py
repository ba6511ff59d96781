"""Files of rapidity-mass matrices (HDF5): schema, writer and reader. See docs/formats.md.

Written by h5py rather than `pandas.DataFrame.to_hdf`: typed, streamed, without PyTables, and
readable from C++, Julia and Keras. `frame` returns the pandas table.
"""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import hdf5plugin  # also registers the codec that the reader needs
import numpy as np
import numpy.typing as npt

from common.runtime import files
from common.runtime.errors import InputError, OutputError, did_you_mean
from common.schema import hdf5

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
FEATURES = "features"
ROWS = 1 << 12  # of a chunk, and of a block that is read

_MARGIN = 1_000_000  # bytes
_ALL = slice(None)

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


class Subset(enum.IntEnum):
    """What an event is used for; the values of column ``subset``."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2
    PSEUDO_DATA = 3


TYPES: dict[str, Any] = {
    "run_number": np.uint32,
    "event_number": np.uint64,
    "weight": np.float64,
    "subset": np.uint8,
}
"""Columns of events that each file has; further ones are float32."""


def event_column(name: str) -> str:
    """Return the name of the dataset of a column of events."""
    return f"events/{name}"


# --- Writing --------------------------------------------------------------------------------------


@dataclass
class MatrixWriter:
    """Append events to a file that appears when the context ends without an error, with the
    ``attributes`` set by then."""

    path: Path
    attributes: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> MatrixWriter:
        self._whole = files.whole(self.path)
        self._file = hdf5.create_file(self._whole.__enter__(), ["events"])
        return self

    def append(self, columns: Mapping[str, Array]) -> None:
        """Append events: ``features`` (events, D) and ``events/<name>`` (events,).

        Raises:
            OutputError: the directory is full or not writable.
        """
        files.require_space(self.path, _MARGIN + sum(c.nbytes for c in columns.values()))
        try:
            for name in sorted(columns):
                values = columns[name]
                if name not in self._file:
                    self._file.create_dataset(
                        name,
                        (0, *values.shape[1:]),
                        values.dtype,
                        maxshape=(None, *values.shape[1:]),
                        chunks=(ROWS if values.ndim == 1 else 256, *values.shape[1:]),
                        fletcher32=True,
                        **hdf5plugin.LZ4(),
                    )
                dataset = self._file[name]
                begin = len(dataset)
                dataset.resize(begin + len(values), axis=0)
                dataset[begin:] = values
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self.path}: cannot write: {error}") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            for key, value in (*self.attributes.items(), ("schema", SCHEMA)):
                self._file.attrs[key] = value
        self._file.close()
        self._whole.__exit__(kind, error, traceback)


# --- Reading --------------------------------------------------------------------------------------


class MatrixFile:
    """A matrix file, open for reading in a ``with`` statement.

    Each access checks what it reads.

    Raises:
        InputError: the file is missing, damaged or of another schema version, lacks an attribute or
            a dataset, or holds a feature or a weight that is not a finite number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> MatrixFile:
        try:
            self._file = hdf5.open_file(self.path)
        except FileNotFoundError as error:
            raise InputError(
                f"{self.path}: no such matrix file: make it with --stage rmm"
            ) from error
        except OSError as error:
            cause = " ".join(str(error).split())
            raise InputError(
                f"{self.path}: not a matrix file ({cause}): make it again with --stage rmm --force"
            ) from error
        version = self._file.attrs.get("schema")
        if version != SCHEMA:
            self._file.close()
            raise InputError(
                f"{self.path}: matrix file of schema version {version}, this program reads "
                f"{SCHEMA}: make it again with --stage rmm"
            )
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return int(self._shape[0])

    @property
    def _shape(self) -> tuple[int, ...]:
        with self._checked(f"dataset '{FEATURES}'"):
            shape: tuple[int, ...] = self._file[FEATURES].shape
        return shape

    def attribute(self, name: str) -> Any:
        """Return an attribute."""
        with self._checked(f"attribute '{name}'"):
            return self._file.attrs[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the D features."""
        shape, found = self._shape, self.attribute("names")
        with self._checked("attribute 'names'"):
            names = tuple(str(name) for name in found)
            if shape[1:] != (len(names),):
                raise ValueError(f"{len(names)} names, the features have shape {shape}")
        return names

    @property
    def objects(self) -> dict[str, int]:
        """Return the number of slots of each type of objects."""
        text = self.attribute("objects")
        with self._checked("attribute 'objects'"):
            return {str(kind): int(slots) for kind, slots in json.loads(text).items()}

    @property
    def normalisation(self) -> float:
        """Return the factor from an event's weight to expected events."""
        value = self.attribute("normalisation")
        with self._checked("attribute 'normalisation'"):
            return float(_finite(float(value)))

    @property
    def is_data(self) -> bool:
        """Return whether the events are collision data."""
        return bool(self.attribute("data"))

    def features(self, rows: slice = _ALL) -> Floats:
        """Return the features of some events, shape (events, D)."""
        with self._checked(f"dataset '{FEATURES}'"):
            values: Floats = _finite(self._file[FEATURES][rows])
        return values

    def element(self, name: str) -> Floats:
        """Return a feature of all events, shape (events,)."""
        if name not in self.names:
            raise InputError(f"{self.path}: no element '{name}'{did_you_mean(name, self.names)}")
        with self._checked(f"dataset '{FEATURES}'"):
            values: Floats = _finite(self._file[FEATURES][:, self.names.index(name)])
        return values

    def column(self, name: str, rows: slice = _ALL) -> Array:
        """Return a column of some events, shape (events,)."""
        n_events = len(self)
        with self._checked(f"dataset '{event_column(name)}'"):
            dataset = self._file[event_column(name)]
            if dataset.shape != (n_events,):
                raise ValueError(f"shape {dataset.shape}, the features are of {n_events} events")
            values: Array = dataset[rows]
            if name in TYPES:
                values = values.astype(TYPES[name], casting="same_kind")
            if name == "weight":
                _finite(values)
            if name == "subset" and np.any(values > max(Subset)):
                raise ValueError(f"subset {values.max()} is unknown")
        return values

    def columns(self, names: Sequence[str]) -> dict[str, Array]:
        """Return some columns of all events."""
        return {name: self.column(name) for name in names}

    def blocks(self) -> Iterator[dict[str, Array]]:
        """Yield all events in blocks, as `MatrixWriter.append` takes them; at least one block."""
        with self._checked("group 'events'"):
            names = list(self._file["events"])
        for begin in range(0, max(len(self), 1), ROWS):
            rows = slice(begin, begin + ROWS)
            columns = {event_column(name): self.column(name, rows) for name in names}
            yield {FEATURES: self.features(rows), **columns}

    @contextlib.contextmanager
    def _checked(self, what: str) -> Iterator[None]:
        """Turn an error of h5py into one line that names the attribute or dataset."""
        try:
            yield
        except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
            cause = " ".join(str(error).split()).strip("'\"")
            if "filter returned failure" in cause:
                cause = "wrong checksum"
            raise InputError(
                f"{self.path}: {what} is damaged or missing ({cause}): make it again with --stage "
                "rmm --force"
            ) from error


def _finite(values: Any) -> Any:
    if not np.isfinite(values).all():
        raise ValueError("a value is not a finite number")
    return values


def read_events(path: Path, columns: Sequence[str]) -> dict[str, Array]:
    """Return some columns of all events of a file.

    Raises:
        InputError: see `MatrixFile`.
    """
    with MatrixFile(path) as file:
        return file.columns(columns)


def read_normalisation(path: Path) -> float:
    """Return the factor from the weights of a file to expected events.

    Raises:
        InputError: see `MatrixFile`.
    """
    with MatrixFile(path) as file:
        return file.normalisation


def frame(path: Path) -> pd.DataFrame:
    """Return a file as a table: the columns of events, then the features, named ``rmm_<name>``.

    Raises:
        InputError: see `MatrixFile`.
    """
    import pandas as pd

    with MatrixFile(path) as file:
        blocks = list(file.blocks())
        names = file.names
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    features = pd.DataFrame(columns.pop(FEATURES), columns=list(names))
    events = pd.DataFrame({name.removeprefix("events/"): v for name, v in columns.items()})
    return pd.concat([events, features.add_prefix("rmm_")], axis=1)
