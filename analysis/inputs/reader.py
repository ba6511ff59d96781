"""Files of events of any format: recognised, checked, and opened with the canonical columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from analysis.formats import extended
from analysis.formats.columns import (
    CANONICAL,
    PREFIX,
    columns_in,
    converts,
    names_in,
    own,
    plain_type,
    renamed,
)
from analysis.formats.custom import custom
from analysis.formats.extended import Plan, Step, Stock, Use
from analysis.formats.format import IS_DATA, Column, Format, Layout
from analysis.formats.registry import FORMATS
from analysis.inputs import bookkeeping, root_file
from analysis.inputs.cross_sections import cross_section_of
from analysis.inputs.sample_info import SampleInfo
from common.runtime.errors import InputError
from cpp_helpers import declare, declare_jets, load_root
from cpp_helpers.errors import Diagnostics, cause_of, diagnostics, forget_errors, quiet


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
    def of(cls, path: str, tree: str, one: Format, layout: Layout) -> _Recognised:
        """Read the columns of a tree, with the types of those that a format or the configuration
        reads."""
        typed = {name for source in one.sources for name in one.possible_names(source)}
        further = extended.possible_branches(layout) - typed
        if further:
            try:
                return cls(one, tree, root_file.columns_of(path, tree, typed | further))
            except InputError:  # one of them is of a type that ROOT does not know
                pass
        return cls(one, tree, root_file.columns_of(path, tree, typed))


def inspect(path: str, layout: Layout = Layout(), data: bool = False) -> File:  # noqa: B008
    """Open a file, recognise its format unless ``layout`` gives it, and check what will be read.

    Raises:
        InputError: the file is missing, not a ROOT file, truncated, of no known format or not of
            the given one, or a branch was not filled for each of its events.
    """
    declare().opened(path)
    with quiet(), root_file.damage_named(path), root_file.open_file(path) as handle:
        root_file.refuse_old_ntuples(path, handle, layout.tree)
        found = _recognise(path, handle, layout)
        used = extended.branches_of(layout, found.types)
        root_file.require_filled(path, found.tree, [*found.stored.values(), *used])
        cluster_ends = root_file.cluster_ends_of(path, found.tree)
        n_events = cluster_ends[-1] if cluster_ends else 0
        info = _info(path, handle, found, n_events, data)
        absent = extended.absent_of(layout, found.format, found.types, _is_cpp)
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


def _recognise(path: str, handle: Any, layout: Layout) -> _Recognised:
    """Find the format of a file, its tree or ntuple, and the columns."""
    if layout.columns:
        tree = root_file.chosen_tree(path, handle, layout.tree)
        found = custom(layout, root_file.columns_of(path, tree, ()))
        return _Recognised.of(path, tree, found, layout)
    keys = root_file.keys(handle)
    formats = FORMATS if layout.format is None else {layout.format: FORMATS[layout.format]}
    problem = ""
    for one in formats.values():
        for tree in one.trees:
            if keys.get(tree) not in root_file.TREE_CLASSES:
                continue
            recognised = _Recognised.of(path, tree, one, layout)
            if not recognised.types and not root_file.cluster_ends_of(path, tree):
                return recognised  # without events, not even the columns were kept
            if former := sorted(one.former_columns.keys() & recognised.types.keys()):
                raise InputError(
                    f"{path}: column '{former[0]}' is now called "
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
        problem = f"no tree or ntuple {' or '.join(names)} ({root_file.content(handle)})"
    raise InputError(
        f"{path}: {problem}: see docs/inputs.md for the known formats and how to describe another"
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


def _info(
    path: str, handle: Any, found: _Recognised, n_events: int, data: bool
) -> SampleInfo | None:
    """Return what a file states about its sample; None if nothing, or for collision data."""
    one = found.format
    if one.info in root_file.keys(handle):
        return SampleInfo.from_json(str(handle.Get(one.info).GetTitle()))
    if data:
        return None
    info = SampleInfo("", "", n_events=n_events)
    if one.dataset is not None and one.dataset in found.stored and n_events:
        number = declare().first_number(found.tree, path, found.stored[one.dataset])
        info = replace(info, dataset=str(number), cross_section=cross_section_of(number))
    if one.bookkeeping is not None and (sums := bookkeeping.read(path, one.bookkeeping)):
        info = replace(info, sum_of_weights=sums[0], sum_of_weights_squared=sums[1])
    if one.sum_of_weights is not None:
        cross_section, sum_of_weights = (
            root_file.first_value(handle.Get(found.tree), name)
            for name in (one.cross_section, one.sum_of_weights)
        )
        info = replace(
            info, cross_section=cross_section, sum_of_weights=sum_of_weights, shared=True
        )
    return None if info == SampleInfo("", "", n_events=n_events) else info


# --- Open files as data frames -------------------------------------------------------------------


def open_range(file: File, begin: int, end: int) -> Any:
    """Return an RDataFrame over entries [begin, end) of a file, with its canonical columns.

    Columns that are stored as required are read directly; the others are defined, and computed only
    for events in which they are used.
    """
    return _opened([file], begin, end)


def open_files(files: Sequence[File]) -> Any:
    """Return an RDataFrame over all entries of some files, one after another.

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


