"""Sums of doubles are exact, and the same limb by limb in any order and partition."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpp_helpers import declare, load_root

LARGEST = float(np.finfo(np.float64).max)
LEAST = 5e-324
NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60)

_CODE = """
#include "rdf/yields.hxx"
namespace monojet_test {
/// Enters `n` numbers, all of them `times` times.
inline void enter(monojet::ExactSum &sum, const double *x, std::size_t n, std::size_t times) {
  for (std::size_t k = 0; k < times; ++k)
    for (std::size_t i = 0; i < n; ++i)
      sum.add(x[i]);
}
} // namespace monojet_test
"""


@functools.cache
def _declared() -> Any:
    helpers = declare()
    if not load_root().gInterpreter.Declare(_CODE):
        raise RuntimeError("cling could not compile the test's loop")
    return helpers


def summed(numbers: Sequence[float], times: int = 1) -> Any:
    """The ExactSum of numbers."""
    made = _declared().ExactSum()
    if numbers:
        array = np.array(numbers, np.float64)
        load_root().monojet_test.enter(made, array, len(array), times)
    return made


def merged(*parts: Any) -> Any:
    """The ExactSum of ExactSums."""
    made = _declared().ExactSum()
    for part in parts:
        made.add(part)
    return made


def limbs(exact_sum: Any) -> list[int]:
    return list(exact_sum.limbs())


def value(exact_sum: Any) -> Fraction:
    return Fraction(sum(limb << 32 * i for i, limb in enumerate(limbs(exact_sum))), 2**1074)


def exact(numbers: Sequence[float]) -> Fraction:
    return sum(map(Fraction, numbers), Fraction(0))


@settings(max_examples=300, deadline=None)
@given(numbers=NUMBERS)
@example(numbers=[])
@example(numbers=[0.0, -0.0])
@example(numbers=[1e300, 1.0, -1e300])
@example(numbers=[LARGEST] * 3)
@example(numbers=[-LARGEST, -LEAST])
@example(numbers=[LARGEST, LEAST, -LARGEST])
@example(numbers=[LEAST] * 5 + [2.2250738585072014e-308, -2.225073858507201e-308])
def test_the_sum_is_exact_and_rounds_as_fsum(numbers: list[float]) -> None:
    found = value(summed(numbers))
    assert found == exact(numbers)
    try:
        expected = math.fsum(numbers)
    except OverflowError:  # of the sum, or on the way to it
        return
    assert float(found) == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_every_power_of_two_stands_in_its_place(sign: int) -> None:
    for exponent in range(-1074, 1024):
        for digits in (1.0, 2 - 2.0**-52):
            x = sign * math.ldexp(digits, exponent)
            if math.isfinite(x):
                assert value(summed([x])) == Fraction(x)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), numbers=NUMBERS)
def test_order_and_partition_leave_every_limb_alike(
    data: st.DataObject, numbers: list[float]
) -> None:
    whole = limbs(summed(numbers))
    order = data.draw(st.permutations(numbers))
    assert limbs(summed(order)) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(numbers)), max_size=5)))
    parts = [summed(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert limbs(merged(*data.draw(st.permutations(parts)))) == whole
    one, *others = parts
    assert limbs(merged(one, merged(*others))) == whole


@pytest.mark.parametrize(
    "x", [1.0, 0.1, LARGEST, -LARGEST, LEAST, 2 - 2.0**-52, -(2 - 2.0**-52), 2.0**-1043 - LEAST]
)
@pytest.mark.parametrize("times", [1023, 1024, 1025, 2048, 3_000_001])
def test_many_additions_carry(x: float, times: int) -> None:
    assert value(summed([x], times)) == times * Fraction(x)


def test_all_limbs_fill_and_empty_again() -> None:
    numbers = [math.ldexp(2 - 2.0**-52, exponent) for exponent in range(-1022, 1024)]
    full = summed(numbers, 5000)
    assert value(full) == 5000 * exact(numbers)
    assert value(merged(full, summed([-x for x in numbers], 4999))) == exact(numbers)
    assert not any(limbs(merged(full, summed([-x for x in numbers], 5000))))


def test_sums_of_many_parts_carry() -> None:
    part = summed([-LARGEST, LEAST], 1000)
    total = merged(*[part] * 3000)
    assert value(total) == 3_000_000 * (Fraction(LEAST) - Fraction(LARGEST))
    total.add(total)
    assert value(total) == 6_000_000 * (Fraction(LEAST) - Fraction(LARGEST))


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.floats(), max_size=20))
@example(numbers=[math.inf, 1.0, -math.inf, math.nan])
def test_what_is_not_finite_is_counted_and_not_added(numbers: list[float]) -> None:
    finite = [x for x in numbers if math.isfinite(x)]
    found = merged(summed(numbers[:7]), summed(numbers[7:]))
    assert value(found) == exact(finite)
    assert found.n_not_finite() == len(numbers) - len(finite)


def test_yields_count_weights_and_rounded_squares() -> None:
    yields = _declared().Yields(2)
    for i, weight in enumerate((0.1, 0.2, 0.3, -0.7)):
        yields.fill(i % 2, weight)
    other = _declared().Yields(2)
    other.fill(1, 1e200)  # its square overflows
    yields.add(other)
    assert list(yields.entries) == [2, 3]
    assert [value(s) for s in yields.sumw] == [exact([0.1, 0.3]), exact([0.2, -0.7, 1e200])]
    assert [value(s) for s in yields.sumw2] == [
        exact([0.1 * 0.1, 0.3 * 0.3]),
        exact([0.2 * 0.2, 0.7 * 0.7]),
    ]
    assert yields.n_not_finite() == 1
    flat = [limb for sums in (yields.sumw, yields.sumw2) for s in sums for limb in limbs(s)]
    assert list(yields.limbs()) == flat
