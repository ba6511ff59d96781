"""Samples of rapidity-mass matrices as figures read them: quantities and weights of events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from common.runtime.errors import ScoreError
from common.schema.matrices import MatrixFile, Subset
from common.schema.scores import KEYS, read_paired_scores

Array = npt.NDArray[Any]
Kind = Literal["background", "signal", "observed"]


@dataclass(frozen=True)
class MatrixSample:
    """A sample's files of matrices and scores, and how its events count.

    Figures use the events of ``subsets``. ``factor`` turns an event's weight into expected events;
    each observed event counts 1.
    """

    name: str
    process: str
    kind: Kind
    path: Path
    scores: Path | None
    factor: float
    subsets: tuple[Subset, ...]


@dataclass(frozen=True)
class Axis:
    """A quantity of an event and its bins.

    ``source`` tells columns of events, elements of the matrix and scores of autoencoders apart.
    Events with the value ``absent`` are left out.
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
        """Return the label with its unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


def selected_events(file: MatrixFile, sample: MatrixSample) -> tuple[Array, Array]:
    """Return the rows of the events in the sample's subsets, and their expected events."""
    rows = np.flatnonzero(np.isin(file.column("subset"), sample.subsets))
    if sample.kind == "observed":
        return rows, np.ones(len(rows))
    return rows, file.column("weight")[rows] * sample.factor


def read_quantity(sample: MatrixSample, axis: Axis) -> tuple[Array, Array]:
    """Return a quantity of the selected events that have it, and their expected events.

    Raises:
        InputError: a file is missing or damaged, or lacks the quantity.
        ScoreError: the score file has other events than the matrix file.
    """
    with MatrixFile(sample.path) as file:
        rows, weight = selected_events(file, sample)
        if axis.source == "events":
            values = file.column(axis.quantity)
        elif axis.source == "features":
            values = file.element(axis.quantity)
        elif sample.scores is None:
            raise ScoreError(f"{sample.name} has no scores: make them with --stage anomaly_scoring")
        else:
            values = read_paired_scores(
                file.columns(KEYS), sample.path, sample.scores, [axis.quantity], "anomaly_scoring"
            )[axis.quantity]
    values = values[rows].astype(np.float64)
    present = ~np.isnan(values) & (values != axis.absent)
    return values[present], weight[present]
