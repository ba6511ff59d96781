"""Small feature files for the tests of this room: events near a curved surface, or off it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from common.schema.matrices import SCHEMA, Subset
from training.data.features import Features, Floats, read_features

N_FEATURES = 12
NAMES = tuple(f"m({i})" for i in range(N_FEATURES))


def on_surface(n_events: int, seed: int = 1, side: int = 0) -> Floats:
    """Features of events on a surface of two dimensions; those of side 1 and -1 lie on its halves
    of positive and negative first coordinate."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1, 1, (n_events, 2))
    if side:
        u[:, 0] = side * np.abs(u[:, 0])
    directions = np.random.default_rng(0).normal(size=(2, N_FEATURES))
    return np.sin(2 * u @ directions).astype(np.float32)


def off_surface(n_events: int, seed: int = 2) -> Floats:
    """The same features one by one, but of different events: correlations are lost."""
    features = on_surface(n_events, seed)
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(column) for column in features.T], axis=1)


def write_features(path: Path, features: Floats, **changes: Any) -> Path:
    """A feature file; of ten events six train, two validate, one tests, one is pseudo-data.

    ``changes`` replace columns of events, ``names``, ``normalisation`` and ``schema``.
    """
    n_events = len(features)
    subsets = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3], np.uint8)
    columns: dict[str, npt.NDArray[Any]] = {
        "run_number": np.full(n_events, 7, np.uint32),
        "event_number": np.arange(n_events, dtype=np.uint64),
        "weight": np.ones(n_events),
        "subset": np.resize(subsets, n_events),
    }
    attributes: dict[str, Any] = {
        "schema": SCHEMA,
        "names": list(NAMES[: features.shape[1]]),
        "normalisation": 2.0,
    }
    with h5py.File(path, "w") as file:
        for name, value in attributes.items():
            file.attrs[name] = changes.pop(name, value)
        file.create_dataset("features", data=features, chunks=True, fletcher32=True)
        for name, value in columns.items():
            file.create_dataset(f"events/{name}", data=changes.pop(name, value), chunks=True)
    assert not changes
    return path


def events_of(*samples: tuple[str, npt.NDArray[np.float64]]) -> Features:
    """Events of samples with these weights, all features 0."""
    sizes = [len(weights) for _, weights in samples]
    n = sum(sizes)
    return Features(
        NAMES,
        tuple(name for name, _ in samples),
        np.zeros((n, N_FEATURES), np.float32),
        np.concatenate([weights for _, weights in samples]),
        np.repeat(np.arange(len(samples)), sizes),
        np.zeros(n, np.uint32),
        np.arange(n, dtype=np.uint64),
    )


def features_of(path: Path, subset: Subset | None = None) -> Floats:
    """The features of a subset of a file."""
    return read_features([path], subset).features
