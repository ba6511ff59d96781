"""Feature files: a vector of numbers an event, for the search without a signal in mind.

HDF5: attributes ``schema``, ``names`` (of the D features) and ``normalisation`` (a weight times
it is events expected); ``/features`` (events, D); ``/events/run_number``, ``event_number``,
``weight``, and ``part``, what the event is used for (`Part`).
"""

from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codec of the files)
import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError
from common.schema import hdf5

SCHEMA = 1
ROWS = 1 << 16  # read at once

Floats = npt.NDArray[np.float32]

_OF_EVENTS: dict[str, Any] = {
    "events/run_number": np.uint32,
    "events/event_number": np.uint64,
    "events/weight": np.float64,
    "events/part": np.uint8,
}


class Part(enum.IntEnum):
    """What an event is used for."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2
    PSEUDO_DATA = 3


@dataclass(frozen=True)
class Features:
    """The events of one part of some samples, one sample after another.

    ``features`` (events, D); ``weight`` is events expected, in double precision, and may be
    negative; ``sample`` is the place of each event's sample among ``samples``.
    """

    names: tuple[str, ...]
    samples: tuple[str, ...]
    features: Floats
    weight: npt.NDArray[np.float64]
    sample: npt.NDArray[np.int64]
    run_number: npt.NDArray[np.uint32]
    event_number: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, chosen: npt.NDArray[np.bool_]) -> Features:
        """The chosen events."""
        columns = ("features", "weight", "sample", "run_number", "event_number")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})


def read_features(paths: Sequence[Path], part: Part | None = None) -> Features:
    """The events of a part of some files, or all of them; a sample is named as its file.

    Raises:
        InputError: a file is missing, damaged, of another schema version, has other features than
            the first, or holds a value that is not a number.
    """
    if not paths:
        raise InputError("no feature file is given: name the samples to read")
    found = [_Columns.read(path, part) for path in paths]
    names = found[0].names
    for path, columns in zip(paths, found, strict=True):
        if columns.names != names:
            raise InputError(
                f"{path}: dataset 'features' has other names than in {paths[0]} "
                f"({_difference(columns.names, names)}): make both with one configuration, by "
                "--stage rmm"
            )
    sizes = [int(np.count_nonzero(columns.chosen)) for columns in found]
    features = np.empty((sum(sizes), len(names)), np.float32)
    first = 0
    for path, columns, size in zip(paths, found, sizes, strict=True):
        _fill(path, columns.chosen, features[first : first + size])
        first += size

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([c.values[name][c.chosen] for c in found])

    normalisation = np.repeat([columns.normalisation for columns in found], sizes)
    return Features(
        names,
        tuple(path.stem for path in paths),
        features,
        joined("events/weight") * normalisation,
        np.repeat(np.arange(len(paths)), sizes),
        joined("events/run_number"),
        joined("events/event_number"),
    )


def read_column(paths: Sequence[Path], part: Part, name: str) -> npt.NDArray[Any]:
    """A further column of the events that `read_features` gives, in their order.

    Raises:
        InputError: a file is missing or damaged, or lacks the column.
    """
    found = []
    for path in paths:
        chosen = _Columns.read(path, part).chosen
        with _opened(path) as file, _named(path, f"dataset 'events/{name}'"):
            found.append(file[f"events/{name}"][:][chosen])
    return np.concatenate(found)


def feature_blocks(path: Path) -> Iterator[Floats]:
    """The features of all events of a file, in their order, some at a time; at least one block.

    Raises:
        InputError: the file is missing or damaged, or holds a value that is not a number.
    """
    n_events = len(_Columns.read(path, None).chosen)
    with _opened(path) as file, _named(path, "dataset 'features'"):
        for begin in range(0, max(n_events, 1), ROWS):
            rows = file["features"][begin : begin + ROWS]
            _require_finite(rows)
            yield rows


def read_identity(path: Path) -> dict[str, npt.NDArray[Any]]:
    """``run_number``, ``event_number`` and ``part`` of all events of a file.

    Raises:
        InputError: the file is missing or damaged.
    """
    values = _Columns.read(path, None).values
    return {name: values[f"events/{name}"] for name in ("run_number", "event_number", "part")}


@dataclass(frozen=True)
class _Columns:
    """All of a file but its features."""

    names: tuple[str, ...]
    normalisation: float
    values: dict[str, npt.NDArray[Any]]
    chosen: npt.NDArray[np.bool_]

    @classmethod
    def read(cls, path: Path, part: Part | None) -> _Columns:
        with _opened(path) as file:
            version = file.attrs.get("schema")
            if version != SCHEMA:
                raise InputError(
                    f"{path}: feature file of schema version {version}, this program reads "
                    f"{SCHEMA}: make it again with --stage rmm"
                )
            with _named(path, "attribute 'names'"):
                names = tuple(str(name) for name in file.attrs["names"])
            with _named(path, "attribute 'normalisation'"):
                normalisation = float(file.attrs["normalisation"])
            with _named(path, "dataset 'features'"):
                shape = file["features"].shape
            values = {}
            for name, kind in _OF_EVENTS.items():
                with _named(path, f"dataset '{name}'"):
                    values[name] = file[name][:].astype(kind, casting="same_kind")
                    if shape != (len(values[name]), len(names)):
                        raise ValueError(
                            f"{len(values[name])} events and {len(names)} names, the features are "
                            f"of shape {shape}"
                        )
        with _named(path, "attribute 'normalisation'"):
            _require_finite(normalisation)
        with _named(path, "dataset 'events/weight'"):
            _require_finite(values["events/weight"])
        parts = values["events/part"]
        with _named(path, "dataset 'events/part'"):
            if np.any(parts > max(Part)):
                raise ValueError(f"part {parts.max()} is unknown")
        chosen = np.ones(len(parts), bool) if part is None else parts == part
        return cls(names, normalisation, values, chosen)


def _fill(path: Path, chosen: npt.NDArray[np.bool_], features: Floats) -> None:
    """Read the chosen rows of a file, a range after the other: the others are never all there."""
    filled = 0
    with _opened(path) as file, _named(path, "dataset 'features'"):
        for begin in range(0, len(chosen), ROWS):
            mine = chosen[begin : begin + ROWS]
            if not mine.any():
                continue
            rows = file["features"][begin : begin + ROWS][mine]
            _require_finite(rows)
            features[filled : filled + len(rows)] = rows
            filled += len(rows)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        file = hdf5.open_file(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such feature file: make it with --stage rmm") from error
    except OSError as error:
        cause = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a feature file ({cause}): make it again with --stage rmm --force"
        ) from error
    with file:
        yield file


@contextlib.contextmanager
def _named(path: Path, what: str) -> Iterator[None]:
    """What h5py says of a part of a file as one line with its name and the remedy."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        cause = " ".join(str(error).split()).strip("'\"")
        if "filter returned failure" in cause:
            cause = "a checksum does not hold"
        raise InputError(
            f"{path}: {what} is damaged or missing ({cause}): make it again with --stage rmm "
            "--force"
        ) from error


