"""Subsets of events: training, validation, test and pseudo-data.

The subset of an event follows from a hash of its identity, drawn as a number in [0, 1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.config import Anomaly, Sample
from common.schema.matrices import Subset

_KEY = 0x70617274
DRAW = f"monojet::Draws(monojet::event_hash({_KEY}, run_number, event_number), 0).uniform()"
"""Number in [0, 1) of an event, in C++."""


def subset_of(
    draw: npt.NDArray[np.float32], sample: Sample, search: Anomaly
) -> npt.NDArray[np.uint8]:
    """Return the subset of each event of a sample, given the numbers drawn by `DRAW`.

    Data are test events. Signals, from which no autoencoder learns, are test events and
    pseudo-data.
    """
    low, high = (np.float32(bound) for bound in test_window(sample, search))
    subset = np.full(len(draw), Subset.TEST, np.uint8)
    subset[draw >= high] = Subset.PSEUDO_DATA
    subset[draw < low] = Subset.VALIDATION
    if low > 0:
        subset[draw < np.float32(search.rmm.split.training)] = Subset.TRAINING
    return subset


def test_window(sample: Sample, search: Anomaly) -> tuple[float, float]:
    """Return the half-open range of the drawn number that test events have."""
    split = search.rmm.split
    if sample.data:
        return 0.0, 2.0
    low = 0.0 if sample.process in search.signals else split.training + split.validation
    return low, 1 - split.pseudo_data if split.pseudo_data else 2.0


def test_share(sample: Sample, search: Anomaly) -> float:
    """Return the share of test events in a sample."""
    low, high = test_window(sample, search)
    return min(high, 1.0) - low
