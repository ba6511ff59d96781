"""Published numbers that results are compared with."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from common.repository import REPOSITORY

DATA_FILES = (
    "analysis/reference/atlas_monojet_36ifb.json",
    "analysis/reference/thesis_tables.json",
)

# First column of each network in table 2 of the thesis.
_FIRST_COLUMN = {"rowcol_maxpool": 1, "cell_strides": 5}


@dataclass(frozen=True)
class MetRegion:
    """A signal region in missing transverse momentum (GeV); None: without upper edge."""

    name: str
    met_low: float
    met_high: float | None = None


@dataclass(frozen=True)
class AtlasMonojet:
    """The signal regions of ATLAS, and its expected events in IM1 by process."""

    luminosity_fb: float
    exclusive_regions: list[MetRegion]
    inclusive_regions: list[MetRegion]
    im1_background: dict[str, float]


@dataclass(frozen=True)
class ThesisThreshold:
    """Performance at one threshold, as printed in table 2 of the thesis.

    Its "accuracy" is the mean of precision and recall.
    """

    threshold: float
    precision: float
    recall: float
    mean_precision_recall: float
    precision_times_recall: float


@dataclass(frozen=True)
class ThesisRates:
    """Shares of the events of Znunu that are selected, of Wtaunu and Wmunu that are rejected."""

    znunu_selected: float
    wtaunu_rejected: float
    wmunu_rejected: float

    @property
    def rejected(self) -> dict[str, float]:
        """Return the rejected shares by process."""
        return {"Wtaunu": self.wtaunu_rejected, "Wmunu": self.wmunu_rejected}


@dataclass(frozen=True)
class ThesisResult:
    """Results of a network of the thesis.

    ``table3`` is keyed by slice. ``sensitivity_ratio`` follows from tables 4 and 5.
    """

    table2: list[ThesisThreshold]
    best_threshold: float
    table3: dict[str, ThesisRates]
    table4: ThesisRates
    sensitivity_ratio: float

    @property
    def best(self) -> ThesisThreshold:
        """Return the row of table 2 at the best threshold."""
        (row,) = (row for row in self.table2 if row.threshold == self.best_threshold)
        return row


@dataclass(frozen=True)
class Thesis:
    """Results of the two chosen networks of the thesis, by their names in its tables.

    ``sensitivity_ratio`` is the printed one, of ``cell_strides`` in IM1 (section 5.3).
    """

    networks: dict[str, ThesisResult]
    sensitivity_ratio: float


@functools.cache
def atlas_36ifb() -> AtlasMonojet:
    """Return the regions and yields of ATLAS with 36.1 fb^-1: arXiv:1711.03301."""
    return TypeAdapter(AtlasMonojet).validate_python(_read(DATA_FILES[0]))


@functools.cache
def thesis() -> Thesis:
    """Return the tables of the thesis on images of monojet events (Praderio 2018)."""
    tables = _read(DATA_FILES[1])
    ratios = tables["sensitivity_ratio"]
    networks = {
        name: ThesisResult(
            table2=[ThesisThreshold(row[0], *row[first : first + 4]) for row in tables["table2"]],
            best_threshold=tables["best_threshold"][name],
            table3={
                slice_: ThesisRates(*rates) for slice_, rates in tables["table3"][name].items()
            },
            table4=ThesisRates(*tables["table4"][name]),
            sensitivity_ratio=ratios[f"{name}_recomputed"],
        )
        for name, first in _FIRST_COLUMN.items()
    }
    return Thesis(networks, ratios["cell_strides"])


def _read(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPOSITORY / path).read_text())
    return found
