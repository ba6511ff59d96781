"""Masses of pairs, with elements that may be missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pts = st.floats(1, 1000)
etas = st.floats(-4, 4)
phis = st.floats(-math.pi, math.pi)
masses = st.floats(0, 100)


@settings(deadline=None, max_examples=50)
@given(st.tuples(pts, etas, phis, masses, pts, etas, phis, masses))
def test_the_mass_of_a_pair_is_that_of_its_momentum(
    helpers: Any, numbers: tuple[float, ...]
) -> None:
    total = np.zeros(4)
    for pt, eta, phi, mass in (numbers[:4], numbers[4:]):
        momentum = np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)])
        total += [math.hypot(*momentum, mass), *momentum]
    square = total[0] ** 2 - (total[1:] ** 2).sum()
    found = helpers.invariant_mass(*numbers)
    assert found**2 == pytest.approx(square, abs=1e-9 * total[0] ** 2)


@settings(deadline=None, max_examples=50)
@given(st.tuples(pts, phis, pts, phis))
def test_the_transverse_mass(helpers: Any, numbers: tuple[float, ...]) -> None:
    pt1, phi1, pt2, phi2 = numbers
    expected = math.sqrt(2 * pt1 * pt2 * (1 - math.cos(phi1 - phi2)))
    assert helpers.transverse_mass(*numbers) == pytest.approx(expected, abs=1e-6)


def test_what_is_missing_has_no_mass(helpers: Any, root: Any) -> None:
    one = root.RVecF([50.0])
    assert math.isnan(helpers.pair_mass(one, one, one, 0.1))
    assert math.isnan(helpers.transverse_mass(math.nan, 0, 1, 0))
    assert math.isnan(helpers.invariant_mass(math.nan, 0, 0, 0, 1, 0, 0, 0))
