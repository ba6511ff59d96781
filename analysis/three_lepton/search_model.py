"""Table ``anomaly``: AUCs, regions, yields and significances of autoencoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.rdf.yields import Yield
from common.schema.json_model import read_model
from common.stats.measured import Measured


@dataclass(frozen=True)
class RegionYields:
    """Expected events of score >= ``threshold``, by sample and channel.

    ``quantile`` is the background share below the threshold among the validation events.
    """

    quantile: float
    threshold: float
    samples: dict[str, dict[str, Yield]]


@dataclass(frozen=True)
class ExpectedSignificance:
    """Expected significance of a signal in a region, all channels together.

    Both significances are None without a background; ``with_error`` includes the error of the
    background, statistical and systematic.
    """

    signal: str
    quantile: float
    n_signal: Measured
    n_background: Measured
    significance: float | None
    with_error: float | None


@dataclass(frozen=True)
class Observation:
    """Observed events in a region, in data or pseudo-data, all channels together.

    Significances are negative where fewer events are observed than expected, None without a
    background. ``mean_error`` is the statistical error of the mean of pseudo-data, which is
    simulated, and 0 for data. ``with_error`` includes it and the error of the background.
    """

    observed: str
    quantile: float
    n_observed: int
    n_background: Measured
    mean_error: float
    significance: float | None
    with_error: float | None


@dataclass(frozen=True)
class SearchResult:
    """Results of one autoencoder; ``auc`` is keyed by signal sample."""

    autoencoder: str
    auc: dict[str, Measured]
    regions: list[RegionYields]
    excesses: list[ExpectedSignificance]
    observations: list[Observation]


def read_search_results(path: Path) -> list[SearchResult]:
    """Read the table.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, list[SearchResult], "anomaly")
