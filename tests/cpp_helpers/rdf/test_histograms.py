"""Bins are exact at every edge, and sums for all weights, in any order and any slot."""

from __future__ import annotations

import functools
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpp_helpers import declare, load_root
from cpp_helpers.errors import cause_of
from tests.conftest import REPOSITORY
from tests.cpp_helpers.bridge import array

LARGEST = float(np.finfo(np.float64).max)
LEAST = 5e-324

_CODE = """
#include "rdf/binning.hxx"
#include "rdf/histograms.hxx"
namespace monojet_test {
using namespace monojet;

inline void find(const BinAxis &axis, const double *values, std::size_t n, unsigned int *bins) {
  for (std::size_t i = 0; i < n; ++i)
    bins[i] = axis.find(values[i]);
}

/// Fills `times` times: event i in slot i modulo `n_slots`.
inline void fill(Histograms &histograms, const HistogramSpecification &specification,
                 const double *values, const double *weights, std::size_t n,
                 unsigned int n_slots, std::size_t times) {
  const std::size_t n_quantities = specification.n_quantities();
  for (std::size_t k = 0; k < times; ++k)
    for (std::size_t i = 0; i < n; ++i) {
      Gathered gathered;
      const double *begin = values + i * n_quantities;
      gathered.values.assign(begin, begin + n_quantities);
      histograms.fill(i % n_slots, find_bins(specification, gathered), weights[i]);
    }
}

inline std::vector<double> values_of(const Gathered &gathered) { return gathered.values; }

inline std::vector<unsigned int> vectors_of(const Gathered &gathered) {
  std::vector<unsigned int> all;
  for (const auto &one : gathered.vectors)
    all.insert(all.end(), {one.quantity, one.begin, one.size});
  return all;
}

} // namespace monojet_test
"""


@functools.cache
def _test() -> Any:
    declare()
    if not load_root().gInterpreter.Declare(_CODE):
        raise RuntimeError("cling could not compile the test's loops")
    return load_root().monojet_test


# --- Bins -----------------------------------------------------------------------------------------


def _neighbours(edges: Sequence[float]) -> npt.NDArray[np.float64]:
    """Edges, the next doubles around them, points between them, and extreme values."""
    exact = np.array(edges, np.float64)
    near = [exact]
    with np.errstate(over="ignore", under="ignore"):
        for direction in (-np.inf, np.inf):
            beside = np.nextafter(exact, direction)
            near += [beside, np.nextafter(beside, direction)]
        span = exact[-1] / 2 - exact[0] / 2
        between = [exact[:-1] / 2 + exact[1:] / 2, exact[[0, -1]] + [-span, span]]
    far = [-np.inf, -LARGEST, 0.0, -0.0, LEAST, LARGEST, np.inf]
    return np.concatenate((*near, *between, far))


