"""Histograms of a data frame: as numpy, ROOT and fractions have them, for any partition."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import boost_histogram as bh
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.event_loop.events import EventLoop, Events
from analysis.formats.columns import RVEC_FLOAT, RVEC_INT, own
from analysis.formats.native import TREE
from analysis.rdf import histograms
from analysis.rdf.histograms import ExactHistogram, ExactSums, RoundedHistogram
from common.runtime.errors import ConfigError, InputError
from cpp_helpers.errors import cause_of
from selections.cuts import Axis, Cut
from selections.selection import Histogram
from tests.conftest import REPOSITORY
from tests.cpp_helpers.bridge import implicit_mt
from tests.frames import n_runs, numbered, taken, watched

N_EVENTS = 1500
# Weights of both signs over 30 orders of magnitude: no two orders of floating-point sums agree.
WEIGHT = "std::ldexp(std::sin(1. + rdfentry_), int(rdfentry_ * 7919 % 101) - 50)"
COLUMNS = {
    "weight": WEIGHT,
    "met": "float(rdfentry_ * 31 % 67)",
    "n": "int(rdfentry_ % 5)",
    "eta": "rdfentry_ % 11 == 3 ? NAN : std::sin(0.1 * rdfentry_)",
    "pt": "ROOT::RVecF(rdfentry_ % 4, 10.f * (rdfentry_ % 7)) + ROOT::VecOps::Range(rdfentry_ % 4)",
    "tag": "ROOT::VecOps::Range(rdfentry_ % 4) == 1",
}
TYPES = {
    "weight": "double",
    "met": "float",
    "n": "int",
    "eta": "double",
    "pt": RVEC_FLOAT,
    "tag": RVEC_INT,
}
MET = Axis("met", (0.0, 10.0, 20.0, 50.0), "MET [GeV]")
N = Axis("n", (-0.5, 0.5, 1.5, 2.5))
ETA = Axis("eta", tuple(round(-1 + 0.1 * i, 1) for i in range(21)))
PT = Axis("pt", (0.0, 10.0, 20.0, 30.0, 60.0))
TAG = Axis("tag != 0", (0.0, 1.0, 2.0))
ALL = (
    Histogram("met", (MET,)),
    Histogram("n", (N,)),
    Histogram("eta", (ETA,)),
    Histogram("pt", (PT,)),
    Histogram("met and eta", (MET, ETA)),
    Histogram("pt and tag", (PT, TAG)),
    Histogram("pt and n", (PT, N)),
    Histogram("n and pt", (N, PT)),
    Histogram("met again", (Axis("met", MET.edges, "another label"),)),
)
QUANTITIES = histograms.quantities(ALL)

Content = dict[str, ExactHistogram]
Rows = Sequence[Mapping[str, Any]]


def events(n_events: int = N_EVENTS, **changes: str) -> Events:
    return numbered(n_events, COLUMNS | changes)


def booked(chosen: Events, some: Sequence[Histogram] = ALL) -> Callable[[], Content]:
    return histograms.book(chosen, some, QUANTITIES, "weight")


def content_of(
    events: Events, some: Sequence[Histogram], quantities: histograms.Quantities
) -> Content:
    get = histograms.book(histograms.define_values(events, quantities), some, quantities, "weight")
    events.loop.run()
    return get()


def found(events: Events) -> Content:
    return content_of(events, ALL, QUANTITIES)


@pytest.fixture(scope="module")
def whole() -> Content:
    return found(events())


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The columns of each event, in Python."""
    columns = taken(events(), TYPES)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


# --- Content --------------------------------------------------------------------------------------


def pairs(x: Any, y: Any) -> list[tuple[float, float]]:
    if np.ndim(x) and np.ndim(y):
        return list(zip(x, y, strict=True))
    return list(itertools.product(np.atleast_1d(x), np.atleast_1d(y)))


def by_fractions(histogram: Histogram, rows: Rows) -> ExactHistogram:
    """A histogram filled with Python's fractions."""
    edges = [axis.edges for axis in histogram.axes]
    shape = [len(one) + 1 for one in edges]
    n_bins = math.prod(shape)
    entries = np.zeros(n_bins, np.uint64)
    sums = [[Fraction(0)] * n_bins for _ in range(2)]
    without_value = 0
    for row in rows:
        values = [
            np.array(row["tag" if axis is TAG else axis.expression]) for axis in histogram.axes
        ]
        weight = float(row["weight"])
        for entry in pairs(*values) if len(values) == 2 else np.atleast_1d(values[0])[:, None]:
            if np.isnan(entry).any():
                without_value += 1
                continue
            places = [np.searchsorted(*one, side="right") for one in zip(edges, entry, strict=True)]
            place = int(np.ravel_multi_index(places, shape))
            entries[place] += np.uint64(1)
            sums[0][place] += Fraction(weight)
            sums[1][place] += Fraction(weight * weight)
    return ExactHistogram(entries, exact(sums[0]), exact(sums[1]), without_value)


