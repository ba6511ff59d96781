"""The image file (HDF5): names, shapes and units of its datasets and attributes.

For all that write or read images; needs neither ROOT nor h5py. Described in docs/formats.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SCHEMA = 5

# --- Images ---------------------------------------------------------------------------------------

N_ROWS, N_COLUMNS = 100, 126
GRID = (N_ROWS, N_COLUMNS)
ETA_RANGE, PHI_RANGE = (-2.5, 2.5), (-3.15, 3.15)  # lower and upper edges of the grid
CELLS_PER_UNIT = 20  # of pseudorapidity and of azimuth in rad

CHANNELS = ("pt_all", "n_part", "charge", "pt_mu", "pt_e", "emf", "pt_jet", "jet_width")
UNITS = ("GeV", "1", "e", "GeV", "GeV", "1", "GeV", "1")
N_CHANNELS = len(CHANNELS)

STORED_COMPRESSIONS = ("cell", "rowcol", "stochastic")
COMPRESSIONS = (*STORED_COMPRESSIONS, "none")  # without compression: the address in the grid
CROP_SIZES = (60, 30)  # rows and columns, for which losses are counted


def eta_of_row(row: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the pseudorapidity of the centres of rows of the grid."""
    return ETA_RANGE[0] + (row.astype(np.float64) + 0.5) / CELLS_PER_UNIT


def phi_of_column(column: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the azimuth in rad of the centres of columns of the grid."""
    return PHI_RANGE[0] + (column.astype(np.float64) + 0.5) / CELLS_PER_UNIT


# --- Datasets -------------------------------------------------------------------------------------

OFFSETS = "cells/offsets"  # the cells of event i are [offsets[i], offsets[i + 1])
VALUES = "cells/values"  # (cells, channels)
KEPT_LINES = {"kept_rows": N_ROWS, "kept_columns": N_COLUMNS}  # by the stochastic compression: bits
INPUT_FILES = "files"

GROUPS = (
    *("cells", "events", "compression"),
    *(f"compression/{name}" for name in STORED_COMPRESSIONS),
)


def address_group(compression: str) -> str:
    """Return the group whose ``row`` and ``column`` are the cells' address in a compression."""
    return "cells" if compression == "none" else f"compression/{compression}"


def kept_lines(name: str) -> str:
    """Return the dataset of the kept lines, ``name`` being one of `KEPT_LINES`."""
    return f"{address_group('stochastic')}/{name}"


def event_column(name: str) -> str:
    """Return the dataset of a quantity of the events."""
    return f"events/{name}"


def region_column(region: str) -> str:
    """Return the dataset that marks the events of a region of the selection."""
    return event_column(f"pass_{region}")


def has_entry_per_event(dataset: str) -> bool:
    """Return whether a dataset has one entry per event, not one per cell."""
    return dataset.startswith("events/") or dataset.endswith(tuple(f"/{x}" for x in KEPT_LINES))


# --- Attributes -----------------------------------------------------------------------------------

LOSSES = "losses/"  # prefix
SKIPPED_FILES = "skipped_files"

SETTINGS = ("particle_threshold_GeV", "jet_threshold_GeV", "region", "detector", "folds")
"""How a file was filled; equal in all files that are read together."""

LAYOUT = {
    "grid_shape": GRID,
    "eta_range": ETA_RANGE,
    "phi_range": PHI_RANGE,
    "channels": CHANNELS,
    "units": UNITS,
}
"""The same in every file of this schema."""
