from __future__ import annotations

import math

import numpy as np
import pytest

from common.stats.measured import (
    Averaged,
    Measured,
    averaged,
    measured_efficiency,
    measured_share,
    spread,
)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 10), (30, 100)])
def test_error_is_that_of_the_posterior(k: int, n: int) -> None:
    posterior = np.random.default_rng(1).beta(k + 1, n - k + 1, 200_000)
    assert measured_efficiency(k / n, n).error == pytest.approx(posterior.std(), rel=0.01)


def test_error_is_binomial_for_many_events() -> None:
    assert measured_efficiency(0.3, 1e6).error == pytest.approx((0.3 * 0.7 / 1e6) ** 0.5, rel=1e-3)


def test_error_does_not_vanish_when_all_pass() -> None:
    assert measured_efficiency(1.0, 18).error == pytest.approx(1 / 20, rel=0.1)


def test_text_rounds_to_the_error() -> None:
    assert str(Measured(0.96171, 0.0123)) == "0.962 ± 0.012"


# --- Shares of weighted events ------------------------------------------------------------------


def sums(weights: np.ndarray) -> tuple[float, float]:
    return float(weights.sum()), float((weights**2).sum())


@pytest.mark.parametrize("negative", [0.0, 0.15, 0.3])
@pytest.mark.parametrize("efficiency", [0.3, 0.9, 0.98])
def test_pulls_of_weighted_shares_are_of_unit_spread(negative: float, efficiency: float) -> None:
    """Toys with weights of both signs, larger for events that fail, as slices make them."""
    rng = np.random.default_rng(int(100 * negative + 10 * efficiency))
    pulls, errors = [], []
    heavy = 3.0
    truth = efficiency / (efficiency + heavy * (1 - efficiency))
    for _ in range(1500):
        n = rng.poisson(600)
        passing = rng.random(n) < efficiency
        weight = np.where(rng.random(n) < negative, -1.0, 1.0) * np.where(passing, 1.0, heavy)
        found = measured_share(sums(weight[passing]), sums(weight))
        pulls.append((found.value - truth) / found.error)
        errors.append(found.error)
    assert np.std(pulls) == pytest.approx(1, abs=0.08)
    assert min(errors) > 0


@pytest.mark.parametrize(("part", "value"), [(104.0, 1.04), (-2.0, -0.02)])
def test_a_share_beyond_one_or_below_zero_has_an_error(part: float, value: float) -> None:
    """103 events of weight 1 and 3 of -1 are 100; 104 of them pass, one of -1 and one of 1 not."""
    found = measured_share((part, abs(part)), (100.0, 106.0))
    assert found.value == pytest.approx(value)
    assert found.error > 0.01


def test_equal_weights_have_the_error_of_counts_also_at_the_ends() -> None:
    for k in (0, 3, 18):
        counted = measured_efficiency(k / 18, 18)
        found = measured_share((2.0 * k, 4.0 * k), (36.0, 72.0))
        assert (found.value, found.error) == pytest.approx((counted.value, counted.error))


def test_without_prior_a_part_of_light_events_has_their_error() -> None:
    """100 events of weight 0.01 beside 50 of weight 1."""
    part, whole = (1.0, 0.01), (51.0, 50.01)
    found = measured_share(part, whole, prior=False)
    expected = ((1 - found.value) ** 2 * 0.01 + found.value**2 * 50) ** 0.5 / 51
    assert found.error == pytest.approx(expected)
    assert measured_share(part, whole).error > 5 * found.error


# --- Means over folds ---------------------------------------------------------------------------


def test_the_mean_of_folds_has_statistical_error_and_spread() -> None:
    found = averaged([Measured(0.766, 0.009), Measured(0.669, 0.009)])
    assert found.value == pytest.approx(0.7175)
    assert found.error == pytest.approx(0.009 / math.sqrt(2))
    assert found.spread == pytest.approx(0.097 / 2)  # s / sqrt(2) of two is half their difference
    assert found.total == found.spread
    assert str(found) == "0.7175 ± 0.0064 ± 0.0485"


def test_one_network_has_no_spread() -> None:
    found = averaged([Measured(0.7, 0.01)])
    assert found == Averaged(0.7, 0.01, None)
    assert found.total == 0.01
    assert str(found) == "0.700 ± 0.010"


@pytest.mark.parametrize("training", [0.0, 0.01, 0.03])
def test_the_total_covers_statistics_and_training(training: float) -> None:
    """Toys of five trainings: the variance of the mean is that which the errors state."""
    rng = np.random.default_rng(7)
    statistical, k = 0.01, 5
    values = rng.normal(0.7, math.hypot(statistical, training), (4000, k))
    stated = [
        averaged([Measured(v, statistical) for v in row]).total ** 2 for row in values.tolist()
    ]
    ratio = np.mean(stated) / values.mean(axis=1).var()
    assert 0.9 < ratio < 1.35  # the larger of two is a little too large where both are alike


def test_spread_is_the_standard_error_of_the_mean() -> None:
    values = [0.1, 0.4, 0.3, 0.9]
    assert spread(values) == pytest.approx(np.std(values, ddof=1) / 2)
    assert spread([1.0]) is None