def exact(sums: Sequence[Fraction]) -> ExactSums:
    """Exact sums of known values."""
    n_limbs = 70
    limbs = np.zeros((len(sums), n_limbs), np.int64)
    for i, value in enumerate(sums):
        number = value * 2**1074
        assert number.denominator == 1
        limbs[i] = [int(number) >> 32 * k & 0xFFFFFFFF for k in range(n_limbs)]
        limbs[i, -1] -= (limbs[i, -1] >> 31) << 32
    return ExactSums.of(limbs, 0)


@pytest.mark.parametrize("histogram", ALL, ids=lambda one: one.name)
def test_bins_are_the_exact_sums_of_their_entries(
    whole: Content, rows: Rows, histogram: Histogram
) -> None:
    assert whole[histogram.name] == by_fractions(histogram, rows)


def test_entries_are_those_of_numpy(whole: Content) -> None:
    columns = taken(events(), {"met": "float", "eta": "double"})
    met, eta = (np.array(columns[x], np.float64) for x in ("met", "eta"))
    valid = ~np.isnan(eta)
    # numpy counts the last edge as part of the last bin
    eta_edges, met_edges = (np.array([-np.inf, *axis.edges, np.inf]) for axis in (ETA, MET))
    assert not np.isin(eta, [np.inf]).any()
    counts = np.histogram(eta[valid], eta_edges)[0]
    np.testing.assert_array_equal(whole["eta"].entries, counts)
    counts = np.histogram2d(met[valid], eta[valid], [met_edges, eta_edges])[0]
    np.testing.assert_array_equal(whole["met and eta"].entries, counts.ravel())
    assert whole["eta"].n_without_value == whole["met and eta"].n_without_value == sum(~valid)


def test_contents_and_errors_are_those_of_root(root: Any) -> None:
    chosen = events(weight="0.5 + rdfentry_ % 8")  # ROOT's sums of these have no rounding
    ours = found(chosen)["met"].rounded()
    model = root.RDF.TH1DModel("met", "", len(MET.edges) - 1, np.array(MET.edges))
    theirs = root.RDF.AsRNode(chosen.data_frame()).Histo1D(model, own("met"), "weight")
    bins = range(len(MET.edges) + 1)
    assert ours.sumw.tolist() == [theirs.GetBinContent(i) for i in bins]
    assert np.sqrt(ours.sumw2).tolist() == [theirs.GetBinError(i) for i in bins]
    assert ours.entries.sum() == theirs.GetEntries()


def test_values_at_an_edge_belong_to_the_bin_above() -> None:
    edges = tuple(round(0.1 * i, 1) for i in range(41))
    listed = ", ".join(map(repr, edges))
    quantities = histograms.quantities([one := Histogram("at", (Axis("at", edges),))])
    chosen = events(41, at=f"ROOT::RVecD{{{listed}}}[rdfentry_]", weight="1.")
    content = content_of(chosen, [one], quantities)
    assert content["at"].entries.tolist() == [0, *[1] * 41]


# --- Partitions -----------------------------------------------------------------------------------


def within(begin: int, end: int) -> Cut:
    """Of one program for any range: numbers that are compared are its arguments."""
    return Cut("range", f"rdfentry_ >= {begin} && rdfentry_ < {end}", "")


@pytest.mark.parametrize("cuts", [[1], [7, 7, 900], [*range(100, N_EVENTS, 317)]])
def test_any_partition_of_events_has_the_same_text(whole: Content, cuts: list[int]) -> None:
    ranges = zip([0, *cuts], [*cuts, N_EVENTS], strict=True)
    parts = [found(events().passing(within(a, b))) for a, b in ranges]
    for order in (parts, parts[::-1]):
        for name, one in whole.items():
            total = order[0][name]
            for part in order[1:]:
                total += part[name]
            assert total == one
            assert json.dumps(total.to_json()) == json.dumps(one.to_json())


_THREADS = """
import json
from cpp_helpers import load_root
from tests.analysis.rdf import test_histograms as tests
for threads in (1, 2, 3):
    if threads > 1:
        load_root().EnableImplicitMT(threads)
    found = tests.found(tests.events())
    print(json.dumps({name: one.to_json() for name, one in found.items()}))
    load_root().DisableImplicitMT()
"""


