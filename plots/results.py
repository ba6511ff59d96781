"""Reading of result files that several figures share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codec of the image files)

from common.errors import InputError


@dataclass(frozen=True)
class Sample:
    """Where the images and scores of a sample are, and what its events count.

    ``normalisation`` is the factor from an event's weight to expected events.
    """

    process: str
    slice: str | None
    normalisation: float
    images: Path
    scores: Path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file to read.

    Raises:
        InputError: it is missing, damaged or lacks a data set.
    """
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: cannot read the file: {error}") from error
