"""Input formats as data: the columns of a file and expressions that make the canonical columns.

To add a format: write a module with a `Format`, list it in `analysis.formats.registry`, and write a
file of its layout in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from analysis.formats.columns import names_in

IS_DATA = "is_data"
"""In expressions: whether the configuration marks the sample as collision data; a ``bool``."""


How = Literal["read", "derived", "assumed"]
"""Read, up to units; derived from several columns or by a choice; or assumed, not in the file."""


@dataclass(frozen=True)
class SourceColumn:
    """A column of a file."""

    types: tuple[str, ...]
    """The C++ types that it may have, spelled as in `analysis.formats.columns`; empty: any."""
    stored: tuple[str, ...] = ()
    """The names that it may have in a file, in order of preference; empty: its own name."""


def sources(names: Iterable[str], *types: str) -> dict[str, SourceColumn]:
    """Return sources of one type that are stored under their own names."""
    return {name: SourceColumn(types) for name in names}


@dataclass(frozen=True)
class Column:
    """The definition of a canonical column, for ``RDataFrame.Define``.

    The expression can use sources and earlier columns; an earlier column hides a source of the same
    name. Its value is converted to the type of the canonical column. An expression that is only the
    column's own name reads the stored column, at no cost.
    """

    expression: str
    how: How = "read"
    note: str = ""
    warning: str = ""
    """Logged for each file with this definition."""
    configured: bool = False
    """Whether the configuration gives the expression, which may use further columns of it."""


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that are defined together, so that those of jets, for example, have one origin."""

    columns: Mapping[str, Column]
    """Canonical columns and intermediate ones, by name."""
    needs: frozenset[str] = frozenset()
    """Sources or earlier columns without which the group is skipped."""


@dataclass(frozen=True)
class Bookkeeping:
    """A separate tree with the sums of weights before any event was dropped."""

    tree: str
    columns: Mapping[str, tuple[str, ...]]
    """Keys for ``sums`` -> names in a file, in order of preference."""
    sums: Callable[[Mapping[str, list[Any]]], tuple[float, float] | None]
    """Computes the sums of weights and of squared weights from the entries of the columns."""


@dataclass(frozen=True)
class Format:
    """A layout of files. Canonical columns without a group are impossible in this format."""

    name: str
    title: str
    """Description in docs/inputs.md."""
    trees: tuple[str, ...]
    """Names of its tree or ntuple, in order of preference."""
    markers: frozenset[str]
    """Sources that distinguish it from other formats with the same tree."""
    sources: Mapping[str, SourceColumn]
    groups: tuple[ColumnGroup, ...]
    """In order. A group is skipped if a column that it needs is missing, or if an earlier group
    has defined one of its columns."""
    former_columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of files that an earlier version wrote -> their present names."""
    mc_only: frozenset[str] = frozenset()
    """Sources that collision data may lack."""
    unique_event_ids: bool = True
    """Whether run and event numbers are unique across the files of a sample."""
    reconstructed: bool = False
    """Whether its simulated events include a detector, and so have fake leptons."""
    info: str | None = None
    """Name of a ``TNamed`` whose title is a `SampleInfo` as JSON."""
    cross_section: str | None = None
    """A column with the cross-section (pb), constant in a file."""
    dataset: str | None = None
    """A source with the number of the simulated dataset, constant in a file; some cross-sections
    are known by it."""
    sum_of_weights: str | None = None
    """A column with the sum of weights of the whole sample before any cut, constant in each of its
    files."""
    bookkeeping: Bookkeeping | None = None

    def chosen(self, stored: Container[str], given: Container[str] = ()) -> dict[str, Column]:
        """Return the columns that a file with these sources gives, with their definitions.

        ``given`` are canonical columns that the configuration adds, which may be used as well.
        """
        made: dict[str, Column] = {}
        for group in self.groups:
            if group.columns.keys() & made.keys():
                continue
            if any(n not in stored and n not in made and n not in given for n in group.needs):
                continue
            for name, column in group.columns.items():
                if all(
                    self._is_available(word, made, stored) or (word in given and word != name)
                    for word in names_in(column.expression)
                ):
                    made[name] = column
        return made

    def missing_source(self, name: str, stored: Container[str]) -> str | None:
        """Return the missing source that prevents this column; None if no source would help."""
        if name not in self.columns:
            return None
        group = next(group for group in self.groups if name in group.columns)
        for word in sorted(group.needs | names_in(group.columns[name].expression)):
            if word in self.sources:
                if word not in stored:
                    return word
            elif word != name and (found := self.missing_source(word, stored)):
                return found
        return None

    def possible_names(self, source: str) -> tuple[str, ...]:
        """Return the names that a source may have in a file."""
        return self.sources[source].stored or (source,)

    def stored_name(self, source: str, names: Collection[str]) -> str | None:
        """Return the name of a source among the columns of a file; None if it is missing."""
        return next((name for name in self.possible_names(source) if name in names), None)

    def how(self, name: str) -> str:
        """Return in words whether a canonical column is read, derived, assumed or impossible."""
        ways = [group.columns[name].how for group in self.groups if name in group.columns]
        return " or ".join(dict.fromkeys(ways)) or "impossible"

    def used(self) -> frozenset[str]:
        """Return the sources that columns are made from."""
        expressions = (c.expression for group in self.groups for c in group.columns.values())
        words = names_in(" ".join(expressions)).union(*(group.needs for group in self.groups))
        return frozenset(words & self.sources.keys())

    @cached_property
    def columns(self) -> frozenset[str]:
        """Return the names of all columns that it may give, and of those they are made from."""
        return frozenset(name for group in self.groups for name in group.columns)

    def _is_available(self, word: str, made: Container[str], stored: Container[str]) -> bool:
        """Return whether a word of an expression is a defined column, a stored source, or C++."""
        if word in made:
            return True
        return word in stored if word in self.sources else word not in self.columns


@dataclass(frozen=True)
class Layout:
    """The layout of files as given by a configuration; if empty, it is recognised."""

    format: str | None = None
    """Name of a known format."""
    tree: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """Canonical columns and their expressions, for other formats."""
    extra: tuple[tuple[str, str], ...] = ()
    """Further columns and their expressions, in order, whatever the format; canonical ones override
    those of the format."""
