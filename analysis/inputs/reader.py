"""Files of events of any format: recognised, checked, and opened with the canonical columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from analysis.formats.columns import (
    CANONICAL,
    PREFIX,
    canonical_in,
    converts,
    names_in,
    own,
    plain_type,
    renamed,
)
from analysis.formats.custom import custom
from analysis.formats.format import IS_DATA, Column, Format, Layout
from analysis.formats.registry import FORMATS
from analysis.inputs import bookkeeping, root_file
from analysis.inputs.cross_sections import cross_section_of
from analysis.inputs.sample_info import SampleInfo
from common.runtime.errors import InputError
from cpp_helpers import declare, declare_jets
from cpp_helpers.errors import Diagnostics, cause_of, diagnostics, forget_errors, quiet


@dataclass(frozen=True)
class File:
    """A checked input file.

    ``stored`` maps the sources that the file has to their names in it. ``converted`` are sources
    with another numeric type than expressions take, with the type to convert to; ``mistyped`` those
    that cannot be converted, with the reason. ``data`` marks collision data.
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
        """Return the canonical columns of the file and those they are made from, in order."""
        return {n: c for n, c in self._chosen.items() if n not in self.unreadable}

    @cached_property
    def unreadable(self) -> Mapping[str, str]:
        """Return the mistyped sources and the columns made from them, with the reason."""
        found = dict(self.mistyped)
        for name, column in self._chosen.items():
            bad = sorted(names_in(column.expression) & found.keys())
            if bad:
                found[name] = found[bad[0]]
        return found

    @cached_property
    def _chosen(self) -> Mapping[str, Column]:
        return self.format.chosen(self.available)


@dataclass(frozen=True)
class Needs:
    """The canonical columns that something needs, and its name for messages."""

    columns: frozenset[str]
    purpose: str

    @classmethod
    def of(cls, purpose: str, expressions: Iterable[str], *columns: str) -> Needs:
        """Return the canonical columns that expressions use, and further ones."""
        return cls(canonical_in(expressions) | {*columns}, purpose)


def require_columns(file: File, needs: Needs) -> None:
    """Stop if a file with events lacks canonical columns that are needed.

    Raises:
        InputError: it names the first missing column, the format, the file and the cause.
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
    elif absent is None:
        cause = f"the format '{one.name}' cannot give it"
    else:
        column = one.possible_names(absent)[0]
        cause = f"the file lacks column '{column}' of the format '{one.name}'"
        if absent in one.mc_only:
            cause += ", which only collision data may lack: mark these with 'data: true' or --data"
    others = f" (nor {', '.join(missing[1:])})" if missing[1:] else ""
    raise InputError(
        f"{file.path}: no column '{first}', which {needs.purpose} needs: {cause}{others}"
    )


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
    def of(cls, path: str, tree: str, one: Format) -> _Recognised:
        """Read the columns of a tree, with the types of those that a format reads."""
        typed = {name for source in one.sources for name in one.possible_names(source)}
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
        root_file.require_filled(path, found.tree, found.stored.values())
        cluster_ends = root_file.cluster_ends_of(path, found.tree)
        n_events = cluster_ends[-1] if cluster_ends else 0
        info = _info(path, handle, found, n_events, data)
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
    )
    if layout.columns and n_events:
        _require_described(file, layout)
        _opened([file], 0, 0)  # compiles the expressions
    return file


def _require_described(file: File, layout: Layout) -> None:
    """Stop if a column described by the configuration uses one that is missing."""
    for name, expression in layout.columns:
        if name not in file.columns:
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
        return _Recognised.of(path, tree, found)
    keys = root_file.keys(handle)
    formats = FORMATS if layout.format is None else {layout.format: FORMATS[layout.format]}
    problem = ""
    for one in formats.values():
        for tree in one.trees:
            if keys.get(tree) not in root_file.TREE_CLASSES:
                continue
            recognised = _Recognised.of(path, tree, one)
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
    types = (file.converted, file.mistyped)
    return (file.format, file.tree, file.stored, file.unit_weight_sources, *types)


def _opened(files: Sequence[File], begin: int, end: int) -> Any:
    file = files[0]
    clusters = any("cluster_jets" in column.expression for column in file.columns.values())
    helpers = declare_jets() if clusters else declare()
    helpers.opened(", ".join(file.path for file in files))
    forget_errors()
    if not any(file.n_events for file in files):
        return _no_events(helpers)
    with quiet():  # ROOT warns of types without a dictionary, which nothing reads
        df = helpers.open_range(file.tree, [f.path for f in files], begin, end)
    df, names = _define_sources(df, helpers, file)
    firsts: dict[str, str] = {}  # the first column of each kind of objects
    for name, column in file.columns.items():
        df = _define(df, helpers, file, name, column, names)
        names[name] = own(name)
        if "RVec" in CANONICAL.get(name, ""):
            first = firsts.setdefault(name.split("_")[0], name)
            if first != name:
                df = helpers.with_length_of(df, name, first)
    return df


def _no_events(helpers: Any) -> Any:
    """Return a data frame without events that has all canonical columns."""
    df = helpers.no_events()
    for name, kind in CANONICAL.items():
        df = helpers.define(df, name, f"{kind}{{}}" if "RVec" in kind else f"({kind})0")
    return df


def _define_sources(df: Any, helpers: Any, file: File) -> tuple[Any, dict[str, str]]:
    """Return the data frame with the sources of a file as expressions take them, and their names
    in it."""
    names: dict[str, str] = {}
    if file.format.mc_only:
        names[IS_DATA] = own(IS_DATA)
        df = helpers.define_per_sample(df, names[IS_DATA], "true" if file.data else "false")
    for source in sorted(file.unit_weight_sources):
        names[source] = PREFIX + source
        df = helpers.define_per_sample(df, names[source], "1.f")
    for source, stored in file.stored.items():
        if source in file.mistyped or (source == stored and source not in file.converted):
            continue
        names[source] = PREFIX + source
        if source not in file.converted:
            df = helpers.alias(df, names[source], stored)
            continue
        column = f"{names[source]}_in_file"
        df = helpers.alias(df, column, stored)
        df = helpers.define(df, names[source], f"monojet::as<{file.converted[source]}>({column})")
    return df, names


def _define(
    df: Any, helpers: Any, file: File, name: str, column: Column, names: Mapping[str, str]
) -> Any:
    """Return the data frame with a column, which is not defined if it is stored as required."""
    kind = CANONICAL.get(name)
    if (
        column.expression == name
        and name not in names
        and file.format.sources[name].types == (kind,)
    ):
        return df
    expression = renamed(column.expression, names)
    if kind:
        expression = f"monojet::as<{kind}>({expression})"
    messages = Diagnostics()
    try:
        with diagnostics(messages):
            return helpers.define(df, own(name), expression)
    except Exception as error:
        raise InputError(
            f"{file.path}: column '{name}' = '{column.expression}' cannot be made: "
            f"{messages.first_error() or cause_of(error)}"
        ) from error