def _opened(files: Sequence[File], begin: int, end: int) -> Any:
    file = files[0]
    clusters = any("cluster_jets" in step.column.expression for step in file.plan.steps)
    helpers = declare_jets() if clusters else declare()
    helpers.opened(", ".join(file.path for file in files))
    forget_errors()
    if not any(file.n_events for file in files):
        return _no_events(helpers, file)
    with quiet():  # ROOT warns of types without a dictionary, which nothing reads
        df = helpers.open_range(file.tree, [f.path for f in files], begin, end)
    df, names = _define_file(df, helpers, file)
    firsts: dict[str, str] = {}  # the first column of each kind of objects
    for step in file.plan.steps:
        name = step.name
        df = _define(df, helpers, file, step, names)
        if step.final and "RVec" in CANONICAL.get(name, ""):
            first = firsts.setdefault(name.split("_")[0], name)
            if first != name:
                df = helpers.with_length_of(df, name, first)
    return df


def _no_events(helpers: Any, file: File) -> Any:
    """Return a data frame without events that has all canonical columns, and the extra ones."""
    df = helpers.no_events()
    for name, kind in CANONICAL.items():
        df = helpers.define(df, name, f"{kind}{{}}" if "RVec" in kind else f"({kind})0")
    names: dict[str, str] = {}
    for name, expression in file.extra:
        if name in CANONICAL:
            continue
        for word, kind in _without_events(file, expression, names):
            names[word] = f"{PREFIX}in_file_{len(names)}"
            df = helpers.define(df, names[word], f"std::decay_t<{kind}>{{}}")
        try:
            with diagnostics(Diagnostics()):
                df = helpers.define(df, own(name), _body(renamed(expression, names), None))
        except Exception:  # of types that such a file does not tell
            df = helpers.define(df, own(name), "0.")
        names[name] = own(name)
    return df


