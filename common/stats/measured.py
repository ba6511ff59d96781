"""Numbers with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from common.tables import with_error


@dataclass(frozen=True)
class Measured:
    """A number and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return with_error(self.value, self.error)


@dataclass(frozen=True)
class Averaged(Measured):
    """The mean over the networks of all folds, with its statistical error and its ``spread``.

    The spread is the standard error s/sqrt(K) of the mean from the scatter of the K networks; None
    for a single network.
    """

    spread: float | None = None

    def __str__(self) -> str:
        return with_error(self.value, self.error, *(() if self.spread is None else (self.spread,)))

    @property
    def total(self) -> float:
        """Return the error of both kinds.

        Values of single folds scatter by statistics and by training, s^2 = statistics + training,
        so that the spread holds the statistical error once: the larger of both is their sum.
        """
        return max(self.error, self.spread or 0.0)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard error s/sqrt(K) of the mean of K values; None for a single value."""
    n = len(values)
    if n < 2:
        return None
    mean = sum(values) / n
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)


def averaged(values: Sequence[Measured]) -> Averaged:
    """Return the mean over independent folds, with its statistical error and spread."""
    n = len(values)
    return Averaged(
        sum(v.value for v in values) / n,
        math.hypot(*(v.error for v in values)) / n,
        spread([v.value for v in values]),
    )


def measured_efficiency(efficiency: float, n_effective: float) -> Measured:
    """Return an efficiency with the standard deviation of its posterior for a flat prior.

    Ullrich and Xu, arXiv:physics/0701199, equation 26, with k = efficiency x n. Unlike the binomial
    formula it does not vanish at 0 and 1. For weighted events n is (sum of w)^2 / sum of w^2.
    """
    k, n = efficiency * n_effective, n_effective
    variance = (k + 1) * (k + 2) / ((n + 2) * (n + 3)) - ((k + 1) / (n + 2)) ** 2
    return Measured(efficiency, math.sqrt(max(variance, 0.0)))


def measured_share(
    part: tuple[float, float], whole: tuple[float, float], *, prior: bool = True
) -> Measured:
    """Return the weighted share of a subset in the whole, with its error.

    Both are given by their sums of weights and of squared weights; the sum of weights of the whole
    is not 0.

    With the sums P of the part and F of the rest, independent and of variances sum of w^2, the
    share e = P / (P + F) has de/dP = (1 - e)/W and de/dF = -e/W, W = P + F, so that
    variance = [(1 - e)^2 sum_P w^2 + e^2 sum_F w^2] / W^2, for weights of either sign. The flat
    prior, without which it vanishes where either is empty, adds one event of the effective weight
    u = sum of w^2 / W to each, and a factor W/(W + u): of equal weights this is the posterior of
    `measured_efficiency`, exactly. Where negative weights push the share beyond 0 or 1 it keeps its
    value.

    Without ``prior`` the first formula holds: where a subset has small weights, such as that of a
    high slice, one event of the effective weight would exceed all of it.
    """
    (sumw, sumw2), (whole_sumw, whole_sumw2) = part, whole
    unit = whole_sumw2 / whole_sumw if prior else 0.0
    total = whole_sumw + 2 * unit
    share = (sumw + unit) / total
    rest = max(whole_sumw2 - sumw2, 0.0)
    variance = (1 - share) ** 2 * (sumw2 + unit**2) + share**2 * (rest + unit**2)
    variance *= total / (total + unit) / total**2
    return Measured(sumw / whole_sumw, math.sqrt(variance))
