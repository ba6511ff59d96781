"""Inspect an autoencoder on test events: error of each feature, latent space, single events.

Writes one HDF5 file per autoencoder, see docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime import files
from common.schema.hdf5 import create_file
from common.schema.matrices import MatrixFile, Subset
from training.autoencoder.autoencoder import TrainedAutoencoder
from training.data.features import ROWS, Features, Floats, read_features

LATENT_EVENTS = 1000  # largest number per sample

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Inspected:
    """Results for the test events of a sample.

    ``errors`` (D,) are mean squared errors of all and of the anomalous events, with the numbers and
    the summed weights of these; ``latent`` (events, L). The other fields are of one event: the
    first anomalous one, or the one with the highest score.
    """

    errors: dict[str, Array]
    n_events: dict[str, int]
    weight: dict[str, float]
    latent: Floats
    features: Floats
    reconstruction: Floats
    score: float
    event_number: int


def inspect(
    autoencoder: TrainedAutoencoder,
    samples: Mapping[str, tuple[str, Path]],
    backgrounds: set[str],
    threshold: float,
    output: Path,
) -> None:
    """Write the inspection file for samples: name -> (process, matrix file).

    A latent space of more than two dimensions is projected on the two principal components of the
    ``backgrounds``. Events of score >= ``threshold`` are anomalous.

    Raises:
        InputError: a matrix file cannot be used, or has other features than the autoencoder.
    """
    found = {}
    for name, (_, path) in samples.items():
        events = read_features([path], Subset.TEST)
        if len(events):
            found[name] = _inspected(autoencoder, events, threshold)
    latent = np.concatenate([one.latent for name, one in found.items() if name in backgrounds])
    axes = _LatentAxes.of(latent)
    with MatrixFile(next(iter(samples.values()))[1]) as matrices:
        described = {key: matrices.attribute(key) for key in ("names", "objects", "sqrt_s_GeV")}
    groups = [
        *("errors", "latent", "examples"),
        *(f"{group}/{name}" for group in ("errors", "examples") for name in found),
    ]
    with files.whole(output) as partial, create_file(partial, groups) as file:
        for key, value in described.items():
            file.attrs[key] = value
        file.attrs["threshold"] = threshold
        if axes.explained is not None:
            file.attrs["explained"] = axes.explained
        for name, one in found.items():
            errors = file[f"errors/{name}"]
            for which, values in one.errors.items():
                dataset = errors.create_dataset(which, data=values)
                dataset.attrs["events"] = one.n_events[which]
                dataset.attrs["weight"] = one.weight[which]
            file.create_dataset(f"latent/{name}", data=axes(one.latent))
            example = file[f"examples/{name}"]
            example.create_dataset("features", data=one.features)
            example.create_dataset("reconstruction", data=one.reconstruction)
            example.attrs["score"] = one.score
            example.attrs["event_number"] = one.event_number
            for group in (errors, file[f"latent/{name}"], example):
                group.attrs["process"] = samples[name][0]


def _inspected(autoencoder: TrainedAutoencoder, events: Features, threshold: float) -> _Inspected:
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
class _LatentAxes:
    """Two axes of a latent space of L dimensions: ``directions`` (2, L) through ``centre``, and the
    shares of the variance along them, None without a projection."""

    centre: Floats
    directions: Floats
    explained: tuple[float, float] | None

    @classmethod
    def of(cls, latent: Floats) -> _LatentAxes:
        width = latent.shape[1]
        if width <= 2 or len(latent) < 2:
            return cls(np.zeros(width, np.float32), np.eye(2, width, dtype=np.float32), None)
        # Not scikit-learn's PCA: in a process with ROOT, scipy's LAPACK may resolve to numpy's,
        # which has integers of another width.
        centre = latent.mean(axis=0)
        _, spread, directions = np.linalg.svd(latent - centre, full_matrices=False)
        shares = spread**2 / (np.sum(spread**2) or 1.0)
        return cls(centre, directions[:2], (float(shares[0]), float(shares[1])))

    def __call__(self, latent: Floats) -> Floats:
        """Return positions along the axes, shape (events, 2)."""
        projected: Floats = ((latent - self.centre) @ self.directions.T).astype(np.float32)
        return projected
