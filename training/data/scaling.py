"""Scaling of features to one size, fitted with training events, kept as JSON beside the network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from common.runtime import files
from common.runtime.errors import InputError
from training.data.features import ROWS, Floats

LEAST = 0.5  # of the median spread of a kind of features: an ordinary value is of order 1


@dataclass(frozen=True)
class Scaling:
    """(x - offset) / scale of D named features; ``offset`` and ``scale`` (D,).

    Values beyond those of the training are not cut off: they lie beyond 0 and 1, too, and that they
    do is what an anomaly may be seen by.
    """

    kind: str
    names: tuple[str, ...]
    offset: Floats
    scale: Floats

    def __call__(self, features: Floats) -> Floats:
        """Scaled features, shape (events, D), single precision."""
        scaled = np.subtract(features, self.offset, dtype=np.float32)
        scaled /= self.scale
        return scaled

    def undo(self, scaled: Floats) -> Floats:
        """Features as they were, shape (events, D)."""
        features = np.multiply(scaled, self.scale, dtype=np.float32)
        features += self.offset
        return features

    def write(self, path: Path) -> None:
        """Write it as JSON, to the last bit."""
        numbers = {"offset": self.offset.tolist(), "scale": self.scale.tolist()}
        files.write_json(path, {"kind": self.kind, "names": list(self.names), **numbers})


def fit_scaling(
    kind: Literal["min_max", "standard"], names: tuple[str, ...], features: Floats, weights: Floats
) -> Scaling:
    """The scaling of the features of training events: to [0, 1], or to mean 0 and variance 1, for
    which each event counts by its weight (for a range it has no meaning).

    Features of one kind, by their names up to the first underscore (``h_jet1_muon2`` is of kind
    ``h``), are one quantity of different objects. None is scaled by less than `LEAST` times the
    median spread of the varying ones of its kind: a slot that one event in a thousand fills would
    set the range by chance, and an ordinary value of another event, divided by it, would be its
    whole anomaly score. A feature that is the same in all events is the limit of that, and gets
    this scale; where its whole kind is, it is left at its own.
    """
    scaler: Any = StandardScaler() if kind == "standard" else MinMaxScaler()
    for begin in range(0, len(features), ROWS):  # it makes copies
        rows = slice(begin, begin + ROWS)
        options = {"sample_weight": weights[rows]} if kind == "standard" else {}
        scaler.partial_fit(features[rows], **options)
    if kind == "standard":
        offset, spread = scaler.mean_, np.sqrt(scaler.var_)
        # a variance of nothing but roundings is none
        spread[features.min(axis=0) == features.max(axis=0)] = 0
    else:
        offset, spread = scaler.data_min_, scaler.data_range_
    scale = _at_least_of_its_kind(names, spread)
    return Scaling(kind, names, offset.astype(np.float32), scale.astype(np.float32))


def _at_least_of_its_kind(
    names: tuple[str, ...], spread: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    kinds = np.array([name.split("_")[0] for name in names])
    scale = spread.copy()
    for kind in np.unique(kinds):
        mine = kinds == kind
        varying = spread[mine & (spread > 0)]
        least = LEAST * np.median(varying) if len(varying) else 1.0
        scale[mine] = np.maximum(spread[mine], least)
    return scale


def read_scaling(path: Path) -> Scaling:
    """The scaling that was written.

    Raises:
        InputError: the file is missing, or not a scaling.
    """
    try:
        found = json.loads(path.read_text())
        offset, scale = (np.array(found[name], np.float32) for name in ("offset", "scale"))
        names = tuple(found["names"])
        if not offset.shape == scale.shape == (len(names),):
            raise ValueError("its lists do not have one length")
        return Scaling(found["kind"], names, offset, scale)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a scaling ({error}): train the autoencoder again") from error
