"""Compute AUCs, yields in regions of the score, and significances of an autoencoder.

Regions begin at quantiles of the background's scores among validation events, so that the choice is
independent of the test events that are counted. Observed events, data or pseudo-data, are compared
with the simulated background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.config import Config
from analysis.rdf.yields import Yield
from analysis.sample_roles import background_samples, signal_samples
from analysis.three_lepton.scored_events import Bins, Floats, ScoredEvents, Thresholds
from analysis.three_lepton.search_model import (
    ExpectedSignificance,
    Observation,
    RegionYields,
    SearchResult,
)
from analysis.three_lepton.significance import observed_significance, significance
from common.runtime.errors import InputError
from common.stats.measured import Measured
from common.stats.roc import Scored, weighted_auc


@dataclass(frozen=True)
class SearchEvents:
    """Events that evaluate autoencoders.

    ``yields`` between the ``thresholds`` and ``events``, the scored test events, are keyed by
    sample, ``yields`` also by set of pseudo-data; ``background`` merges all background samples.
    ``mean_errors`` are those of the means of pseudo-data above each threshold, by autoencoder.
    """

    thresholds: Thresholds
    yields: Mapping[str, Bins]
    events: Mapping[str, ScoredEvents]
    background: ScoredEvents
    mean_errors: Mapping[str, Sequence[float]]


def quantiles(scores: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """Return the lowest scores with at most ``1 - share`` of the weights at or above.

    If even the highest score has more, return that score.

    Raises:
        InputError: the sum of weights is not positive.
    """
    values, place = np.unique(scores, return_inverse=True)
    above = np.cumsum(np.bincount(place, weights)[::-1])[::-1]  # at or above each score
    if not len(above) or above[0] <= 0:
        raise InputError(
            "the background has no validation events of positive weight: generate more"
        )
    kept = [np.flatnonzero(above <= (1 - share) * above[0]) for share in shares]
    return [float(values[k[0]] if len(k) else values[-1]) for k in kept]


def auc(signal: ScoredEvents, background: ScoredEvents, name: str, seed: int) -> Measured:
    """Return the area under the weighted ROC curve, with the error of bootstrap replicas."""
    scored_signal, scored_background = (
        Scored(events.scores[name], events.weight) for events in (signal, background)
    )
    return weighted_auc(scored_signal, scored_background, seed)


def findings(config: Config, name: str, events: SearchEvents) -> SearchResult:
    """Return the results of one autoencoder."""
    regions = _regions(config, name, events)
    areas = {
        s.name: auc(events.events[s.name], events.background, name, config.seed)
        for s in signal_samples(config)
        if len(events.events[s.name].weight)
    }
    return SearchResult(
        name,
        areas,
        regions,
        _excesses(config, regions),
        _observations(config, name, regions, events),
    )


def _regions(config: Config, name: str, events: SearchEvents) -> list[RegionYields]:
    """Return the yields of each region, summed from the bins above its threshold."""
    return [
        RegionYields(
            quantile,
            threshold,
            {
                sample: {c: sum(bins[i + 1 :], Yield()) for c, bins in of_sample[name].items()}
                for sample, of_sample in events.yields.items()
            },
        )
        for i, (quantile, threshold) in enumerate(
            zip(config.anomaly_search.background_quantiles, events.thresholds[name], strict=True)
        )
    ]


def _excesses(config: Config, regions: Sequence[RegionYields]) -> list[ExpectedSignificance]:
    """Return the expected significance of each signal in each region."""
    excesses = []
    for signal in signal_samples(config):
        for region in regions:
            s = _total(region, [signal.name])
            b, error = _background(config, region)
            excesses.append(
                ExpectedSignificance(
                    signal.name, region.quantile, s, b, _expected(s, b), _expected(s, b, error)
                )
            )
    return excesses


def _observations(
    config: Config, name: str, regions: Sequence[RegionYields], events: SearchEvents
) -> list[Observation]:
    """Return the observed events and their significance, of each sample of data and set of
    pseudo-data in each region."""
    search = config.anomaly_search
    mean_errors = {pseudo.name: events.mean_errors[name] for pseudo in search.pseudo_data}
    observations = []
    for sample in (*(s.name for s in config.samples if s.data), *mean_errors):
        for i, region in enumerate(regions):
            n = sum(y.entries for y in region.samples[sample].values())
            b, error = _background(config, region)
            mean_error = mean_errors[sample][i] if sample in mean_errors else 0.0
            observations.append(
                Observation(
                    sample,
                    region.quantile,
                    n,
                    b,
                    mean_error,
                    _observed(n, b),
                    _observed(n, b, float(np.hypot(error, mean_error))),
                )
            )
    return observations


def _observed(n: float, background: Measured, error: float = 0.0) -> float | None:
    if background.value <= 0:
        return None
    return observed_significance(n, background.value, error)


def _expected(signal: Measured, background: Measured, error: float = 0.0) -> float | None:
    return None if background.value <= 0 else significance(signal.value, background.value, error)


def _total(region: RegionYields, samples: Sequence[str]) -> Measured:
    total = sum((y for name in samples for y in region.samples[name].values()), Yield())
    return Measured(total.sumw, total.stat_error)


def _background(config: Config, region: RegionYields) -> tuple[Measured, float]:
    """Return the background with its statistical error, and its total error."""
    total = _total(region, [s.name for s in background_samples(config)])
    systematic = config.anomaly_search.background_systematic * total.value
    return total, float(np.hypot(systematic, total.error))
