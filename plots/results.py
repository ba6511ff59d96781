"""Read result files of samples, for several figures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.runtime.errors import InputError
from common.schema import hdf5


@dataclass(frozen=True)
class SampleFiles:
    """The image and score files of a sample.

    ``normalisation`` is the factor from an event's weight to expected events.
    """

    process: str
    slice: str | None
    normalisation: float
    images: Path
    scores: Path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading.

    Raises:
        InputError: the file is missing or damaged, or lacks a dataset.
    """
    try:
        with hdf5.open_file(path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: cannot read the file: {error}") from error
