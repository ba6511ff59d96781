"""Event loops: lazy columns, one loop for all results, the same ones whoever compiles them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.event_loop.events import Booked, EventLoop, Events
from analysis.formats.columns import RVEC_FLOAT
from analysis.rdf import yields
from analysis.rdf.yields import ExactYield
from cpp_helpers import calls
from selections.cuts import Cut, Definition
from tests.conftest import WriteEvents
from tests.cpp_helpers.bridge import implicit_mt
from tests.frames import n_runs, numbered, taken, watched

EDGES = [10.0, 20.0, 50.0]
COLUMNS = {
    "met": "float(rdfentry_ * 31 % 67)",
    "weight": "std::ldexp(std::sin(1. + rdfentry_), int(rdfentry_ * 7919 % 101) - 50)",
}


@pytest.fixture(params=["library", "jit"])
def compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who compiles expressions: the compiler of this machine or ROOT."""
    monkeypatch.setenv("MONOJET_HELPERS", request.param)
    name: str = request.param
    return name


def booked(events: Events, edges: list[float] = EDGES) -> Booked:
    return yields.book(events, "met", "weight", edges)


def total(one: Booked) -> ExactYield:
    return sum(yields.read_out(one), ExactYield())


COUNTER = "return [] { static double n = 0; return ++n; }();"


@pytest.mark.usefixtures("compiler")
def test_a_column_is_computed_once_an_event_and_only_where_it_is_used() -> None:
    events = numbered(10, {"met": "float(rdfentry_)", "counted": COUNTER})
    events = events.define([Definition("weight", "counted + 0 * counted")])
    few = events.passing(Cut("few", "met >= 7", ""))
    all_of_few, again = booked(few), booked(few.passing(Cut("nine", "met > 8", "")))
    events.loop.run()
    assert total(all_of_few) == ExactYield(3, 1 + 2 + 3, 1 + 4 + 9)  # type: ignore[arg-type]
    assert total(again) == ExactYield(1, 3, 9)  # type: ignore[arg-type]


@pytest.mark.usefixtures("compiler")
def test_one_loop_fills_all_results(monkeypatch: pytest.MonkeyPatch) -> None:
    events = numbered(100, COLUMNS)
    (opened,) = watched([events.loop], monkeypatch)
    results = [booked(events), booked(events.passing(Cut("cut", "met > 30", "")), [])]
    for one in results:
        with pytest.raises(RuntimeError, match="the event loop has not run"):
            one.result.array("entries")
    events.loop.run()
    assert [total(one).entries for one in results] == [
        100,
        sum(n * 31 % 67 > 30 for n in range(100)),
    ]
    assert n_runs([opened]) == [1]


def test_cuts_of_equal_expressions_are_one_column() -> None:
    events = numbered(10, COLUMNS)
    first, second = (events.passing(Cut(name, "met > 30", "")) for name in ("a", "b"))
    assert first.cuts == second.cuts
    other = events.define([Definition("met", "met / 2")]).passing(Cut("c", "met > 30", ""))
    assert other.cuts != first.cuts


@pytest.mark.usefixtures("compiler")
def test_a_column_may_replace_another() -> None:
    events = numbered(3, {"x": "double(rdfentry_)", "y": "x + 1"})
    events = events.define([Definition("x", "10 * x"), Definition("z", "x + y")])
    assert taken(events, {"x": "double", "y": "double", "z": "double"}) == {
        "x": [0, 10, 20], "y": [1, 2, 3], "z": [1, 12, 23],
    }  # fmt: skip


@pytest.mark.usefixtures("compiler")
def test_constants_have_their_types() -> None:
    kinds = {"bool": 1, "int": -3, "float": 0.1, "double": 0.1, "unsigned long long": 2**64 - 1}
    events = numbered(1)
    for i, (kind, value) in enumerate(kinds.items()):
        events = events.number(f"n_{i}", kind, value)
    found = taken(events, {f"n_{i}": kind for i, kind in enumerate(kinds)})
    assert [one for (one,) in found.values()] == [True, -3, np.float32(0.1), 0.1, 2**64 - 1]


@pytest.mark.usefixtures("compiler")
def test_words_in_texts_are_no_columns() -> None:
    events = numbered(2, {"met": "float(rdfentry_)", "x": 'std::string("met").size() + met'})
    events = events.define([Definition("same", r'std::string("met\n\"") == "m" "et\n\""')])
    assert taken(events, {"x": "float", "same": "bool"}) == {"x": [3, 4], "same": [True, True]}


@pytest.mark.usefixtures("compiler")
def test_names_with_dots_and_colons(tmp_path: Path, root: Any) -> None:
    path = tmp_path / "t.root"
    with root.TFile(str(path), "RECREATE"):
        tree = root.TTree("t", "")
        value = np.zeros(1, np.float32)
        for name in ("Jet.PT", "Aux:pt"):
            tree.Branch(name, value, f"{name.replace('.', '_').replace(':', '_')}/F")
        for i in range(3):
            value[0] = i
            tree.Fill()
        tree.Write()
    events = EventLoop("t", [str(path)], 0, 3).events()
    for name in ("Jet.PT", "Aux:pt"):
        events = events.source(name, name.replace(".", "_").replace(":", "_"), name, "float")
    events = events.define([Definition("both", "Jet.PT + 2 * Aux:pt")])
    # Names with dots and colons are no names of columns that a data frame may have.
    names = {name: column for name, column in events.names.items() if name.isidentifier()}
    events = replace(events, names=names)
    assert taken(events, {"both": "float"})["both"] == [0, 3, 6]


@pytest.mark.usefixtures("compiler")
def test_no_events_have_empty_results() -> None:
    events = numbered(0, {**COLUMNS, "v": "no_such_function(met)"})
    one = booked(events.passing(Cut("cut", "met > 30", "")))
    events.loop.run()
    assert yields.read_out(one) == [ExactYield()] * 4
    assert events.data_frame().Count().GetValue() == 0


def test_loops_of_different_files_are_independent(write_events: WriteEvents) -> None:
    found = []
    loops = []
    for n, file_format in ((5, "rntuple"), (3, "ttree")):
        path = write_events(f"{n}.root", n, file_format)
        events = EventLoop("events", [str(path)], 0, n).events()
        events = events.source("weight", "weight", "weight", "double")
        events = events.source("pt", "pt", "jet_pt", RVEC_FLOAT)
        events = events.define([Definition("met", "pt[0]")])
        found.append(booked(events, []))
        loops.append(events.loop)
    for loop in loops:
        loop.run()
    assert [yields.read_out(one)[0].entries for one in found] == [5, 3]


@pytest.fixture(scope="module")
def whole() -> list[ExactYield]:
    return _yields()


def _yields() -> list[ExactYield]:
    events = numbered(2000, COLUMNS).passing(Cut("cut", "met > 3.5", ""))
    one = booked(events)
    events.loop.run()
    return yields.read_out(one)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("compiler")
def test_results_are_the_same_with_any_compiler_and_threads(
    whole: list[ExactYield], threads: int
) -> None:
    with implicit_mt(threads):
        assert _yields() == whole


@pytest.mark.usefixtures("compiler")
def test_an_error_of_the_loop_is_raised_and_the_next_loop_runs() -> None:
    thrown = 'if (rdfentry_ == 7) throw std::runtime_error("no such event"); return 1.f;'
    events = numbered(10, {**COLUMNS, "met": thrown})
    booked(events)
    with pytest.raises(calls.CppError, match="no such event"):
        events.loop.run()
    assert sum(_yields(), ExactYield()).entries > 0
