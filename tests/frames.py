"""Events and data frames of PyROOT for tests: from files, from nothing, and from data frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from analysis.event_loop.events import EventLoop, Events
from analysis.formats.columns import PREFIX, own, renamed
from analysis.inputs import reader
from cpp_helpers import calls, declare, load_root
from selections.cuts import Cut, Definition


def open_frame(file: reader.File, begin: int, end: int) -> Any:
    """Return entries [begin, end) of a file, with its columns."""
    return reader.open_events(file, begin, end).data_frame()


def numbered(n_events: int, columns: Mapping[str, str] | None = None) -> Events:
    """Return events without a file, with columns of given expressions."""
    events = EventLoop("", [], 0, n_events).events()
    return events.define(Definition(*column) for column in (columns or {}).items())


def define(df: Any, definitions: Iterable[Definition]) -> Any:
    """Return the data frame with the defined columns, named by `analysis.formats.columns.own`,
    which ROOT compiles."""
    names = _names_of(df)
    for one in definitions:
        name = own(one.name)
        df = declare().define(df, name, renamed(one.expression, names))
        names[one.name] = name
    return df


def apply_cut(df: Any, cut: Cut) -> Any:
    """Return the events that pass a cut, which ROOT compiles."""
    return declare().apply_cut(df, renamed(cut.expression, _names_of(df)), cut.name)


def _names_of(df: Any) -> dict[str, str]:
    """Return the names of our columns in a data frame, by their names in expressions."""
    defined = map(str, df.GetDefinedColumnNames())
    return {name.removeprefix(PREFIX): name for name in defined if name.startswith(PREFIX)}


def taken(events: Events, kinds: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return columns of the events, of given C++ types, in one event loop."""
    df = load_root().RDF.AsRNode(events.data_frame())
    handles = {name: df.Take[kind](own(name)) for name, kind in kinds.items()}
    return {
        name: [list(x) if "RVec" in kinds[name] else x for x in handle.GetValue()]
        for name, handle in handles.items()
    }


class Opened:
    """An event loop that a stage has opened, and the graphs that it made."""

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self.nodes: list[calls.Handle] = []

    @property
    def n_runs(self) -> int:
        """How often its events were read."""
        return sum(int(calls.text("n_runs", node)) for node in self.nodes)


def watched(loops: Iterable[EventLoop], monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """Return the event loops such that the graphs that they make from now on are known."""
    opened = [Opened(loop) for loop in loops]
    watch(opened, monkeypatch)
    return opened


def watch(opened: list[Opened], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the graphs that event loops make, also of those that are added later."""
    graph = EventLoop.graph

    def kept(loop: EventLoop, *arguments: Any) -> Any:
        made = graph(loop, *arguments)
        for one in opened:
            if one.loop is loop:
                one.nodes.append(made.node(()))
        return made

    monkeypatch.setattr(EventLoop, "graph", kept)


def n_runs(opened: Sequence[Opened]) -> list[int]:
    """Return how often the events of each loop were read."""
    return [one.n_runs for one in opened]
