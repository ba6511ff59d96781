"""The table of signals, `tables/signals.json`: their pass rates beside those of Znunu."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.schema.json_model import read_model
from common.stats.measured import Measured


@dataclass(frozen=True)
class SignalBin:
    """Pass rates and entries of a signal and of Znunu in one exclusive region.

    ``difference`` is signal - Znunu in units of its error; ``counts`` states whether both have
    enough events to enter the chi-squared.
    """

    region: str
    signal: Measured
    znunu: Measured
    entries: int
    entries_znunu: int
    difference: float
    counts: bool


@dataclass(frozen=True)
class SignalComparison:
    """Pass rates of a signal against those of Znunu, for one network and rate definition.

    ``ratio`` is the pass rate of the signal over that of Znunu with the spectrum of the signal;
    None if no Znunu event passes.
    """

    network: str
    rate_definition: str
    signal: str
    bins: list[SignalBin]
    chi2: float
    ndf: int
    ratio: Measured | None


def read_signals(path: Path) -> list[SignalComparison]:
    """Read the table of signals.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, list[SignalComparison], "signals")
