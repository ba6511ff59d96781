from __future__ import annotations

import numpy as np
import pytest

from common.efficiency import efficiency_error


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 10), (30, 100)])
def test_error_is_that_of_the_posterior(k: int, n: int) -> None:
    posterior = np.random.default_rng(1).beta(k + 1, n - k + 1, 200_000)
    assert efficiency_error(k / n, n) == pytest.approx(posterior.std(), rel=0.01)


def test_error_is_binomial_for_many_events() -> None:
    assert efficiency_error(0.3, 1e6) == pytest.approx((0.3 * 0.7 / 1e6) ** 0.5, rel=1e-3)


def test_error_does_not_vanish_when_all_pass() -> None:
    assert efficiency_error(1.0, 18) == pytest.approx(1 / 20, rel=0.1)
