"""Feature vectors of events, read from matrix files (`common.schema.matrices`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError
from common.schema.matrices import MatrixFile, Subset
from common.schema.scores import KEYS

ROWS = 1 << 16  # events per block

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Features:
    """The events of a subset of some samples, one sample after the other.

    ``features`` (events, D); ``weight`` holds expected events, in double precision, and may be
    negative; ``sample`` is the index of each event's sample in ``samples``.
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
        """Return the chosen events."""
        columns = ("features", "weight", "sample", "run_number", "event_number")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})


def read_features(paths: Sequence[Path], subset: Subset | None = None) -> Features:
    """Return the events of a subset of some files, or all events; samples have the names of files.

    Raises:
        InputError: a file cannot be used (`MatrixFile`), or has other features than the first.
    """
    if not paths:
        raise InputError("no matrix file is given: name the samples to read")
    found = [_Columns.read(path, subset) for path in paths]
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
    values = {
        name: np.concatenate([c.values[name][c.chosen] for c in found])
        for name in ("weight", *KEYS)
    }
    return Features(
        names,
        tuple(path.stem for path in paths),
        features,
        values["weight"] * np.repeat([columns.normalisation for columns in found], sizes),
        np.repeat(np.arange(len(paths)), sizes),
        values["run_number"],
        values["event_number"],
    )


def read_column(paths: Sequence[Path], subset: Subset, name: str) -> Array:
    """Return a further column of the events that `read_features` returns, in their order.

    Raises:
        InputError: a file cannot be used (`MatrixFile`), or lacks the column.
    """
    found = []
    for path in paths:
        with MatrixFile(path) as file:
            found.append(file.column(name)[file.column("subset") == subset])
    return np.concatenate(found)


def feature_blocks(path: Path) -> Iterator[Floats]:
    """Yield the features of all events of a file, in their order; at least one block.

    Raises:
        InputError: the file cannot be used (`MatrixFile`).
    """
    with MatrixFile(path) as file:
        for begin in range(0, max(len(file), 1), ROWS):
            yield file.features(slice(begin, begin + ROWS))


def read_identity(path: Path) -> dict[str, Array]:
    """Return ``run_number``, ``event_number`` and ``subset`` of all events of a file.

    Raises:
        InputError: the file cannot be used (`MatrixFile`).
    """
    with MatrixFile(path) as file:
        return file.columns([*KEYS, "subset"])


@dataclass(frozen=True)
class _Columns:
    """The content of a file except for its features, and the events of a subset."""

    names: tuple[str, ...]
    normalisation: float
    values: dict[str, Array]
    chosen: npt.NDArray[np.bool_]

    @classmethod
    def read(cls, path: Path, subset: Subset | None) -> _Columns:
        with MatrixFile(path) as file:
            values = file.columns([*KEYS, "weight", "subset"])
            found = values["subset"]
            chosen = np.ones(len(found), bool) if subset is None else found == subset
            return cls(file.names, file.normalisation, values, chosen)


def _fill(path: Path, chosen: npt.NDArray[np.bool_], features: Floats) -> None:
    """Read the chosen rows of a file block by block, so that the other rows take no memory."""
    filled = 0
    with MatrixFile(path) as file:
        for begin in range(0, len(chosen), ROWS):
            block = chosen[begin : begin + ROWS]
            if not block.any():
                continue
            rows = file.features(slice(begin, begin + ROWS))[block]
            features[filled : filled + len(rows)] = rows
            filled += len(rows)


def _difference(names: Sequence[str], others: Sequence[str]) -> str:
    if len(names) != len(others):
        return f"{len(names)} of them, not {len(others)}"
    place = next(i for i, pair in enumerate(zip(names, others, strict=True)) if len(set(pair)) > 1)
    return f"'{names[place]}' for '{others[place]}'"


# --- Weights in a training ------------------------------------------------------------------------


def effective_number(weights: Array) -> float:
    """Return the effective number of events, (sum of w)^2 / sum of w^2."""
    return float(weights.sum(dtype=np.float64) ** 2 / np.square(weights, dtype=np.float64).sum())


def training_weights(events: Features) -> Floats:
    """Return the weight of each event in a training, shape (events,), mean 1.

    Weights are proportional to expected events. A loss with negative weights would have no minimum,
    and only the sum of a sample's weights is physical: each event has the modulus of its weight,
    times the factor that preserves the sum of its sample. Samples without events are skipped.

    Raises:
        InputError: there are no events, or the sum of weights of a sample is not positive.
    """
    if len(events) == 0:
        raise InputError(
            f"{', '.join(events.samples)}: no event in this subset of the samples: add events"
        )
    weights = np.abs(events.weight)
    for i, sample in enumerate(events.samples):
        in_sample = events.sample == i
        if not in_sample.any():
            continue
        total = math.fsum(events.weight[in_sample])
        if total <= 0:
            raise InputError(
                f"{sample}: the weights of its {np.count_nonzero(in_sample)} events in this subset "
                f"have the sum {total:.4g}, which is not above 0: leave the sample out, or add "
                "events"
            )
        weights[in_sample] *= total / weights[in_sample].sum()
    scaled: Floats = (weights / weights.mean()).astype(np.float32)
    return scaled