def test_any_number_of_threads_has_the_same_text(whole: Content) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _THREADS],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = json.dumps({name: one.to_json() for name, one in whole.items()})
    assert done.stdout.splitlines() == [expected] * 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_files_are_filled_by_all_threads(
    root: Any, write_events: Callable[..., Path], threads: int, file_format: str
) -> None:
    axes = (Axis("jet_pt", (0.0, 50.0, 500.0, 2000.0)), Axis("jet_eta", (-2.0, 0.0, 2.0)))
    histogram = Histogram("jets", axes)
    quantities = histograms.quantities([histogram])
    paths = [str(write_events(f"{i}.root", n, file_format)) for i, n in enumerate((300, 1, 700))]
    with implicit_mt(threads):
        chosen = EventLoop(TREE, paths, 100, 900).events()
        for name in ("jet_pt", "jet_eta"):
            chosen = chosen.source(name, name, name, RVEC_FLOAT)
        chosen = chosen.source("weight", "weight", "weight", "double")
        content = content_of(chosen, [histogram], quantities)["jets"].rounded()
    pt = np.concatenate([300 + 10 * np.arange(100, 300), [300], 300 + 10 * np.arange(599)])
    hard, soft = sum(pt < 500), 800
    expected = np.zeros((5, 4))
    expected[1, 1], expected[2, 2] = soft, hard
    expected[3, 2], expected[4, 2] = sum((pt >= 500) & (pt < 2000)), sum(pt >= 2000)
    np.testing.assert_array_equal(content.sumw.reshape(5, 4), expected)


# --- Graphs ---------------------------------------------------------------------------------------


def test_regions_share_one_loop(
    whole: Content, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = histograms.define_values(events(), QUANTITIES)
    cuts = [Cut("none", "true", ""), Cut("n", "n == 2", ""), Cut("met", "met >= 20", "")]
    some = [ALL, ALL[3:6], ALL[:1]]
    regions = [booked(chosen.passing(c), one) for c, one in zip(cuts, some, strict=True)]
    opened = watched([chosen.loop], monkeypatch)
    chosen.loop.run()
    all_of_them, second, third = (get() for get in regions)
    assert all_of_them == whole
    assert second == {
        one.name: by_fractions(one, [row for row in rows if row["n"] == 2]) for one in ALL[3:6]
    }
    assert third == {"met": by_fractions(ALL[0], [row for row in rows if row["met"] >= 20])}
    assert n_runs(opened) == [1]


def test_histograms_of_equal_axes_are_found_once() -> None:
    assert QUANTITIES.expressions == ("met", "n", "eta", "pt", "tag != 0")
    assert QUANTITIES.names == ("met", "n", "eta", "pt", "pt and tag")
    assert len(QUANTITIES.bins) == len(ALL) - 1
    assert QUANTITIES
    assert not histograms.quantities([])


def test_a_data_frame_without_events_has_empty_histograms() -> None:
    empty = found(events(0))
    assert {one.name for one in ALL} == empty.keys()
    for one in empty.values():
        assert not one.entries.any()
        assert one.sumw == one.sumw2 == ExactSums(np.empty((len(one.entries), 0), np.int64))
        assert not one.rounded().sumw.any()


@pytest.mark.parametrize("bad", ["NAN", "INFINITY", "-INFINITY", "1e200"])
def test_weights_that_cannot_be_summed_are_an_error(bad: str) -> None:
    with pytest.raises(InputError, match=r"^column 'weight': not finite, .* \(events: 3\)$"):
        found(events(20, weight=f"rdfentry_ % 8 == 3 ? {bad} : 1."))


def test_vectors_of_different_lengths_are_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="histogram 5") as caught:
        found(events(20, tag="ROOT::RVecI(rdfentry_ == 10 ? 7 : rdfentry_ % 4)"))
    assert cause_of(caught.value) == (
        "histogram 5: an event has 2 values of the first quantity and 7 of the second"
    )
    capfd.readouterr()  # ROOT's own message


def found_of(chosen: Sequence[Histogram]) -> Content:
    return content_of(events(), chosen, histograms.quantities(chosen))


def test_an_expression_that_does_not_compile_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    wrong = Histogram("wrong", (MET, Axis("met + nonsense", (0.0, 1.0))))
    with pytest.raises(
        ConfigError, match=r"^'wrong': 'met \+ nonsense' does not compile: .*'nonsense'"
    ):
        found_of([*ALL, wrong])
    for expression in (
        'std::string("a")',
        '"a"',
        "std::vector<std::string>{}",
        "ROOT::RVec<ROOT::RVecF>{}",
    ):
        text = Histogram("text", (Axis(expression, (0.0, 1.0)),))
        with pytest.raises(ConfigError, match=r"^'text': .* must be a number or a vector of num"):
            found_of([*ALL, text])
    capfd.readouterr()


# --- Exact sums -----------------------------------------------------------------------------------

