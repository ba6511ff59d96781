"""The file of rapidity-mass matrices (HDF5): schema, writer and reader. See docs/formats.md.

HDF5 by h5py rather than `pandas.DataFrame.to_hdf`: it is typed, streams, needs no further package
(PyTables), and is read alike by C++, Julia and Keras; `frame` gives the pandas table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin
import numpy.typing as npt
import pandas as pd

from common.runtime import files
from common.runtime.errors import InputError, OutputError
from common.schema import hdf5
from common.schema.hdf5 import create_file

SCHEMA = 1
FEATURES = "features"
TRAINING, VALIDATION, TEST, PSEUDO_DATA = range(4)  # values of events/part
_ROWS = 4096  # a chunk, and read at once
_MARGIN = 1_000_000

Columns = Mapping[str, npt.NDArray[Any]]


@dataclass
class RmmWriter:
    """Appends rows to a file that appears whole on leaving the context, with the ``attributes`` it
    has been given by then."""

    path: Path
    attributes: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> RmmWriter:
        self._whole = files.whole(self.path)
        self._file = create_file(self._whole.__enter__(), ["events"])
        return self

    def append(self, columns: Columns) -> None:
        """Append events: ``features`` (events, D), and ``events/<name>``.

        Raises:
            OutputError: the directory is full or cannot be written.
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
                        chunks=(_ROWS if values.ndim == 1 else 256, *values.shape[1:]),
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


def rows(file: h5py.File) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The events of a file, some at a time."""
    names = [FEATURES, *(f"events/{name}" for name in file["events"])]
    for begin in range(0, max(len(file[FEATURES]), 1), _ROWS):
        yield {name: file[name][begin : begin + _ROWS] for name in names}


def read_events(path: Path, columns: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Some columns of ``events``.

    Raises:
        InputError: the file is missing, damaged or lacks a column.
    """
    try:
        with hdf5.open_file(path) as file:
            return {name: file[f"events/{name}"][:] for name in columns}
    except (OSError, KeyError) as error:
        cause = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a whole file of matrices ({cause}): make it with --stage rmm"
        ) from error


def read_attribute(path: Path, name: str) -> Any:
    """An attribute of a file.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with hdf5.open_file(path) as file:
            return file.attrs[name]
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: not a whole file of matrices ({error}): make it with --stage rmm"
        ) from error


def frame(path: Path) -> pd.DataFrame:
    """All of a file as a table: a column an event quantity, and one a feature."""
    with hdf5.open_file(path) as file:
        events = {name: values[:] for name, values in file["events"].items()}
        names = [str(name) for name in file.attrs["names"]]
        features = pd.DataFrame(file[FEATURES][:], columns=names)
    return pd.concat([pd.DataFrame(events), features.add_prefix("rmm_")], axis=1)
