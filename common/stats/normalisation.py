"""Normalisation: from weights of events to expected events, with errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from common.runtime.errors import NormalisationError

PB_PER_FB = 1000.0


def luminosity_scale(
    sample: str,
    cross_section: float | None,
    sum_of_weights: float | None,
    *,
    luminosity: float,
    k_factor: float,
) -> float:
    """Return the factor from event weights to expected events.

    It is luminosity (1/fb) x cross-section (pb) x k / sum of weights of the sample before any cut.

    Raises:
        NormalisationError: the cross-section or the sum of weights is not known.
    """
    missing = [
        text
        for text, value in (
            ("cross_section (pb)", cross_section),
            ("sum_of_weights (before any cut)", sum_of_weights),
        )
        if not value
    ]
    if missing:
        raise NormalisationError(
            f"sample '{sample}' has no {' and no '.join(missing)}: its files do not "
            "state it, or disagree: set it under 'samples' in the configuration"
        )
    assert cross_section is not None
    assert sum_of_weights is not None
    return luminosity * PB_PER_FB * cross_section * k_factor / sum_of_weights


def statistical_error(
    sumw: float,
    sumw2: float,
    sum_of_weights: float | None,
    sum_of_weights_squared: float | None,
) -> float:
    """Return the error of a sum of weights of a sample that is normalised by its sum of weights
    before any cut, in units of weights.

    The number of events that a cross-section stands for is fixed: what fluctuates is the efficiency
    e = S / W. With the sums S of what passes and F of the rest, W = S + F, which are independent
    and of variances sum of w^2, de/dS = (1 - e)/W and de/dF = -e/W give
    W^2 variance(e) = (1 - 2e) sum_S w^2 + e^2 sum_W w^2: 0 where nothing has been cut.

    Where the squares before any cut are not known, or for measured events, which nothing
    normalises, it is sqrt(sum_S w^2): for positive weights an upper limit.
    """
    if not sum_of_weights or sum_of_weights_squared is None:
        return math.sqrt(sumw2)
    efficiency = sumw / sum_of_weights
    variance = (1 - 2 * efficiency) * sumw2 + efficiency**2 * sum_of_weights_squared
    # what rounding leaves of a difference that is 0
    return math.sqrt(variance) if variance > 1e-12 * sumw2 else 0.0


def relative_weights(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights of a sample's events over the mean of their moduli: 1 where all are
    equal."""
    mean = float(np.abs(weight).mean()) if len(weight) else 0.0
    return weight / mean if mean > 0 else weight
