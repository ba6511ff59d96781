"""Exact yields: the same bits for any partition of the events, and rounded once."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.event_loop.events import Events
from analysis.rdf import yields
from analysis.rdf.yields import ExactYield, Yield
from common.runtime.errors import InputError
from selections.cuts import Cut
from tests.conftest import REPOSITORY
from tests.frames import numbered, taken

EDGES = [10.0, 20.0, 50.0]
N_EVENTS = 5000
# Weights of both signs over 30 orders of magnitude: no two orders of floating-point sums agree.
WEIGHT = "std::ldexp(std::sin(1. + rdfentry_), int(rdfentry_ * 7919 % 101) - 50)"
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SMALL = st.floats(-1e150, 1e150)


def events(n_events: int = N_EVENTS, weight: str = WEIGHT) -> Events:
    return numbered(n_events, {"met": "float(rdfentry_ * 31 % 67)", "weight": weight})


def found(events: Events) -> list[ExactYield]:
    booked = yields.book(events, "met", "weight", EDGES)
    events.loop.run()
    return yields.read_out(booked)


def of(weights: list[float]) -> ExactYield:
    return ExactYield(
        len(weights),
        sum(map(Fraction, weights), Fraction(0)),
        sum((Fraction(w * w) for w in weights), Fraction(0)),
    )


@pytest.fixture(scope="module")
def whole() -> list[ExactYield]:
    return found(events())


def test_bins_are_the_exact_sums_of_their_events(whole: list[ExactYield]) -> None:
    listed = taken(events(), {"met": "float", "weight": "double"})
    columns = {name: np.array(values) for name, values in listed.items()}
    bins = np.searchsorted(EDGES, columns["met"], side="left")
    assert whole == [of(columns["weight"][bins == i].tolist()) for i in range(len(EDGES) + 1)]
    for y, i in zip(whole, range(len(EDGES) + 1), strict=True):
        weights = columns["weight"][bins == i]
        assert y.rounded() == Yield(
            len(weights), math.fsum(weights), math.fsum(w * w for w in weights)
        )


def within(begin: int, end: int) -> Cut:
    """Of one program for any range: numbers that are compared are its arguments."""
    return Cut("range", f"rdfentry_ >= {begin} && rdfentry_ < {end}", "")


@pytest.mark.parametrize("cuts", [[1], [2500], [7, 7, 4000], list(range(100, 5000, 617))])
def test_any_partition_of_events_has_the_same_yields(
    whole: list[ExactYield], cuts: list[int]
) -> None:
    ranges = zip([0, *cuts], [*cuts, N_EVENTS], strict=True)
    parts = [found(events().passing(within(a, b))) for a, b in ranges]
    for order in (parts, parts[::-1]):
        assert [sum(bins, ExactYield()) for bins in zip(*order, strict=True)] == whole


_THREADS = """
import json
from cpp_helpers import load_root
from tests.analysis.rdf import test_yields
for threads in (1, 2, 3):
    if threads > 1:
        load_root().EnableImplicitMT(threads)
    print(json.dumps([y.to_json() for y in test_yields.found(test_yields.events())]))
    load_root().DisableImplicitMT()
"""


def test_any_number_of_threads_has_the_same_yields(whole: list[ExactYield]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _THREADS], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [[ExactYield.from_json(y) for y in line] for line in lines] == [whole] * 3


@pytest.mark.parametrize("bad", ["NAN", "INFINITY", "-INFINITY", "1e200"])
def test_weights_that_cannot_be_summed_are_an_error(bad: str) -> None:
    with pytest.raises(InputError, match=r"^column 'weight': not finite, .* \(events: 3\)$"):
        found(events(20, f"rdfentry_ % 8 == 3 ? {bad} : 1."))


@settings(max_examples=200)
@given(weights=st.lists(SMALL, max_size=20))
@example(weights=[1e150, 1.0, -1e150])
@example(weights=[5e-324, -5e-324, 1e-160])
def test_yields_are_rounded_once(weights: list[float]) -> None:
    total = sum((of([w]) for w in weights), ExactYield())
    assert total == of(weights)
    assert total.rounded() == Yield(
        len(weights), math.fsum(weights), math.fsum(w * w for w in weights)
    )


@settings(max_examples=200)
@given(entries=st.integers(0, 2**64), sumw=st.lists(FINITE), sumw2=st.lists(FINITE))
@example(entries=0, sumw=[], sumw2=[])
@example(entries=3, sumw=[5e-324, -1.7e308], sumw2=[1.7e308, 1.7e308])
def test_json_gives_the_yield_back(entries: int, sumw: list[float], sumw2: list[float]) -> None:
    y = ExactYield(entries, *(sum(map(Fraction, x), Fraction(0)) for x in (sumw, sumw2)))
    assert ExactYield.from_json(json.loads(json.dumps(y.to_json()))) == y


def test_json_is_short() -> None:
    y = ExactYield(2, Fraction(-5, 8), Fraction(3))
    assert y.to_json() == {"entries": 2, "sumw": "-0x5p-3", "sumw2": "0x3p-0"}


def test_what_is_no_sum_of_doubles_is_not_written() -> None:
    with pytest.raises(ValueError, match="1/3 is not a sum of doubles"):
        ExactYield(1, Fraction(1, 3)).to_json()


def test_a_sum_beyond_the_largest_double_is_an_error() -> None:
    with pytest.raises(InputError, match="^column 'weight': a sum is beyond the largest double$"):
        (of([1.3e154]) + of([1.3e154])).rounded()


def test_yields_of_floats_add_and_scale() -> None:
    assert Yield(1, 2.0, 4.0) + Yield(2, 6.0, 20.0) == Yield(3, 8.0, 24.0)
    assert Yield(1, 3.0, 9.0).scaled(-2.0) == Yield(1, -6.0, 36.0)
    assert Yield(1, 3.0, 9.0).stat_error == 3.0
