"""Events of a data set: nodes of one graph, whose columns, cuts and results are booked, then run.

The graph is compiled once to a library (`analysis.event_loop.program`); without a compiler, ROOT
compiles its expressions in each process. Either way RDataFrame runs the loop::

    loop = EventLoop(tree, files, begin, end)
    events = loop.events().define([Definition("ht", "Sum(jet_pt)")])
    booked = events.passing(Cut("hard", "ht > 500", "")).book(action, {"ht": "float"})
    loop.run()
    booked.result
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.event_loop.columns import (
    Columns,
    Computed,
    Number,
    Source,
    as_body,
    gathered,
    of_the_language,
    refused,
)
from analysis.event_loop.program import Exported, Program, compiled
from analysis.formats.columns import CANONICAL, own, renamed, words
from common.runtime.errors import MonojetError
from cpp_helpers import calls, declare, declare_for, load_root
from cpp_helpers.calls import Handle
from cpp_helpers.errors import Diagnostics, diagnostics
from selections.cuts import Cut, Definition

OF_EVERY_FRAME = {"rdfentry_": "unsigned long long", "rdfslot_": "unsigned int"}
"""The columns of every data frame, with their C++ types."""

Action = Callable[[Handle], Handle]
"""Books a result on a node of RDataFrame."""


@dataclass
class Booked:
    """A result that the event loop fills, from columns of the node that the action is given."""

    events: Events
    action: Action
    columns: tuple[Exported, ...]
    _result: Handle | None = None

    @property
    def result(self) -> Handle:
        """Return the C++ object; it is filled once the loop has run."""
        if self._result is None:
            raise RuntimeError("the event loop has not run")
        return self._result


class EventLoop:
    """A graph over entries [begin, end) of a tree or ntuple in some files, one after another, or of
    no file: then its events have no columns but those that are defined."""

    def __init__(self, tree: str, files: Sequence[str], begin: int, end: int) -> None:
        self.tree, self.files, self.begin, self.end = tree, list(files), begin, end
        self.columns = Columns()
        self._booked: list[Booked] = []
        self._extensions: list[Booked] = []

    @property
    def is_empty(self) -> bool:
        """Return whether it has no events."""
        return self.begin >= self.end

    def events(self) -> Events:
        """Return all of its events, with the columns of every data frame only."""
        found = {name: Source(name, kind) for name, kind in OF_EVERY_FRAME.items()}
        return Events(self, {name: self.columns.add(name, one) for name, one in found.items()})

    def book(self, booked: Booked) -> Booked:
        """Keep a result to be filled."""
        self._booked.append(booked)
        return booked

    def extend(self, events: Events, action: Action, columns: Mapping[str, str]) -> None:
        """Extend the first node of RDataFrame by an action that returns another, which uses some
        columns as in `Events.book`."""
        self._extensions.append(Booked(events, action, events.exported(columns)))

    def compile(self) -> None:
        """Compile the columns of all booked results, for later processes; run nothing.

        Raises:
            MonojetError: an expression does not compile.
        """
        exported, _ = self._exported([*self._booked, *self._extensions])
        if not self.is_empty:
            compiled(self.columns, exported)

    def run(self) -> None:
        """Run the loop and fill all booked results.

        Raises:
            MonojetError: an expression does not compile.
            CppError: the loop fails.
        """
        for _ in self.run_in_parts([(self.begin, self.end)]):
            pass

    def run_in_parts(self, ranges: Iterable[tuple[int, int]]) -> Iterator[None]:
        """Run the loop over some ranges of its entries, one after another, with the file kept open.
        All results are filled anew by each of them, then it yields.

        Raises:
            MonojetError: an expression does not compile.
            CppError: the loop fails.
        """
        # Released with the results: an open file of a snapshot ends with its graph.
        booked, self._booked = self._booked, []
        extensions, self._extensions = self._extensions, []
        graph = self.graph(*self._exported([*booked, *extensions]))
        for extension in extensions:
            graph.extend(extension.action)
        read = [one.type for one in self.columns.nodes.values() if isinstance(one, Source)]
        no_classes = graph.compiled and all(map(of_the_language, read))
        for begin, end in ranges:
            if (begin, end) != (self.begin, self.end):
                calls.call("set_range", graph.node(()), begin, end)
            for one in booked:
                one._result = one.action(graph.node(one.events.cuts))
            calls.call("run", [one.result for one in booked], no_classes)
            yield

    @staticmethod
    def _exported(booked: Iterable[Booked]) -> tuple[list[Exported], list[str]]:
        """Return the columns that results use, with those of their cuts, and the latter."""
        names: dict[str, Exported] = {}
        for export in (export for one in booked for export in one.columns):
            known = names.setdefault(export.name, export)
            if known.column != export.column:
                raise ValueError(f"two results use different columns '{export.name}'")
            names[export.name] = export if export.type else known
        cuts = list(dict.fromkeys(cut for one in booked for cut in one.events.cuts))
        return [*names.values(), *(Exported(cut, cut, "bool") for cut in cuts)], cuts

    def _opened(self) -> Handle:
        if not self.files:
            return calls.make("numbered_events", self.end - self.begin)
        with calls.quiet():  # ROOT warns of types without a dictionary, which nothing reads
            return calls.make("open_range", self.tree, self.files, self.begin, self.end)

    def graph(self, exported: Sequence[Exported], cuts: Sequence[str]) -> _Graph:
        """Return the nodes of RDataFrame, with some columns, among them those of all cuts."""
        if self.is_empty:
            return _without_events(self.columns, [one for one in exported if one.name not in cuts])
        if calls.text("has_program_columns") == "yes":
            found = compiled(self.columns, exported)
            if found is not None:
                path, program = found
                node = self._opened_with(calls.make("load_program", path), program)
                return _Graph(node, compiled=True)
        return _interpreted(self.columns, exported, self._opened())

    def _opened_with(self, loaded: Handle, program: Program) -> Handle:
        """Return the events with the columns of a program only."""
        if not self.files:
            return calls.make("with_columns", self._opened(), loaded, program.numbers)
        place = (self.tree, self.files, self.begin, self.end)
        with calls.quiet():
            return calls.make("open_program", loaded, program.numbers, *place)


@dataclass(frozen=True)
class Events:
    """The events of a graph that pass some cuts, with the columns that expressions can use there.

    Attributes:
        names: the words of expressions that are columns, and their names in the graph.
        cuts: names of the columns of all cuts, in order.
    """

    loop: EventLoop
    names: Mapping[str, str]
    cuts: tuple[str, ...] = ()

    def source(self, word: str, name: str, column: str, kind: str) -> Events:
        """Return the events with a column of the file, of a C++ type; ``name`` is that in the
        graph."""
        return self._with(word, name, Source(column, kind))

    def number(self, name: str, kind: str, value: float) -> Events:
        """Return the events with a constant of a C++ type."""
        return self._with(name, own(name), Number(kind, value))

    def define(
        self, definitions: Iterable[Definition], keys: Mapping[str, str] | None = None
    ) -> Events:
        """Return the events with further columns. ``keys`` are those of the configuration that
        define them, for messages."""
        events = self
        for one in definitions:
            key = (keys or {}).get(one.name, one.name)
            column = Computed(
                one.expression,
                events.words_in(one.expression),
                refused(key, one.expression),
                configured=True,
            )
            events = events._with(one.name, own(one.name), column)
        return events

    def define_column(self, name: str, column: Computed) -> Events:
        """Return the events with a further column."""
        return self._with(name, own(name), column)

    def passing(self, cut: Cut, key: str = "") -> Events:
        """Return the events that pass a cut; ``key`` is that of the configuration, for messages."""
        column = Computed(
            cut.expression,
            self.words_in(cut.expression),
            refused(key or cut.name, cut.expression),
            configured=True,
            cut=True,
        )
        for known in self.cuts_known():
            other = self.loop.columns.nodes[known]
            if isinstance(other, Computed) and (other.expression, other.words) == (
                column.expression,
                column.words,
            ):
                return replace(self, cuts=(*self.cuts, known))
        name = self.loop.columns.add("monojet_passes", column)
        return replace(self, cuts=(*self.cuts, name))

    def cuts_known(self) -> list[str]:
        """Return the columns of all cuts of the graph."""
        nodes = self.loop.columns.nodes.items()
        return [name for name, node in nodes if isinstance(node, Computed) and node.cut]

    def book(self, action: Action, columns: Mapping[str, str]) -> Booked:
        """Book a result of an action, which uses some columns of these C++ types.

        In the node that the action is given they are named by `analysis.formats.columns.own`.
        """
        return self.loop.book(Booked(self, action, self.exported(columns)))

    def book_columns(self, action: Action, columns: Mapping[str, str]) -> Booked:
        """Book a result of an action that uses columns of any type. These come with their names in
        the node that the action is given."""
        exported = tuple(Exported(name, self.names[word], "") for name, word in columns.items())
        return self.loop.book(Booked(self, action, exported))

    def exported(self, columns: Mapping[str, str]) -> tuple[Exported, ...]:
        """Return columns, given by their names in expressions with their C++ types, as actions
        use them."""
        return tuple(Exported(own(w), self.names[w], kind) for w, kind in columns.items())

    def types(self, words: Iterable[str]) -> dict[str, str]:
        """Return the C++ types of columns, as ROOT spells them; without events, those of canonical
        columns, and ``double`` of others.

        Raises:
            MonojetError: an expression does not compile.
        """
        words = list(dict.fromkeys(words))
        if self.loop.is_empty:
            return {word: CANONICAL.get(word, "double") for word in words}
        exported = self.exported(dict.fromkeys(words, ""))
        node = self.loop.graph(exported, ()).node(())
        return {word: calls.text("column_type", node, own(word)) for word in words}

    def data_frame(self) -> Any:
        """Return a data frame of PyROOT with these events and all columns, named by
        `analysis.formats.columns.own`, for further steps of RDataFrame's own.

        Raises:
            MonojetError: an expression does not compile.
        """
        exported = [
            Exported(own(name), column, "")
            for name, column in self.names.items()
            if name not in OF_EVERY_FRAME
        ]
        exported += [Exported(cut, cut, "bool") for cut in dict.fromkeys(self.cuts)]
        root = load_root()
        declare()  # before the graph is made, which asks ROOT for the names of our types
        node = self.loop.graph(exported, self.cuts).node(self.cuts)
        address = int(calls.text("data_frame_address", node))
        return root.RDF.AsRNode(root.BindObject(address, "ROOT::RDF::RNode"))

    def words_in(self, expression: str) -> dict[str, str]:
        """Return the names in an expression that are columns, and their names in the graph."""
        found = dict.fromkeys(word.text for word in words(expression, self.names))
        return {word: self.names[word] for word in found if word in self.names}

    def _with(self, word: str, name: str, node: Source | Number | Computed) -> Events:
        return replace(self, names={**self.names, word: self.loop.columns.add(name, node)})


class _Graph:
    """The nodes of RDataFrame, one for each sequence of cuts; ``compiled`` if ROOT compiles
    nothing."""

    def __init__(
        self,
        first: Handle,
        cut: Callable[[Handle, str], Handle] | None = None,
        compiled: bool = False,
    ) -> None:
        self.compiled = compiled
        self._nodes: dict[tuple[str, ...], Handle] = {(): first}
        self._cut = cut or (lambda node, name: calls.make("passing", node, name))

    def extend(self, action: Action) -> None:
        """Replace the first node."""
        self._nodes = {(): action(self.node(()))}

    def node(self, cuts: tuple[str, ...]) -> Handle:
        """Return the node of the events that pass some cuts."""
        if cuts not in self._nodes:
            self._nodes[cuts] = self._cut(self.node(cuts[:-1]), cuts[-1])
        return self._nodes[cuts]


def _without_events(columns: Columns, exported: Iterable[Exported]) -> _Graph:
    node = calls.make("no_events")
    for one in exported:
        made = columns.nodes[one.column]
        known = made.type if isinstance(made, Source | Number) else ""
        kind = one.type or known or CANONICAL.get(one.name, "double")
        node = calls.make("with_empty_column", node, one.name, kind)
    return _Graph(node, lambda node, _: node)


def _interpreted(columns: Columns, exported: Sequence[Exported], node: Handle) -> _Graph:
    """Return the graph with expressions that ROOT compiles."""
    declare_for(one.expression for one in columns.nodes.values() if isinstance(one, Computed))
    names: dict[str, str] = {}
    for name in columns.used_by(one.column for one in exported):
        one = columns.nodes[name]
        if isinstance(one, Source):
            names[name] = one.column
            if not one.column.isidentifier():
                names[name] = f"monojet_of_file_{len(names)}"
                node = calls.make("alias", node, names[name], one.column)
        elif isinstance(one, Number):
            names[name] = f"monojet_number_{len(names)}"
            node = calls.make("define_per_sample", node, names[name], one.text)
        elif not one.cut:
            names[name] = f"monojet_column_{len(names)}"
            node = _defined(node, names[name], one, names)
    for export in exported:
        # A column of the file keeps its name: a definition of it may be of another type, ``long``.
        if names.get(export.column, export.name) != export.name:
            node = calls.make("define", node, export.name, names[export.column])

    def cut(before: Handle, name: str) -> Handle:
        one = columns.nodes[name]
        assert isinstance(one, Computed)
        with _errors_of(one):
            return calls.make("apply_cut", before, _expression(one, names), name)

    return _Graph(node, cut)


def _defined(node: Handle, name: str, column: Computed, names: Mapping[str, str]) -> Handle:
    try:
        with _errors_of(column):
            node = calls.make("define", node, name, _expression(column, names))
    except MonojetError:
        for n, part in enumerate(column.parts):
            one = replace(column, expression=gathered([part.expression]), refused=part.refused)
            _defined(node, f"{name}_{n}", replace(one, parts=()), names)
        raise
    if column.same_length_as is None:
        return node
    first, *of_columns = column.same_length_as
    length = f'monojet::of_length({name}, {names[first]}, "{of_columns[0]}", "{of_columns[1]}")'
    return calls.make("define", node, name, _with_safe_texts(length))


def _expression(column: Computed, names: Mapping[str, str]) -> str:
    text = renamed(column.expression, {word: names[name] for word, name in column.words.items()})
    # ROOT takes an expression with a "return" inside for a body with one
    return _with_safe_texts(as_body(text) if re.search(r"\breturn\b", text) else text)


def _with_safe_texts(expression: str) -> str:
    """Return an expression whose texts have octal numbers for letters: ROOT takes words in texts
    for columns, too."""

    def safe(text: re.Match[str]) -> str:
        return re.sub(
            r"\\.|([A-Za-z_])", lambda one: f"\\{ord(one[1]):03o}" if one[1] else one[0], text[0]
        )

    return re.sub(r'(?<!\w)"(?:[^"\\]|\\.)*"', safe, expression)


@contextlib.contextmanager
def _errors_of(column: Computed) -> Iterator[None]:
    """Turn an error of ROOT's compiler into that of a column."""
    messages = Diagnostics()
    try:
        with diagnostics(messages):
            yield
    except MonojetError:
        raise
    except Exception as error:
        cause = messages.first_error() or (
            "its type does not fit: a cut is true or false (of vectors Any(...) or All(...)), a "
            "quantity a number or a vector of numbers"
        )
        raise column.refused(cause) from error
