from __future__ import annotations

import numpy as np
import pytest

from common.measured import Measured, measured_efficiency


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
