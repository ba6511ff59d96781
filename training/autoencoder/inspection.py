"""What an autoencoder does to events: which features it fails on, where events lie in its latent
space, and single events beside their reconstruction. Of test events alone.

HDF5, a file an autoencoder: see docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime import files
from common.schema import hdf5
from common.schema.hdf5 import create_file
from training.autoencoder.autoencoder import Autoencoder
from training.data.features import ROWS, Features, Floats, Part, read_features

LATENT_EVENTS = 1000  # of a sample, at most

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Inspected:
    """Of the test events of a sample: mean squared error of each feature, shape (D,), of all and of
    the anomalous, how many they are, and the sum of their weights; places in latent space (events,
    L); one anomalous event (or, if there is none, the most so), and what becomes of it."""

    errors: dict[str, Array]
    n_events: dict[str, int]
    weight: dict[str, float]
    latent: Floats
    features: Floats
    reconstruction: Floats
    score: float
    event_number: int


def inspect(
    autoencoder: Autoencoder,
    samples: Mapping[str, tuple[str, Path]],
    normal: set[str],
    threshold: float,
    output: Path,
) -> None:
    """Write what is found of some samples: name -> (process, feature file).

    A latent space of more than two dimensions is seen along the principal components of the events
    of the ``normal`` samples. Events that score ``threshold`` or more are called anomalous.

    Raises:
        InputError: a feature file cannot be used, or is not what the autoencoder is made for.
    """
    found = {}
    for name, (_, path) in samples.items():
        events = read_features([path], Part.TEST)
        if len(events):
            found[name] = _inspected(autoencoder, events, threshold)
    seen = np.concatenate([one.latent for name, one in found.items() if name in normal])
    axes = _Axes.of(seen)
    with hdf5.open_file(next(iter(samples.values()))[1]) as file:
        described = {key: file.attrs[key] for key in ("names", "objects", "sqrt_s_GeV")}
    groups = ("errors", "latent", "examples")
    with files.whole(output) as partial, create_file(partial, groups) as file:
        for key, value in described.items():
            file.attrs[key] = value
        file.attrs["threshold"] = threshold
        if axes.explained is not None:
            file.attrs["explained"] = axes.explained
        for name, one in found.items():
            errors = file.create_group(f"errors/{name}")
            for which, values in one.errors.items():
                dataset = errors.create_dataset(which, data=values)
                dataset.attrs["events"] = one.n_events[which]
                dataset.attrs["weight"] = one.weight[which]
            file.create_dataset(f"latent/{name}", data=axes(one.latent))
            example = file.create_group(f"examples/{name}")
            example.create_dataset("features", data=one.features)
            example.create_dataset("reconstruction", data=one.reconstruction)
            example.attrs["score"] = one.score
            example.attrs["event_number"] = one.event_number
            for group in (errors, file[f"latent/{name}"], example):
                group.attrs["process"] = samples[name][0]


def _inspected(autoencoder: Autoencoder, events: Features, threshold: float) -> _Inspected:
    scores = np.empty(len(events), np.float32)
    total = {which: np.zeros(len(events.names)) for which in ("all", "anomalous")}
    count = dict.fromkeys(total, 0)
    weight = dict.fromkeys(total, 0.0)
    for begin in range(0, len(events), ROWS):
        rows = slice(begin, begin + ROWS)
        scores[rows] = autoencoder.score(events.features[rows])
        errors = autoencoder.errors(events.features[rows])
        weights = np.abs(events.weight[rows])
        for which, chosen in (
            ("all", np.ones(len(errors), bool)),
            ("anomalous", scores[rows] >= threshold),
        ):
            total[which] += weights[chosen] @ errors[chosen].astype(np.float64)
            weight[which] += float(weights[chosen].sum())
            count[which] += int(np.count_nonzero(chosen))
    anomalous = np.flatnonzero(scores >= threshold)
    one = anomalous[0] if len(anomalous) else np.argmax(scores)
    example = events.features[one : one + 1]
    return _Inspected(
        {which: total[which] / (weight[which] or 1.0) for which in total},
        count,
        weight,
        autoencoder.encode(events.features[:LATENT_EVENTS]),
        example[0],
        autoencoder.reconstruct(example)[0],
        float(scores[one]),
        int(events.event_number[one]),
    )


@dataclass(frozen=True)
class _Axes:
    """Two axes to see a latent space of L dimensions by: ``directions`` (2, L) through ``centre``,
    with the shares of the variance that lie along them."""

    centre: Floats
    directions: Floats
    explained: tuple[float, float] | None

    @classmethod
    def of(cls, latent: Floats) -> _Axes:
        width = latent.shape[1]
        if width <= 2 or len(latent) < 2:
            return cls(np.zeros(width, np.float32), np.eye(2, width, dtype=np.float32), None)
        # not scikit-learn's PCA: in a process with ROOT, scipy's LAPACK may take a function of
        # numpy's, which has integers of another width
        centre = latent.mean(axis=0)
        _, spread, directions = np.linalg.svd(latent - centre, full_matrices=False)
        shares = spread**2 / (np.sum(spread**2) or 1.0)
        return cls(centre, directions[:2], (float(shares[0]), float(shares[1])))

    def __call__(self, latent: Floats) -> Floats:
        """Places in the plane, shape (events, 2)."""
        seen: Floats = ((latent - self.centre) @ self.directions.T).astype(np.float32)
        return seen