def _found(axis: Any, values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    found = np.empty(len(values), np.uint32)
    _test().find(axis, values, len(values), found)
    return found


def _assert_exact(edges: Sequence[float]) -> Any:
    axis = declare().BinAxis([*edges])
    assert axis.size() == len(edges) + 1
    values = _neighbours(edges)
    np.testing.assert_array_equal(
        _found(axis, values), np.searchsorted(np.array(edges, np.float64), values, side="right")
    )
    assert _found(axis, np.array([np.nan])) == axis.size()
    return axis


@pytest.mark.parametrize(
    "edges",
    [
        [0.0, 1.0],
        [float(i) for i in range(41)],
        [25.0 * i for i in range(41)],
        [0.1 * i for i in range(33)],
        [round(0.1 * i, 1) for i in range(33)],
        [round(-2.4 + 0.4 * i, 1) for i in range(13)],
        [-math.pi + 2 * math.pi * i / 64 for i in range(65)],
        [*np.linspace(-1e-3, 1e6, 1001).tolist()],
        [*np.linspace(1e9, 1e9 + 1, 50).tolist()],
        [*np.linspace(0, 1, 3001).tolist()],
    ],
    ids=lambda edges: f"{edges[0]:g} to {edges[-1]:g}",
)
def test_uniform_bins_are_exact_without_a_search(edges: list[float]) -> None:
    assert _assert_exact(edges).has_uniform_cells()


@pytest.mark.parametrize(
    "edges",
    [
        [250.0, 300, 350, 400, 500, 600, 700, 800, 900, 1000, 1200],
        [0.0, 1, 3, 7, 15, 100],
        [-1.0, -0.1, 0.0, 0.1, 1.0],
    ],
    ids=str,
)
def test_other_bins_are_exact_without_a_search(edges: list[float]) -> None:
    axis = _assert_exact(edges)
    assert axis.has_cells()
    assert not axis.has_uniform_cells()


@pytest.mark.parametrize(
    "edges",
    [
        [*np.geomspace(1e-6, 1e6, 30).tolist()],
        [0.0, LEAST, 1.0],
        [1.0, 1.0 + 2.0**-52, 2.0],
        [-LARGEST, 0.0, LARGEST],
        [1e16, 1e16 + 2, 2e16],
    ],
    ids=str,
)
def test_bins_of_very_different_widths_are_searched(edges: list[float]) -> None:
    assert not _assert_exact(edges).has_cells()


@pytest.mark.parametrize("edges", [[0.0, LEAST], [-LARGEST, LARGEST], [1.0, 1.0 + 2.0**-52]])
def test_a_bin_may_be_as_narrow_or_wide_as_doubles_allow(edges: list[float]) -> None:
    _assert_exact(edges)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=300, deadline=None)
@given(edges=st.lists(FINITE, min_size=2, max_size=40, unique=True).map(sorted))
def test_any_bins_are_those_of_a_search(edges: list[float]) -> None:
    _assert_exact([edge + 0.0 for edge in edges])


@settings(max_examples=300, deadline=None)
@given(low=st.floats(-1e4, 1e4), width=st.floats(1e-3, 1e3), n=st.integers(1, 200))
def test_any_uniform_bins_are_those_of_a_search(low: float, width: float, n: int) -> None:
    edges = [low + width * i for i in range(n + 1)]
    assert _assert_exact(edges).has_cells()


@pytest.mark.parametrize(
    "edges", [[], [1.0], [1.0, 1.0], [2.0, 1.0], [0.0, math.inf], [math.nan, 1.0], [0.0, math.nan]]
)
def test_edges_that_are_no_bins_are_an_error(edges: list[float]) -> None:
    specification = declare().HistogramSpecification()
    specification.add(0, [0.0, 1.0])
    with pytest.raises(Exception, match="edges") as caught:
        specification.add(0, edges)
    assert cause_of(caught.value).endswith(
        "histogram 1: the edges must be finite and ascending, at least two"
    )


# --- Quantities -----------------------------------------------------------------------------------


def test_numbers_are_gathered_as_doubles(root: Any) -> None:
    df = root.RDataFrame(1).Define(
        "all", "monojet::gather(true, 1.5f, -3, 0.1, 18446744073709551615ull, char(7))"
    )
    found = df.Define("values", "monojet_test::values_of(all)").Define(
        "vectors", "monojet_test::vectors_of(all)"
    )
    _test()
    taken = found.AsNumpy(["values", "vectors"])
    assert list(taken["values"][0]) == [1.0, 1.5, -3.0, 0.1, 2.0**64, 7.0]
    assert list(taken["vectors"][0]) == []


