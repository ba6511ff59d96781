"""Numbers with their standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from common.tables import with_error


@dataclass(frozen=True)
class Measured:
    """A number and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return with_error(self.value, self.error)


def measured_efficiency(efficiency: float, n_effective: float) -> Measured:
    """An efficiency with the standard deviation of its posterior for a flat prior.

    Ullrich and Xu, arXiv:physics/0701199, equation 26, with k = efficiency x n. Unlike the binomial
    formula it does not vanish at 0 and 1. For weighted events n is (sum of w)^2 / sum of w^2.
    """
    k, n = efficiency * n_effective, n_effective
    variance = (k + 1) * (k + 2) / ((n + 2) * (n + 3)) - ((k + 1) / (n + 2)) ** 2
    return Measured(efficiency, math.sqrt(max(variance, 0.0)))
