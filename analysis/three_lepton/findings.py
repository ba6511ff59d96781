"""What is said of an autoencoder: areas under curves, yields in regions by score, significances.

Regions begin at quantiles of the background's scores, of the events that watched the training:
those of the test, which are counted, choose nothing. What is observed there, in data or
pseudo-data, is set against the simulated background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.config import Config
from analysis.datasets import background_samples, signal_samples
from analysis.rdf.yields import Yield
from analysis.three_lepton.significance import observed_significance, significance
from analysis.three_lepton.yields import Bins, Events, Floats
from common.runtime.errors import InputError
from common.stats.measured import Measured
from common.stats.roc import Scored, weighted_auc


@dataclass(frozen=True)
class RegionYields:
    """Expected events above a score, by sample and channel; ``quantile`` is the share of the
    background below it, of the validation events."""

    quantile: float
    threshold: float
    samples: dict[str, dict[str, Yield]]


@dataclass(frozen=True)
class Excess:
    """A signal over the background in a region, all channels together."""

    signal: str
    quantile: float
    n_signal: Measured
    n_background: Measured
    significance: float | None  # none without a background
    with_error: float | None  # of the background, as configured


@dataclass(frozen=True)
class Observation:
    """What is observed in a region, in data or pseudo-data, all channels together; significances
    are negative where it is less than the background. ``mean_error`` is that of the background
    that pseudo-data are expected to have, which is simulated, too; of data 0."""

    observed: str
    quantile: float
    n_observed: int
    n_background: Measured
    mean_error: float
    significance: float | None  # none without a background
    with_error: float | None  # of the background, as configured, and of the mean


@dataclass(frozen=True)
class Findings:
    """All that is said of one autoencoder."""

    autoencoder: str
    auc: dict[str, Measured]
    regions: list[RegionYields]
    excesses: list[Excess]
    observations: list[Observation]


def quantiles(scores: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """The least scores with no more than ``1 - share`` of the weights at or above; where even the
    highest has more, that one.

    Raises:
        InputError: the events have no positive sum of weights.
    """
    values, place = np.unique(scores, return_inverse=True)
    above = np.cumsum(np.bincount(place, weights)[::-1])[::-1]  # of each score and all higher ones
    if not len(above) or above[0] <= 0:
        raise InputError(
            "the background has no validation events of positive weight: generate more"
        )
    kept = [np.flatnonzero(above <= (1 - share) * above[0]) for share in shares]
    return [float(values[k[0]] if len(k) else values[-1]) for k in kept]


def auc(signal: Events, background: Events, name: str, seed: int) -> Measured:
    """Area under the weighted ROC curve, with the error of bootstrap replicas."""
    of_signal = Scored(signal.scores[name], signal.weight)
    return weighted_auc(of_signal, Scored(background.scores[name], background.weight), seed)


def findings(
    config: Config,
    name: str,
    edges: Sequence[float],
    yields: Mapping[str, Bins],
    events: Mapping[str, Events],
    background: Events,
    errors_of_means: Mapping[str, Sequence[float]],
) -> Findings:
    """All of one autoencoder, by the least scores of its regions, the yields between them, the
    scored test events of each sample and of all backgrounds, and the errors of the means of sets of
    pseudo-data above each edge."""
    search = config.anomaly_search
    regions = [
        RegionYields(
            quantile,
            threshold,
            {
                sample: {c: sum(bins[i + 1 :], Yield()) for c, bins in of_sample[name].items()}
                for sample, of_sample in yields.items()
            },
        )
        for i, (quantile, threshold) in enumerate(zip(search.quantiles, edges, strict=True))
    ]
    signals = signal_samples(config)
    normal = [s.name for s in background_samples(config)]
    observed = [s.name for s in config.samples if s.data] + [p.name for p in search.pseudo_data]
    areas = {
        s.name: auc(events[s.name], background, name, config.seed)
        for s in signals
        if len(events[s.name].weight)
    }
    excesses = []
    for signal in signals:
        for region in regions:
            s = _total(region, [signal.name])
            b, error = _background(region, normal, search.background_error)
            excesses.append(
                Excess(
                    signal.name,
                    region.quantile,
                    s,
                    b,
                    _expected(s, b),
                    _expected(s, b, error),
                )
            )
    observations = []
    for what in observed:
        for i, region in enumerate(regions):
            n = sum(y.raw for y in region.samples[what].values())
            b, error = _background(region, normal, search.background_error)
            of_mean = errors_of_means[what][i] if what in errors_of_means else 0.0
            observations.append(
                Observation(
                    what,
                    region.quantile,
                    n,
                    b,
                    of_mean,
                    _observed(n, b),
                    _observed(n, b, float(np.hypot(error, of_mean))),
                )
            )
    return Findings(name, areas, regions, excesses, observations)


def _observed(n: float, background: Measured, error: float = 0.0) -> float | None:
    if background.value <= 0:
        return None
    return observed_significance(n, background.value, error)


def _expected(signal: Measured, background: Measured, error: float = 0.0) -> float | None:
    return None if background.value <= 0 else significance(signal.value, background.value, error)


def _total(region: RegionYields, samples: Sequence[str]) -> Measured:
    total = sum((y for name in samples for y in region.samples[name].values()), Yield())
    return Measured(total.sumw, total.error)


def _background(
    region: RegionYields, normal: Sequence[str], relative: float
) -> tuple[Measured, float]:
    """The background, with its statistical error, and the error of both kinds."""
    total = _total(region, normal)
    return total, float(np.hypot(relative * total.value, total.error))