def test_elements_of_vectors_follow_the_numbers(root: Any) -> None:
    _test()
    df = root.RDataFrame(1).Define(
        "all",
        "monojet::gather(ROOT::RVecI{3, 4}, 2., ROOT::RVecF{}, ROOT::RVec<bool>{true}, 5,"
        " std::vector<bool>{false, true})",
    )
    found = df.Define("values", "monojet_test::values_of(all)").Define(
        "vectors", "monojet_test::vectors_of(all)"
    )
    taken = found.AsNumpy(["values", "vectors"])
    nan = math.nan
    np.testing.assert_array_equal(
        list(taken["values"][0]), [nan, 2.0, nan, nan, 5.0, nan, 3.0, 4.0, 1.0, 0.0, 1.0]
    )
    assert list(taken["vectors"][0]) == [*(0, 6, 2), *(2, 8, 0), *(3, 8, 1), *(5, 9, 2)]


def test_nothing_can_be_gathered(root: Any) -> None:
    _test()
    df = root.RDataFrame(2).Define("all", "monojet::gather()")
    assert list(df.Define("n", "all.values.size()").AsNumpy(["n"])["n"]) == [0, 0]


def _binned(
    specification: Any, values: Sequence[float], *vectors: tuple[int, Sequence[float]]
) -> dict[int, list[int]]:
    """The bins of an event by histogram; a vector is given by quantity and elements."""
    helpers = declare()
    gathered = helpers.Gathered()
    gathered.values.assign([*values, *(x for _, elements in vectors for x in elements)])
    begin = len(values)
    for quantity, elements in vectors:
        gathered.vectors.push_back(helpers.Gathered.Elements(quantity, begin, len(elements)))
        begin += len(elements)
    found = helpers.find_bins(specification, gathered)
    bins = array(found.bins, np.uint32).tolist()
    n = specification.histograms().size()
    return {i: [bins[i]] for i in range(n)} | {
        int(one.histogram): bins[one.begin : one.begin + one.size] for one in found.vectors
    }


def _two_dimensional() -> Any:
    """Histogram 0 of quantities 0 and 1, histogram 1 of quantity 2."""
    specification = declare().HistogramSpecification()
    specification.add(0, [0.0, 1.0, 2.0, 3.0], 1, [0.0, 10.0, 20.0])
    specification.add(2, [0.0, 1.0])
    return specification


def test_the_second_quantity_runs_fastest() -> None:
    for x, y in itertools.product(range(5), range(4)):
        found = _binned(_two_dimensional(), [x - 0.5, 10.0 * y - 5.0, 0.0])
        assert found == {0: [4 * x + y], 1: [1]}


@pytest.mark.parametrize("values", [[math.nan, 5.0, 0], [0.5, math.nan, 0], [math.nan] * 2 + [0]])
def test_one_nan_leaves_an_entry_without_value(values: list[float]) -> None:
    assert _binned(_two_dimensional(), values)[0] == [20]  # of the indices 0 to 19


def test_vectors_enter_in_pairs_and_numbers_with_each_element() -> None:
    specification, nan = _two_dimensional(), math.nan
    x, y = (0, [0.5, 2.5, 9.0]), (1, [15.0, -1.0, 25.0])
    assert _binned(specification, [nan, nan, 0.5], x, y) == {0: [4 + 2, 12 + 0, 16 + 3], 1: [1]}
    assert _binned(specification, [nan, 5.0, 0.5], x) == {0: [4 + 1, 12 + 1, 16 + 1], 1: [1]}
    assert _binned(specification, [1.5, nan, 0.5], y) == {0: [8 + 2, 8 + 0, 8 + 3], 1: [1]}
    assert _binned(specification, [1.5, nan, 0.5], (1, [])) == {0: [], 1: [1]}
    assert _binned(specification, [1.5, 5.0, nan], (2, [0.0, nan, -1])) == {0: [9], 1: [1, 3, 0]}


