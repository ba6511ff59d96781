"""The sensitivity table, `tables/sensitivity.json`, and the names of its ratios."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.processes import IRREDUCIBLE
from common.schema.json_model import read_model
from common.stats.measured import Measured
from selections import monojet36

REJECTED = ("Wtaunu", "Wmunu")
SCALED = (IRREDUCIBLE, *REJECTED)
ALSO_REJECTED = "Wenu"  # in a variant: the thesis leaves it unchanged

AS_PUBLISHED = "as published"
CONSISTENT = "consistent"
RATE_DEFINITIONS = {
    AS_PUBLISHED: monojet36.SR_NO_VETO.name,
    CONSISTENT: monojet36.SR.name,
}
"""Selection that is applied before the network where its pass rates are measured."""

# Suffixes and variants of the rate definitions.
IM1_SPLIT = f"{AS_PUBLISHED}, split of IM1"  # background composition of IM1 in all regions
WITH_WENU = f", {ALSO_REJECTED} rejected, too"
OWN_THRESHOLD = ", own threshold"


@dataclass(frozen=True)
class SensitivityRatio:
    """The sensitivity with a network over that without, in one region.

    ``error`` is the total error; ``statistical``, ``cross_section`` and ``spread`` (None for a
    single network) are its components. ``largest`` is the ratio of a perfect network. ``rates`` and
    ``entries`` are keyed by process. ``thresholds`` by fold belong to ``signal_efficiencies``: one,
    or two, for events of even and of odd number.
    """

    network: str
    rate_definition: str
    region: str
    ratio: float
    error: float
    statistical: float
    cross_section: float
    spread: float | None
    largest: float
    largest_error: float
    rates: dict[str, Measured]
    entries: dict[str, int]
    signal_efficiencies: tuple[float, ...]
    thresholds: tuple[tuple[float, ...], ...]


def read_sensitivity(path: Path) -> list[SensitivityRatio]:
    """Read the sensitivity table.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, list[SensitivityRatio], "sensitivity")
