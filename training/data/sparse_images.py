"""Sparse images in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

CELL_FIELDS = ("row", "column", "new_row", "new_column", "values")
DIRECTIONS = ("met_phi", "leading_jet_phi")
EVENT_FIELDS = (
    *("run_number", "event_number", "fold", "label", "weight", "kept_rows", "kept_columns"),
    *DIRECTIONS,
)


@dataclass(frozen=True)
class Images:
    """Sparse images of events: the cells of event i are [offsets[i], offsets[i + 1]).

    ``row`` and ``column`` are the address in the grid, ``new_row`` and ``new_column`` that after
    the compression. ``values`` has shape (cells, 8). ``kept_rows`` (events, 100) and
    ``kept_columns`` (events, 126) are set only for the stochastic compression, the azimuths of the
    missing transverse momentum and of the leading jet only if the file has them.
    """

    compression: str
    offsets: Indices
    row: npt.NDArray[np.uint8]
    column: npt.NDArray[np.uint8]
    new_row: npt.NDArray[np.uint8]
    new_column: npt.NDArray[np.uint8]
    values: Floats
    run_number: npt.NDArray[np.uint32]
    event_number: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int8]
    weight: Floats
    kept_rows: npt.NDArray[np.uint8] | None = None
    kept_columns: npt.NDArray[np.uint8] | None = None
    met_phi: Floats | None = None
    leading_jet_phi: Floats | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def cells_of(self, events: Indices) -> tuple[Indices, Indices]:
        """Return the indices of all cells of some events, and for each its index in ``events``."""
        counts = self.offsets[events + 1] - self.offsets[events]
        place = np.repeat(np.arange(len(events)), counts)
        first = np.cumsum(counts) - counts
        cells = np.arange(len(place)) + (self.offsets[events] - first)[place]
        return cells, place

    def take(self, events: Indices) -> Images:
        """Return the images of some events, in the given order."""
        cells, place = self.cells_of(events)
        counts = np.bincount(place, minlength=len(events))
        new: dict[str, Any] = {"offsets": np.concatenate([[0], np.cumsum(counts)])}
        for names, chosen in ((CELL_FIELDS, cells), (EVENT_FIELDS, events)):
            for name in names:
                values = getattr(self, name)
                new[name] = None if values is None else np.take(values, chosen, axis=0)
        return Images(self.compression, **new)
