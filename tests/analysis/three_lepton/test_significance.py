from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.three_lepton.significance import observed_significance, significance

EVENTS = st.floats(0.1, 1e5)


def test_known_values() -> None:
    """s = 10, b = 100: s / sqrt(b) is 1, and the formula a little less."""
    assert significance(10, 100) == pytest.approx(0.984, abs=5e-4)
    assert significance(5, 1) == pytest.approx(math.sqrt(2 * (6 * math.log(6) - 5)))


@given(EVENTS, EVENTS)
def test_few_signals_over_many_backgrounds(b: float, share: float) -> None:
    s = 1e-3 * min(1.0, share) * b
    assert significance(s, b) == pytest.approx(s / math.sqrt(b), rel=1e-2)
    assert significance(s, b, 0.3 * b) == pytest.approx(s / math.sqrt(b + (0.3 * b) ** 2), rel=2e-2)


@given(EVENTS, EVENTS)
def test_an_error_makes_it_less(s: float, b: float) -> None:
    without = significance(s, b)
    with_small, with_large = significance(s, b, 1e-4 * b), significance(s, b, 0.2 * b)
    assert with_large < without
    assert with_small == pytest.approx(without, rel=1e-2) or b > 1e4
    assert with_large <= with_small * (1 + 1e-9)


def test_the_ends() -> None:
    assert significance(0, 10) == significance(-1, 10, 2) == 0
    assert significance(1, 0) == math.inf


@given(EVENTS, EVENTS, st.floats(0, 1e4))
def test_of_observed_events(n: float, b: float, error: float) -> None:
    found = observed_significance(n, b, error)
    if n > b:
        assert found == pytest.approx(significance(n - b, b, error), rel=1e-6, abs=1e-5)
    assert found * (n - b) >= 0
    assert abs(found) <= abs(observed_significance(n, b)) * (1 + 1e-9) + 1e-5


def test_none_observed() -> None:
    """The likelihood of none for an expectation of b is exp(-b)."""
    assert observed_significance(0, 3) == pytest.approx(-math.sqrt(2 * 3))
    assert observed_significance(0, 0) == 0
    assert -math.sqrt(2 * 3) < observed_significance(0, 3, 1.0) < 0