def _without_events(
    file: File, expression: str, known: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the further columns that an expression uses, with their types, for a file without
    events. Such a file may lack columns, whose types are then guessed."""
    one = file.format
    typed = {s: (file.converted.get(s) or next(iter(t.types), "")) for s, t in one.sources.items()}
    typed |= {name: kind for name, kind in file.branches.items() if name not in typed}
    for word in extended.column_words(expression, typed.keys() | file.branches.keys()):
        if word in known or word in CANONICAL or (word not in typed and _is_cpp(word)):
            continue
        if word == IS_DATA:
            yield word, "bool"
            continue
        family = {kind for name, kind in typed.items() if _family(name) == _family(word)}
        vector = bool(family) and all("RVec" in kind for kind in family)
        yield word, typed.get(word) or ("ROOT::VecOps::RVec<double>" if vector else "double")


def _family(name: str) -> str:
    """Return the object that a column belongs to, by its name: ``Jet`` of ``Jet_pt``."""
    return re.split(r"[_.:]", name)[0]


class _Names:
    """Names of columns in a data frame, by what they are in expressions."""

    def __init__(self, file: File) -> None:
        extra = dict(file.extra)
        final = [step for step in file.plan.steps if step.final]
        self._taken = {own(step.name) for step in final} | {own(name) for name in extra}
        self.of: dict[Use, str] = {}
        for step in file.plan.steps:
            if step.extra or (step.final and step.name not in extra):
                self.of[step.use] = own(step.name)
            else:
                of_version = f"_{step.version}" if step.version else "_of_format"
                self.add(step.use, f"{PREFIX}{step.name}{of_version}")

    def add(self, use: Use, name: str) -> str:
        """Return a name like the proposed one, which no other column has."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        self.of[use] = name
        return name


def _define_file(df: Any, helpers: Any, file: File) -> tuple[Any, _Names]:
    """Return the data frame with the columns of a file as expressions take them, and the names of
    all columns in it."""
    names = _Names(file)
    used = {use for step in file.plan.steps for use in step.uses.values()}
    is_data = Use("is_data", IS_DATA)
    if file.format.mc_only or is_data in used:
        name = names.add(is_data, own(IS_DATA))
        df = helpers.define_per_sample(df, name, "true" if file.data else "false")
    for source in sorted(file.unit_weight_sources):
        df = helpers.define_per_sample(df, names.add(Use("source", source), PREFIX + source), "1.f")
    for source, stored in file.stored.items():
        use = Use("source", source)
        if source in file.mistyped:
            continue
        if source == stored and source not in file.converted:
            names.of[use] = stored
            continue
        name = names.add(use, PREFIX + source)
        if source not in file.converted:
            df = helpers.alias(df, name, stored)
            continue
        df = helpers.alias(df, f"{name}_in_file", stored)
        df = helpers.define(df, name, f"monojet::as<{file.converted[source]}>({name}_in_file)")
    for use in sorted((one for one in used if one.kind == "branch"), key=lambda one: one.name):
        if use.name.isidentifier():
            names.of[use] = use.name
        else:
            plain = re.sub(r"\W+", "_", use.name)
            df = helpers.alias(df, names.add(use, f"{PREFIX}in_file_{plain}"), use.name)
    for use, stored in _hidden(file, names).items():
        df = helpers.define(df, names.add(use, f"{PREFIX}in_file_{stored}"), stored)
    return df, names


def _hidden(file: File, names: _Names) -> dict[Use, str]:
    """Return the columns of a file that an expression uses after another column has taken their
    name, with the name."""
    defined: set[str] = set()
    found: dict[Use, str] = {}
    for step in file.plan.steps:
        for use in step.uses.values():
            if use.kind in ("branch", "source") and names.of[use] in defined:
                found[use] = names.of[use]
        if step.final:
            defined.add(names.of[step.use])
    return found


def _define(df: Any, helpers: Any, file: File, step: Step, names: _Names) -> Any:
    """Return the data frame with a column, which is not defined if it is stored as required."""
    name, kind = names.of[step.use], CANONICAL.get(step.name)
    words = {word: names.of[use] for word, use in step.uses.items()}
    if (
        not step.extra
        and step.column.expression == name
        and words == {name: name}
        and file.format.sources[name].types == (kind,)
    ):
        return df
    expression = _body(renamed(step.column.expression, words), kind)
    messages = Diagnostics()
    try:
        with diagnostics(messages):
            return helpers.define(df, name, expression)
    except Exception as error:
        shown = " ".join(step.column.expression.split())
        raise InputError(
            f"{file.path}: column '{step.name}' = '{shown}' cannot be made: "
            f"{messages.first_error() or cause_of(error)}"
        ) from error


def _body(expression: str, kind: str | None) -> str:
    """Return the body of a function that returns the value of an expression, of this type if any.

    The expression may be statements that return it, or have lambdas with statements.
    """
    outermost = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    while (inner := re.sub(r"\{[^{}]*\}", "", outermost)) != outermost:
        outermost = inner
    statements = ";" in outermost
    if kind:
        value = f"[&] {{ {expression} }}()" if statements else expression
        expression, statements = f"monojet::as<{kind}>({value})", False
    return f"return {expression}" if "return" in expression and not statements else expression


@cache
def _is_cpp(word: str) -> bool:
    """Return whether the compiler knows a name: a type, function, constant, namespace or
    keyword."""
    body = f"using namespace ROOT::VecOps; (void)({word});"
    code = f"template <int> void monojet_knows_{word}() {{ {body} }}"
    messages = Diagnostics()
    try:
        with diagnostics(messages):
            if not declare() or not load_root().gInterpreter.Declare(code):
                raise NameError(word)
    except NameError:
        return "undeclared identifier" not in messages.text
    return True