def _require_finite(values: npt.NDArray[Any] | float) -> None:
    if not np.isfinite(values).all():
        raise ValueError("a value is not a finite number")


def _difference(names: Sequence[str], others: Sequence[str]) -> str:
    if len(names) != len(others):
        return f"{len(names)} of them, not {len(others)}"
    place = next(i for i, pair in enumerate(zip(names, others, strict=True)) if len(set(pair)) > 1)
    return f"'{names[place]}' for '{others[place]}'"


# --- How much an event counts ---------------------------------------------------------------------


def effective_number(weights: npt.NDArray[Any]) -> float:
    """(sum of w)^2 / sum of w^2: how many events of equal weight would scatter as these do."""
    return float(weights.sum(dtype=np.float64) ** 2 / np.square(weights, dtype=np.float64).sum())


def training_weights(events: Features) -> Floats:
    """How much each event counts in a training, shape (events,), mean 1.

    In proportion to the events expected of it. A loss that counted some events negatively would
    have no minimum, and the weights of a sample's events are only right together: so each counts by
    the modulus of its weight, times the factor that leaves the sample's sum as it is. A sample
    without events in the part counts nothing.

    Raises:
        InputError: there are no events, or the weights of a sample do not have a sum above 0.
    """
    if len(events) == 0:
        raise InputError(
            f"{', '.join(events.samples)}: no event in this part of the samples: more are needed"
        )
    weights = np.abs(events.weight)
    for i, sample in enumerate(events.samples):
        mine = events.sample == i
        if not mine.any():
            continue
        total = math.fsum(events.weight[mine])
        if total <= 0:
            raise InputError(
                f"{sample}: the weights of its {np.count_nonzero(mine)} events in this part have "
                f"the sum {total:.4g}, which is not above 0: leave the sample out, or take more "
                "events"
            )
        weights[mine] *= total / weights[mine].sum()
    scaled: Floats = (weights / weights.mean()).astype(np.float32)
    return scaled
