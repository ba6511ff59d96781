"""Errors of yields whose sample is normalised, by toys."""

from __future__ import annotations

import numpy as np
import pytest

from common.stats.normalisation import statistical_error


@pytest.mark.parametrize("negative", [0.0, 0.2])
@pytest.mark.parametrize("efficiency", [0.02, 0.5, 0.97])
def test_pulls_of_normalised_yields_are_of_unit_spread(negative: float, efficiency: float) -> None:
    rng = np.random.default_rng(3)
    expected = 1e5  # luminosity x cross-section, which is fixed
    pulls, too_large = [], []
    for _ in range(1500):
        n = rng.poisson(1500)
        weight = np.where(rng.random(n) < negative, -1.0, 1.0) * rng.uniform(0.5, 1.5, n)
        passing = weight[rng.random(n) < efficiency]
        factor = expected / weight.sum()
        whole = float(weight.sum()), float((weight**2).sum())
        error = factor * statistical_error(float(passing.sum()), float((passing**2).sum()), *whole)
        difference = factor * passing.sum() - expected * efficiency
        pulls.append(difference / error)
        too_large.append(difference / (factor * np.sqrt((passing**2).sum())))
    assert np.std(pulls) == pytest.approx(1, abs=0.08)
    if efficiency > 0.9 and not negative:
        assert np.std(too_large) < 0.3  # what the square root of the sum of w^2 would state


def test_nothing_that_is_not_cut_fluctuates() -> None:
    weights = np.random.default_rng(1).normal(1, 2, 1000)
    sums = float(weights.sum()), float((weights**2).sum())
    assert statistical_error(*sums, *sums) == 0


def test_without_the_squares_of_all_weights_it_is_the_root_of_those_that_pass() -> None:
    assert statistical_error(50.0, 64.0, 100.0, None) == 8
    assert statistical_error(9.0, 9.0, None, None) == 3  # measured