def test_vectors_of_different_lengths_are_an_error() -> None:
    specification = declare().HistogramSpecification()
    specification.add(2, [0.0, 1.0])
    specification.add(0, [0.0, 1.0], 1, [0.0, 1.0])
    nan = math.nan
    with pytest.raises(Exception, match="histogram 1") as caught:
        _binned(specification, [nan, nan, 0.5], (0, [1.0]), (1, [1.0, 2.0]))
    assert cause_of(caught.value).endswith(
        "histogram 1: an event has 1 values of the first quantity and 2 of the second"
    )


def test_a_missing_quantity_is_an_error() -> None:
    with pytest.raises(Exception, match="shows a quantity that is not gathered"):
        _binned(_two_dimensional(), [1.0, 1.0])


# --- Sums -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Content:
    entries: list[int]
    sumw: list[Fraction]
    sumw2: list[Fraction]
    n_without_value: list[int]
    n_not_finite: int


def _sums(found: Any, n_bins: int) -> list[Fraction]:
    base, n_limbs = int(found.base), int(found.n_limbs)
    limbs = array(found.limbs, np.int64).reshape(n_bins, n_limbs)
    assert (limbs[:, :-1] >= 0).all()
    assert (limbs[:, :-1] < 2**32).all()
    assert ((limbs[:, -1:] >= -(2**31)) & (limbs[:, -1:] < 2**31)).all()
    if n_limbs:  # no fewer limbs would do
        assert limbs[:, 0].any()
        before = limbs[:, -2] >> 31 if n_limbs > 1 else 0
        assert (limbs[:, -1] != -before).any()
    return [
        Fraction(sum(limb << 32 * (base + i) for i, limb in enumerate(bin_)), 2**1074)
        for bin_ in limbs.tolist()
    ]


def _content(histograms: Any) -> Content:
    found = histograms.content()
    entries = array(found.entries, np.uint64).tolist()
    return Content(
        entries,
        _sums(found.sumw, len(entries)),
        _sums(found.sumw2, len(entries)),
        array(found.n_without_value, np.uint64).tolist(),
        int(found.n_not_finite),
    )


EDGES = [0.0, 1.0, 2.0]


def filled(
    values: Sequence[float], weights: Sequence[float], n_slots: int = 1, times: int = 1
) -> Content:
    """One histogram with `EDGES`."""
    specification = declare().HistogramSpecification()
    specification.add(0, EDGES)
    histograms = declare().Histograms(specification, [0], n_slots)
    if len(values):
        x, w = np.array(values, np.float64), np.array(weights, np.float64)
        _test().fill(histograms, specification, x, w, len(x), n_slots, times)
    return _content(histograms)


def expected(values: Sequence[float], weights: Sequence[float], times: int = 1) -> Content:
    n_bins = len(EDGES) + 1
    entries, n_not_finite = [0] * (n_bins + 1), 0
    sums = [[Fraction(0)] * (n_bins + 1) for _ in range(2)]
    for value, weight in zip(values, weights, strict=True):
        square = weight * weight if math.isfinite(weight) else math.nan
        if not math.isfinite(square):
            n_not_finite += times
            continue
        place = n_bins if math.isnan(value) else int(np.searchsorted(EDGES, value, side="right"))
        entries[place] += times
        for found, x in zip(sums, (weight, square), strict=True):
            found[place] += times * Fraction(x)
    sumw, sumw2 = (found[:-1] for found in sums)
    return Content(entries[:-1], sumw, sumw2, entries[-1:], n_not_finite)


VALUES = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.nan])
WEIGHTS = st.one_of(
    st.floats(),
    st.floats(-2.0, 2.0),
    st.sampled_from([1e-300, 1e300, -1e150, 1e-8, -1e8, LEAST, -LEAST, LARGEST, 0.0, -0.0]),
)
EVENTS = st.lists(st.tuples(VALUES, WEIGHTS), max_size=300)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), events=EVENTS, n_slots=st.integers(1, 4))
@example(data=None, events=[(0.5, 1.3e154), (0.5, 1.3e154)], n_slots=1)
@example(data=None, events=[(0.5, x) for x in (0.0, LEAST, 1.0, -1e150)], n_slots=2)
def test_sums_are_exact_for_any_weights_order_and_slots(
    data: Any, events: list[tuple[float, float]], n_slots: int
) -> None:
    want = expected([x for x, _ in events], [w for _, w in events])
    assert filled([x for x, _ in events], [w for _, w in events]) == want
    if data is not None:
        events = data.draw(st.permutations(events))
    assert filled([x for x, _ in events], [w for _, w in events], n_slots) == want


