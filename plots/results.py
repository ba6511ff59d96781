"""Reading of result files that several figures share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import hdf5plugin  # noqa: F401  (registers the codec of the image files)
import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError, ScoreError, did_you_mean
from common.schema import hdf5

Array = npt.NDArray[Any]
Kind = Literal["background", "signal", "observed"]


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


@dataclass(frozen=True)
class Matrices:
    """Where the rapidity-mass matrices of a sample and their scores are, and what its events count.

    Events whose part is not among ``parts`` are left out. ``factor`` is that from an event's weight
    to expected events; observed events are counted.
    """

    name: str
    process: str
    kind: Kind
    path: Path
    scores: Path | None
    factor: float
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """A quantity of an event and its bins.

    ``source`` is where the quantity is: among those of the event, the elements of its matrix, or
    the scores of autoencoders. Events in which it is ``absent`` have none.
    """

    quantity: str
    label: str
    edges: tuple[float, ...]
    unit: str = ""
    source: Literal["events", "features", "score"] = "events"
    absent: float | None = None
    log: bool = False

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file to read.

    Raises:
        InputError: it is missing, damaged or lacks a data set.
    """
    try:
        with hdf5.open_file(path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: cannot read the file: {error}") from error


def counted(file: Any, sample: Matrices) -> tuple[Array, Array]:
    """The rows of a sample's file that count, and the expected events of each."""
    chosen = np.flatnonzero(np.isin(file["events/part"][:], sample.parts))
    if sample.kind == "observed":
        return chosen, np.ones(len(chosen))
    return chosen, file["events/weight"][:][chosen] * sample.factor


def read_quantity(sample: Matrices, axis: Axis) -> tuple[Array, Array]:
    """A quantity of all events that count and have it, and the expected events of each.

    Raises:
        InputError: a file is missing or damaged, or lacks the quantity.
        ScoreError: the scores are not those of the sample.
    """
    with opened(sample.path) as file:
        chosen, weight = counted(file, sample)
        if axis.source == "events":
            values = file[f"events/{axis.quantity}"][:]
        elif axis.source == "features":
            values = file["features"][:, _column(sample.path, file, axis.quantity)]
        elif sample.scores is None:
            raise ScoreError(f"{sample.name} has no scores: make them with --stage anomaly_scoring")
        else:
            values = joined_score(sample.path, sample.scores, axis.quantity)
    values = values[chosen].astype(np.float64)
    there = ~np.isnan(values) & (values != axis.absent)
    return values[there], weight[there]


def _column(path: Path, file: Any, element: str) -> int:
    names = [str(name) for name in file.attrs["names"]]
    if element not in names:
        raise InputError(f"{path}: no element '{element}'{did_you_mean(element, names)}")
    return names.index(element)


def joined_score(events: Path, scores: Path, network: str) -> Array:
    """Scores of the events of a file, in its order, joined by run and event number.

    Raises:
        InputError: a file is missing or damaged, or lacks the network.
        ScoreError: the scores are of other events.
    """
    keys = ("run_number", "event_number")
    with opened(events) as file:
        of_events = [file[f"events/{key}"][:] for key in keys]
    with opened(scores) as file:
        of_scores = [file[key][:] for key in keys]
        score = file[f"score/{network}"][:]
    by_event, by_score = np.lexsort(of_events), np.lexsort(of_scores)
    for one, other in zip(of_events, of_scores, strict=True):
        if not np.array_equal(one[by_event], other[by_score]):
            raise ScoreError(f"{scores}: not the events of {events}: score it again")
    joined: Array = np.empty_like(score)
    joined[by_event] = score[by_score]
    return joined
