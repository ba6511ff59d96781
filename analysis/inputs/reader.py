"""Files of events of any format: recognised, checked, and opened with the canonical columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from analysis.event_loop.columns import (
    Computed,
    Number,
    Source,
    as_body,
    has_statements,
    refused,
)
from analysis.event_loop.events import EventLoop, Events
from analysis.formats import extended
from analysis.formats.columns import (
    CANONICAL,
    PREFIX,
    columns_in,
    converts,
    names_in,
    own,
    plain_type,
)
from analysis.formats.custom import custom
from analysis.formats.extended import Plan, Step, Stock, Use
from analysis.formats.format import IS_DATA, Column, Format, Layout
from analysis.formats.registry import FORMATS
from analysis.inputs import bookkeeping, root_file
from analysis.inputs.cross_sections import cross_section_of
from analysis.inputs.root_file import RootFile
from analysis.inputs.sample_info import SampleInfo
from common.runtime.errors import InputError
from cpp_helpers import calls
from cpp_helpers.errors import forget_errors
from cpp_helpers.names import is_known


@dataclass(frozen=True)
class File:
    """A checked input file.

    ``stored`` maps the sources that the file has to their names in it. ``converted`` are sources
    with another numeric type than expressions take, with the type to convert to; ``mistyped`` those
    that cannot be converted, with the reason. ``data`` marks collision data.

    ``extra`` are the columns that the configuration adds or overrides, and ``branches`` those of
    the file that it uses by their own names, with their types. ``absent`` are extra columns that
    use a name which the file lacks, with the reason.
    """

    path: str
    format: Format
    tree: str
    stored: Mapping[str, str]
    cluster_ends: tuple[int, ...]
    info: SampleInfo | None
    data: bool
    converted: Mapping[str, str] = field(default_factory=dict)
    mistyped: Mapping[str, str] = field(default_factory=dict)
    extra: extended.Extra = ()
    branches: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    """Types of the columns that are read, as ROOT spells them, by their names in the file."""

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return self.cluster_ends[-1] if self.cluster_ends else 0

    @property
    def unit_weight_sources(self) -> frozenset[str]:
        """Return the weight factors that collision data lack, which are set to 1."""
        return self.format.mc_only - self.stored.keys() if self.data else frozenset()

    @property
    def available(self) -> frozenset[str]:
        """Return the sources that expressions can use."""
        return self.unit_weight_sources | self.stored.keys()

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Return the canonical and extra columns of the file, and those they are made from, in
        order."""
        final = [step for step in self.plan.steps if step.final]
        made = {step.name: step.column for step in final if not step.extra}
        made |= {step.name: step.column for step in final if step.extra}
        return {name: column for name, column in made.items() if name not in self.unreadable}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Return the mistyped sources, and the columns that cannot be made for want of one or of a
        column of the file, with the reason."""
        return self.plan.unavailable

    @cached_property
    def plan(self) -> Plan:
        """Return how the columns are made."""
        stock = Stock(
            self.format, self.stored, self.available, self.mistyped, self.branches, self.absent
        )
        return extended.made_in_order(stock, self.extra)


@dataclass(frozen=True)
class Needs:
    """The columns that something needs, and its name for messages.

    ``used_by`` names the keys of the configuration that use some of them, instead.
    """

    columns: frozenset[str]
    purpose: str
    used_by: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        purpose: str,
        expressions: Iterable[str],
        *columns: str,
        extra: Iterable[str] = (),
        used_by: Mapping[str, str] | None = None,
    ) -> Needs:
        """Return the columns that expressions use, canonical or among ``extra``, and further
        ones."""
        return cls(columns_in(expressions, extra) | {*columns}, purpose, used_by or {})


def require_columns(file: File, needs: Needs) -> None:
    """Stop if a file with events lacks columns that are needed.

    Raises:
        InputError: it names the first missing column, the file and the cause.
    """
    if not file.n_events:
        return
    missing = sorted(needs.columns - file.columns.keys())
    if not missing:
        return
    first, one = missing[0], file.format
    absent = one.missing_source(first, file.available)
    if first in file.unreadable:
        cause = file.unreadable[first]
    elif first not in CANONICAL:
        cause = f"neither 'columns' of the configuration nor the format '{one.name}' gives it"
    elif absent is None:
        cause = f"the format '{one.name}' cannot give it"
    else:
        column = one.possible_names(absent)[0]
        cause = f"the file lacks column '{column}' of the format '{one.name}'"
        if absent in one.mc_only:
            cause += ", which only collision data may lack: mark these with 'data: true' or --data"
    others = f" (nor {', '.join(missing[1:])})" if missing[1:] else ""
    user = needs.used_by.get(first, needs.purpose)
    raise InputError(f"{file.path}: no column '{first}', which {user} needs: {cause}{others}")


# --- Recognise and check a file ------------------------------------------------------------------


@dataclass(frozen=True)
class _Recognised:
    """The format of a file, its tree or ntuple, and the types of the columns of that."""

    format: Format
    tree: str
    types: Mapping[str, str]

    @cached_property
    def stored(self) -> dict[str, str]:
        """Return the sources that the file has, with their names in it."""
        names = {name: self.format.stored_name(name, self.types) for name in self.format.sources}
        return {name: column for name, column in names.items() if column is not None}

    @classmethod
    def of(cls, file: RootFile, tree: str, one: Format, layout: Layout) -> _Recognised:
        """Read the columns of a tree, with the types of those that a format or the configuration
        reads."""
        typed = {name for source in one.sources for name in one.possible_names(source)}
        further = extended.possible_branches(layout) - typed
        if further:
            try:
                return cls(one, tree, file.columns(tree, typed | further))
            except InputError:  # one of them is of a type that ROOT does not know
                pass
        return cls(one, tree, file.columns(tree, typed))


def inspect(path: str, layout: Layout = Layout(), data: bool = False) -> File:  # noqa: B008
    """Open a file, recognise its format unless ``layout`` gives it, and check what will be read.

    Raises:
        InputError: the file is missing, not a ROOT file, truncated, of no known format or not of
            the given one, or a branch was not filled for each of its events.
    """
    calls.call("opened", path)
    with calls.quiet(), root_file.damage_named(path), root_file.open_file(path) as opened:
        opened.refuse_old_ntuples(layout.tree)
        found = _recognise(opened, layout)
        used = extended.branches_of(layout, found.types)
        opened.require_filled(found.tree, [*found.stored.values(), *used])
        cluster_ends = opened.cluster_ends(found.tree)
        n_events = cluster_ends[-1] if cluster_ends else 0
        info = _info(opened, found, n_events, data)
        absent = extended.absent_of(layout, found.format, found.types, is_known)
    converted, mistyped = _of_other_types(found)
    file = File(
        path,
        found.format,
        found.tree,
        found.stored,
        cluster_ends,
        info,
        data,
        converted,
        mistyped,
        layout.extra,
        {name: plain_type(found.types[name]) for name in used},
        absent,
        {name: found.types[name] for name in (*found.stored.values(), *used)},
    )
    if layout.columns and n_events:
        _require_described(file, layout)
        _opened([file], 0, 0)  # compiles the expressions
    return file


def _require_described(file: File, layout: Layout) -> None:
    """Stop if a column described by the configuration uses one that is missing."""
    for name, expression in layout.columns:
        if name not in file.columns and name not in file.unreadable:
            known = file.columns.keys() | file.stored.keys()
            absent = min(names_in(expression) & CANONICAL.keys() - known, default=name)
            raise InputError(
                f"{file.path}: column '{name}' = '{expression}' cannot be made: '{file.tree}' has "
                f"no column '{absent}'"
            )


def _recognise(file: RootFile, layout: Layout) -> _Recognised:
    """Find the format of a file, its tree or ntuple, and the columns."""
    if layout.columns:
        tree = file.chosen_tree(layout.tree)
        found = custom(layout, file.columns(tree, ()))
        return _Recognised.of(file, tree, found, layout)
    keys = file.keys_in()
    formats = FORMATS if layout.format is None else {layout.format: FORMATS[layout.format]}
    problem = ""
    for one in formats.values():
        for tree in one.trees:
            if keys.get(tree) not in root_file.TREE_CLASSES:
                continue
            recognised = _Recognised.of(file, tree, one, layout)
            if not recognised.types and not file.cluster_ends(tree):
                return recognised  # without events, not even the columns were kept
            if former := sorted(one.former_columns.keys() & recognised.types.keys()):
                raise InputError(
                    f"{file.path}: column '{former[0]}' is now called "
                    f"'{one.former_columns[former[0]]}': an earlier version wrote this file: make "
                    "it again"
                )
            absent = sorted(one.markers - recognised.stored.keys())
            if not absent:
                return recognised
            problem = problem or (
                f"'{tree}' has no column '{one.possible_names(absent[0])[0]}', which identifies "
                f"the format '{one.name}'"
            )
    if not problem:
        names = dict.fromkeys(f"'{name}'" for one in formats.values() for name in one.trees)
        problem = f"no tree or ntuple {' or '.join(names)} ({file.content()})"
    raise InputError(
        f"{file.path}: {problem}: see docs/inputs.md for the known formats and how to describe "
        "another"
    )


def _of_other_types(found: _Recognised) -> tuple[dict[str, str], dict[str, str]]:
    """Return the sources to convert, with the type that expressions take, and those that cannot be
    converted, with the reason."""
    converted, mistyped = {}, {}
    for name, column in found.stored.items():
        wanted, kind = found.format.sources[name].types, plain_type(found.types[column])
        if not wanted or kind in wanted:
            continue
        fit = next((one for one in wanted if converts(kind, one)), None)
        if fit is not None:
            converted[name] = fit
        else:
            mistyped[name] = (
                f"column '{column}' is {found.types[column]}, not {' or '.join(wanted)} as in the "
                f"format '{found.format.name}'"
            )
    return converted, mistyped


def _info(file: RootFile, found: _Recognised, n_events: int, data: bool) -> SampleInfo | None:
    """Return what a file states about its sample; None if nothing, or for collision data."""
    one = found.format
    if one.info in file.keys_in():
        return SampleInfo.from_json(file.title(one.info))
    if data:
        return None
    info = SampleInfo("", "", n_events=n_events)
    if one.dataset is not None and one.dataset in found.stored and n_events:
        number = _dataset(file, found, found.stored[one.dataset])
        info = replace(info, dataset=str(number), cross_section=cross_section_of(number))
    if one.bookkeeping is not None and (sums := bookkeeping.read(file, one.bookkeeping)):
        info = replace(info, sum_of_weights=sums[0], sum_of_weights_squared=sums[1])
    if one.sum_of_weights is not None:
        cross_section, sum_of_weights = (
            file.first_value(found.tree, name) for name in (one.cross_section, one.sum_of_weights)
        )
        info = replace(
            info, cross_section=cross_section, sum_of_weights=sum_of_weights, shared=True
        )
    return None if info == SampleInfo("", "", n_events=n_events) else info


def _dataset(file: RootFile, found: _Recognised, column: str) -> int:
    """Return the number of the simulated dataset of the first event."""
    if plain_type(found.types[column]) not in ("int", "unsigned int"):
        raise InputError(f"{file.path}: column '{column}' is {found.types[column]}, not an integer")
    return file.first_number(found.tree, column)


# --- Open files as events ------------------------------------------------------------------------


def open_events(file: File, begin: int, end: int) -> Events:
    """Return entries [begin, end) of a file, with its canonical and extra columns.

    Columns that are stored as required are read directly; the others are computed only for events
    in which they are used.
    """
    return _opened([file], begin, end)


def open_files(files: Sequence[File]) -> Events:
    """Return all entries of some files, one after another.

    Raises:
        InputError: the files differ in format or columns.
    """
    with_events = [file for file in files if file.n_events] or files[:1]
    first = with_events[0]
    for file in with_events:
        if _layout(file) != _layout(first):
            raise InputError(
                f"{file.path}: of another format than {first.path}, or with other columns: "
                "make them two samples"
            )
    return _opened(with_events, 0, sum(file.n_events for file in with_events))


def _layout(file: File) -> tuple[object, ...]:
    types = (file.converted, file.mistyped, file.branches)
    extra = (file.extra, file.absent.keys())
    return (file.format, file.tree, file.stored, file.unit_weight_sources, *types, *extra)


def _opened(files: Sequence[File], begin: int, end: int) -> Events:
    file = files[0]
    calls.call("opened", ", ".join(one.path for one in files))
    forget_errors()
    loop = EventLoop(file.tree, [one.path for one in files], begin, end)
    if not file.n_events:
        return _without_events(loop.events(), file)
    return _Definer(file, loop.events()).events()


def _without_events(events: Events, file: File) -> Events:
    """Return no events, with all canonical columns and the extra ones. The types of the latter are
    those of numbers: a file without events may lack what they are made from."""
    kinds = dict.fromkeys((name for name, _ in file.extra), "double") | CANONICAL
    for name, kind in kinds.items():
        events = events.source(name, own(name), name, kind)
    return events


class _Definer:
    """Defines the columns of a file."""

    def __init__(self, file: File, events: Events) -> None:
        self.file, self._events = file, events
        self._of: dict[Use, str] = {}
        self._firsts: dict[str, str] = {}  # the first column of each kind of objects

    def events(self) -> Events:
        """Return the events with the columns of the file as expressions take them."""
        extra = dict(self.file.extra)
        names = dict(self._events.names)
        for step in self.file.plan.steps:
            name = self._of[step.use] = self._step(step)
            if step.final and (step.extra or step.name not in extra):
                name = self._of[step.use] = self._of_same_length(step, name)
                names[step.name] = name
        return replace(self._events, names=names)

    def _step(self, step: Step) -> str:
        """Return the name of a column, which is not computed if it is stored as required."""
        kind, expression = CANONICAL.get(step.name), step.column.expression
        words = {word: self._use(use) for word, use in step.uses.items()}
        words |= {w: n for w, n in self._events.words_in(expression).items() if w not in words}
        if words.keys() == {expression}:
            stored = self._events.loop.columns.nodes[words[expression]]
            if isinstance(stored, Source) and stored.type == (kind or stored.type):
                return words[expression]
        shown = " ".join(expression.split())
        path, name = self.file.path, step.name

        def error(cause: str) -> InputError:
            return InputError(f"{path}: column '{name}' = '{shown}' cannot be made: {cause}")

        configured = step.extra or step.column.configured
        column = Computed(_as_type(expression, kind), words, error, configured)
        return self._add(step.name, own(step.name), column)

    def _of_same_length(self, step: Step, name: str) -> str:
        """Return the name of a column whose length is that of the first one of its object."""
        if "RVec" not in CANONICAL.get(step.name, ""):
            return name
        kind = step.name.split("_")[0]
        first = self._firsts.setdefault(kind, f"{step.name} {name}")
        of_first, name_of_first = first.split()
        if of_first == step.name:
            return name
        both = (name_of_first, step.name, of_first)
        column = Computed(
            step.name, {step.name: name}, refused(step.name, step.name), same_length_as=both
        )
        return self._add(step.name, own(step.name), column)

    def _use(self, use: Use) -> str:
        """Return the name of what an expression uses, defined when it is first used."""
        if use not in self._of:
            self._of[use] = self._made(use)
        return self._of[use]

    def _made(self, use: Use) -> str:
        file, name = self.file, use.name
        if use.kind == "is_data":
            return self._add(IS_DATA, own(IS_DATA), Number("bool", file.data))
        if use.kind == "branch":
            kind = file.types.get(name) or file.branches[name]
            return self._add(name, f"{PREFIX}of_file_{name}", Source(name, _as_read(kind)))
        if use.kind != "source":
            raise KeyError(f"{use} is not defined before its use")
        if name not in file.stored:
            return self._add(name, PREFIX + name, Number("float", 1.0))
        stored = file.stored[name]
        source = Source(stored, _as_read(file.types[stored]))
        read = self._add(name, f"{PREFIX}of_file_{name}", source)
        if name not in file.converted:
            return read
        text = f"monojet::as<{file.converted[name]}>({name})"
        return self._add(name, PREFIX + name, Computed(text, {name: read}, refused(name, text)))

    def _add(self, word: str, name: str, node: Source | Number | Computed) -> str:
        return self._events.loop.columns.add(re.sub(r"\W+", "_", name), node)


_LONG = {"unsigned long": "unsigned long", "ULong_t": "unsigned long"}
_LONG |= {"long": "long", "Long_t": "long"}


def _as_read(kind: str) -> str:
    """Return a column type as ROOT reads it: in trees, ``long`` and ``long long`` are two types."""
    vector = re.fullmatch(r"ROOT::(?:VecOps::)?RVec<(.+)>", kind)
    if vector:
        return f"ROOT::VecOps::RVec<{_as_read(vector[1])}>"
    return _LONG.get(kind, plain_type(kind))


def _as_type(expression: str, kind: str | None) -> str:
    """Return an expression whose value is of a type, if any is given."""
    if kind is None:
        return expression
    value = f"[&] {{ {as_body(expression)} }}()" if has_statements(expression) else expression
    return f"monojet::as<{kind}>({value})"