def test_every_power_of_two_stands_in_its_place() -> None:
    exponents = range(-1074, 1024)
    weights = [math.ldexp(2 - 2.0**-52, e) if e < 1023 else LARGEST for e in exponents]
    weights = [w for one in weights for w in (one, -one / 3, 1.0)]
    values = [0.5] * len(weights)
    for start in (0, 3 * 500, 3 * 1074, 3 * 1500):  # each sets another window
        order = weights[start:] + weights[:start]
        assert filled(values, order) == expected(values, weights)


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [-0.1, 0.3],
        [1.0, 2.0**22 * (2 - 2.0**-52)],  # the largest of the window
        [1.0, -(2.0**22) * (2 - 2.0**-52), -(2.0**-21)],
        [1.0, 2.0**23, 2.0**-22, -(2.0**46), 2.0**-46],  # beside the window
        [1.3e154, 1e-154],
        [-LEAST, 1e-200],
    ],
    ids=str,
)
@pytest.mark.parametrize("times", [127, 128, 16383, 16384, 16385, 60_000])
def test_many_additions_carry(weights: list[float], times: int) -> None:
    values = [0.5] * len(weights)
    assert filled(values, weights, times=times) == expected(values, weights, times)


def test_long_vectors_carry() -> None:
    helpers, n = declare(), 50_000
    specification = helpers.HistogramSpecification()
    specification.add(0, EDGES)
    histograms = helpers.Histograms(specification, [0])
    gathered = helpers.Gathered()
    gathered.values.assign([math.nan, *[0.5] * n])
    gathered.vectors.push_back(helpers.Gathered.Elements(0, 1, n))
    weights = [1.0, 2.0**22 * (2 - 2.0**-52), 2.0**60]
    for weight in weights:
        histograms.fill(0, helpers.find_bins(specification, gathered), weight)
    assert _content(histograms) == expected([0.5] * 3, weights, n)


def test_some_histograms_of_a_specification_are_filled() -> None:
    specification = declare().HistogramSpecification()
    for quantity in (0, 1, 0, 2):
        specification.add(quantity, EDGES)
    values = np.array([[0.5, 1.5, math.nan], [3.0, 0.5, 1.5]])
    weights = np.array([1.0, 0.1])
    for numbers in ([1], [3, 0], [2, 3], [], [0, 0]):
        histograms = declare().Histograms(specification, numbers)
        _test().fill(histograms, specification, values, weights, 2, 1, 1)
        found = _content(histograms)
        columns = [values[:, (0, 1, 0, 2)[number]].tolist() for number in numbers]
        want = [expected(column, weights.tolist()) for column in columns]
        assert found.entries == [n for one in want for n in one.entries]
        assert found.sumw == [x for one in want for x in one.sumw]
        assert found.n_without_value == [n for one in want for n in one.n_without_value]


_JIT = """
from tests.cpp_helpers.rdf import test_histograms as tests
weights = [1e-8, 3.0, 1e8, -0.1, 1e-300, 1e200] * 100
print(tests.filled([0.5, 1.5, -1.0] * 200, weights, 2))
"""


@pytest.mark.slow
def test_without_the_library_the_content_is_the_same() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _JIT],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
            text=True,
            env=os.environ | {"MONOJET_HELPERS": helpers},
        ).stdout
        for helpers in ("jit", "library")
    ]
    assert found[0] == found[1]
    assert found[0].startswith("Content(")
