"""The statistical error of an efficiency."""

from __future__ import annotations

import math


def efficiency_error(efficiency: float, n_effective: float) -> float:
    """Standard deviation of the posterior of an efficiency for a flat prior.

    Ullrich and Xu, arXiv:physics/0701199, equation 26, with k = efficiency x n. Unlike the binomial
    formula it does not vanish at 0 and 1. For weighted events n is (sum of w)^2 / sum of w^2.
    """
    k, n = efficiency * n_effective, n_effective
    variance = (k + 1) * (k + 2) / ((n + 2) * (n + 3)) - ((k + 1) / (n + 2)) ** 2
    return math.sqrt(max(variance, 0.0))
