"""Scaling of features to order 1, fitted to training events and stored as JSON."""

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

MIN_SPREAD = 0.5  # of a feature, relative to the median spread of its kind


@dataclass(frozen=True)
class Scaling:
    """The map (x - offset) / scale of D named features; ``offset`` and ``scale`` (D,).

    Values beyond the range of the training events are not clipped: an anomaly may show there.
    """

    kind: str
    names: tuple[str, ...]
    offset: Floats
    scale: Floats

    def __call__(self, features: Floats) -> Floats:
        """Return scaled features, shape (events, D), in single precision."""
        scaled = np.subtract(features, self.offset, dtype=np.float32)
        scaled /= self.scale
        return scaled

    def undo(self, scaled: Floats) -> Floats:
        """Return features before scaling, shape (events, D)."""
        features = np.multiply(scaled, self.scale, dtype=np.float32)
        features += self.offset
        return features

    def write(self, path: Path) -> None:
        """Write the scaling as JSON, which keeps all bits."""
        numbers = {"offset": self.offset.tolist(), "scale": self.scale.tolist()}
        files.write_json(path, {"kind": self.kind, "names": list(self.names), **numbers})


def fit_scaling(
    kind: Literal["min_max", "standard"], names: tuple[str, ...], features: Floats, weights: Floats
) -> Scaling:
    """Return the scaling of training events to [0, 1] or to weighted mean 0 and variance 1.

    Features of one kind, the name up to the first underscore (``h`` of ``h_jet1_muon2``), are one
    quantity of different objects. The scale of a feature is at least `MIN_SPREAD` times the median
    spread of the varying features of its kind. Otherwise a slot that one event in a thousand fills
    would have a range set by chance, and an ordinary value in another event would dominate the
    anomaly score. A constant feature has this minimum; if its whole kind is constant, the scale is
    1.
    """
    scaler: Any = StandardScaler() if kind == "standard" else MinMaxScaler()
    for begin in range(0, len(features), ROWS):  # scikit-learn copies its input
        rows = slice(begin, begin + ROWS)
        options = {"sample_weight": weights[rows]} if kind == "standard" else {}
        scaler.partial_fit(features[rows], **options)
    if kind == "standard":
        offset, spread = scaler.mean_, np.sqrt(scaler.var_)
        # rounding may leave a variance to a constant
        spread[features.min(axis=0) == features.max(axis=0)] = 0
    else:
        offset, spread = scaler.data_min_, scaler.data_range_
    scale = _with_minimum_of_kind(names, spread)
    return Scaling(kind, names, offset.astype(np.float32), scale.astype(np.float32))


def _with_minimum_of_kind(
    names: tuple[str, ...], spread: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    kinds = np.array([name.split("_")[0] for name in names])
    scale = spread.copy()
    for kind in np.unique(kinds):
        of_kind = kinds == kind
        varying = spread[of_kind & (spread > 0)]
        minimum = MIN_SPREAD * np.median(varying) if len(varying) else 1.0
        scale[of_kind] = np.maximum(spread[of_kind], minimum)
    return scale


def read_scaling(path: Path) -> Scaling:
    """Read a scaling.

    Raises:
        InputError: the file is missing or not a scaling.
    """
    try:
        found = json.loads(path.read_text())
        offset, scale = (np.array(found[name], np.float32) for name in ("offset", "scale"))
        names = tuple(found["names"])
        if not offset.shape == scale.shape == (len(names),):
            raise ValueError("its lists differ in length")
        return Scaling(found["kind"], names, offset, scale)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a scaling ({error}): train the autoencoder again") from error
