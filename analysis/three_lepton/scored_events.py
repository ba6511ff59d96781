"""Events with three leptons and their anomaly scores, from matrix and score files.

Yields are those of test events, which no training used, scaled up by their share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.config import Config, Sample
from analysis.matrices.subsets import test_share
from analysis.rdf.yields import Yield
from analysis.sample_roles import background_samples
from analysis.workflow.run import Run
from common.schema.matrices import MatrixFile, Subset, read_events
from common.schema.scores import KEYS, read_paired_scores
from selections import three_lepton

Floats = npt.NDArray[np.float64]
Thresholds = Mapping[str, Sequence[float]]
"""Rising thresholds of the regions, by autoencoder."""
Bins = dict[str, dict[str, list[Yield]]]
"""Yields by autoencoder and channel: below the first threshold, between thresholds, above the
last."""


@dataclass(frozen=True)
class ScoredEvents:
    """Expected events of each event, shape (events,), and its scores by autoencoder."""

    weight: Floats
    scores: Mapping[str, Floats]


def read_scored(
    run: Run, sample: Sample, names: Sequence[str], subset: Subset = Subset.TEST
) -> ScoredEvents:
    """Return the events of a subset of a sample, scaled up by its share, with some scores.

    The subset is test, validation or pseudo-data.

    Raises:
        InputError: a file is missing or damaged.
        ScoreError: the score file has other events.
    """
    path = run.matrices(sample.name)
    with MatrixFile(path) as file:
        columns = file.columns([*KEYS, "weight", "subset"])
        normalisation = file.normalisation
    scores = read_paired_scores(
        columns, path, run.anomaly_scores(sample.name), names, "anomaly_scoring"
    )
    chosen = columns["subset"] == subset
    factor = normalisation / _share(run.config, sample, subset)
    return ScoredEvents(
        columns["weight"][chosen] * factor,
        {name: scores[name][chosen].astype(np.float64) for name in names},
    )


def _share(config: Config, sample: Sample, subset: Subset) -> float:
    split = config.anomaly_search.rmm.split
    shares = {Subset.VALIDATION: split.validation, Subset.PSEUDO_DATA: split.pseudo_data}
    return shares[subset] if subset in shares else test_share(sample, config.anomaly_search)


def merged(samples: Sequence[ScoredEvents]) -> ScoredEvents:
    """Return the events of all samples."""
    return ScoredEvents(
        np.concatenate([s.weight for s in samples]),
        {n: np.concatenate([s.scores[n] for s in samples]) for n in samples[0].scores},
    )


def mean_errors(run: Run, thresholds: Thresholds) -> dict[str, list[float]]:
    """Return the statistical error of the mean of pseudo-data above each threshold, without
    signal."""
    squares = {name: np.zeros(len(bounds)) for name, bounds in thresholds.items()}
    for sample in background_samples(run.config):
        drawn = read_scored(run, sample, list(thresholds), Subset.PSEUDO_DATA)
        for name, bounds in thresholds.items():
            above = drawn.scores[name][:, np.newaxis] >= np.asarray(bounds, np.float32)
            squares[name] += drawn.weight**2 @ above
    return {name: np.sqrt(total).tolist() for name, total in squares.items()}


def counts_of_pseudo_data(run: Run, name: str, thresholds: Thresholds) -> Bins:
    """Return pseudo-data by autoencoder and channel between the thresholds.

    They are counted from matrices, as they have no event files.
    """
    path = run.matrices(name)
    columns = read_events(path, [*KEYS, "n_muons"])
    scores = read_paired_scores(
        columns, path, run.anomaly_scores(name), list(thresholds), "anomaly_scoring"
    )
    found: Bins = {}
    for autoencoder, bounds in thresholds.items():
        between = np.searchsorted(np.asarray(bounds, np.float32), scores[autoencoder], side="right")
        found[autoencoder] = {
            channel: [
                Yield(n, n, n)
                for n in np.bincount(
                    between[columns["n_muons"] == n_muons], minlength=len(bounds) + 1
                ).tolist()
            ]
            for n_muons, channel in enumerate(three_lepton.CHANNELS)
        }
    return found