FINITE = st.floats(allow_nan=False, allow_infinity=False)
BINS = st.lists(st.lists(FINITE, max_size=4), min_size=3, max_size=3)


def total(bins: Sequence[Sequence[float]]) -> list[Fraction]:
    return [sum(map(Fraction, bin_), Fraction(0)) for bin_ in bins]


@settings(max_examples=150, deadline=None)
@given(bins=BINS, others=BINS)
@example(bins=[[], [], []], others=[[], [-1.0], [5e-324]])
@example(bins=[[1.7e308] * 4] * 3, others=[[-1.7e308] * 4] * 3)
@example(bins=[[2.0**31], [-(2.0**31)], [2.0**32]], others=[[2.0**31], [-(2.0**31)], [-1.0]])
@example(bins=[[-5e-324], [-(2.0**-1043)], []], others=[[], [], []])
def test_sums_add_as_fractions(bins: list[list[float]], others: list[list[float]]) -> None:
    one, other = exact(total(bins)), exact(total(others))
    both = exact(total([a + b for a, b in zip(bins, others, strict=True)]))
    for made in (one + other, other + one):
        assert made == both
        assert made.to_json() == both.to_json()
    assert ExactSums.from_json(json.loads(json.dumps(both.to_json())), 3) == both


@settings(max_examples=150, deadline=None)
@given(bins=BINS)
@example(bins=[[1e300, 1.0, -1e300], [5e-324] * 3, [2.2250738585072014e-308, -5e-324]])
@example(bins=[[1.0, 2.0**-53], [1.0, 2.0**-53, 2.0**-54], [1.0, 3 * 2.0**-53]])
def test_sums_are_rounded_once(bins: list[list[float]]) -> None:
    made = exact(total(bins))
    try:
        expected = [float(x) for x in total(bins)]
    except OverflowError:
        with pytest.raises(
            InputError, match="^column 'weight': a sum is beyond the largest double$"
        ):
            made.rounded()
    else:
        np.testing.assert_array_equal(made.rounded(), expected)


@settings(max_examples=100, deadline=None)
@given(bins=BINS, entries=st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3))
def test_json_gives_the_histogram_back(bins: list[list[float]], entries: list[int]) -> None:
    sums = exact(total(bins))
    one = ExactHistogram(np.array(entries, np.uint64), sums, sums + sums, 7)
    again = ExactHistogram.from_json(json.loads(json.dumps(one.to_json())))
    assert again == one
    assert again.to_json() == one.to_json()


def test_histograms_that_differ_are_not_equal(whole: Content) -> None:
    one, other = whole["met"], found(events(N_EVENTS - 1))["met"]
    assert one != other
    assert one.sumw != one.sumw2
    assert one.to_json() != other.to_json()


def test_histograms_of_different_bins_do_not_add(whole: Content) -> None:
    with pytest.raises(ValueError, match="5 bins and 3 bins"):
        exact([Fraction(0)] * 5) + exact([Fraction(0)] * 3)


# --- boost-histogram ------------------------------------------------------------------------------


@pytest.mark.parametrize("histogram", ALL, ids=lambda one: one.name)
def test_boost_histograms_have_the_same_content(whole: Content, histogram: Histogram) -> None:
    rounded = whole[histogram.name].rounded()
    made = histograms.to_boost(rounded, histogram.axes)
    assert isinstance(made.storage, bh.storage.Weight)
    assert [axis.edges.tolist() for axis in made.axes] == [[*a.edges] for a in histogram.axes]
    back = made.view(flow=True)
    np.testing.assert_array_equal(back["value"].ravel(), rounded.sumw)
    np.testing.assert_array_equal(back["variance"].ravel(), rounded.sumw2)


def test_boost_histograms_are_filled_alike() -> None:
    chosen = events(weight="0.5 + rdfentry_ % 8")
    ours = histograms.to_boost(found(chosen)["met and eta"].rounded(), (MET, ETA))
    theirs = bh.Histogram(*ours.axes, storage=bh.storage.Weight())
    listed = taken(chosen, {name: TYPES[name] for name in ("met", "eta", "weight")})
    columns = {name: np.array(values) for name, values in listed.items()}
    valid = ~np.isnan(columns["eta"])  # boost-histogram counts NaN as overflow
    met, eta, weight = (columns[x][valid] for x in ("met", "eta", "weight"))
    theirs.fill(met, eta, weight=weight)
    assert ours == theirs


def rounded_of(values: npt.NDArray[np.float64]) -> RoundedHistogram:
    return RoundedHistogram(values.astype(np.uint64), values, values, 0)


def test_bins_and_axes_must_agree() -> None:
    with pytest.raises(ValueError, match="reshape"):
        histograms.to_boost(rounded_of(np.zeros(4)), (MET,))
