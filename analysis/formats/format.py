"""What an input format is: where its columns are, and how the canonical ones are made of them.

A format is data alone. To add one: a module with a `Format`, its name in `analysis.formats.registry`,
and a file of its layout in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from analysis.formats.columns import names_in

IS_DATA = "is_data"
"""In expressions: whether the configuration calls the sample measured; a ``bool``."""


How = Literal["read", "derived", "assumed"]
"""Read, units aside; made of several columns or by a decision; or not in the file at all."""


@dataclass(frozen=True)
class Source:
    """A column that is read of a file."""

    types: tuple[str, ...]
    """The C++ types that it may have, in the words of `analysis.formats.columns`; any if there is none."""
    stored: tuple[str, ...] = ()
    """The names that it may have in a file, the first that is there counts; its own if none."""


def sources(names: Iterable[str], *types: str) -> dict[str, Source]:
    """Sources of one type that are stored by their own names."""
    return {name: Source(types) for name in names}


@dataclass(frozen=True)
class Column:
    """How a canonical column is made, for ``RDataFrame.Define``.

    The expression sees the sources and, in their place, the columns that come before it. Its value
    is converted to the type of the canonical column. One that is nothing but the column's own name
    is read as it stands, at no cost.
    """

    expression: str
    how: How = "read"
    note: str = ""
    warning: str = ""
    """Shown for each file whose column is made this way."""


@dataclass(frozen=True)
class Block:
    """Columns that are made together: those of jets, say, must not come from two places."""

    columns: Mapping[str, Column]
    """By name: canonical ones, and others that these are made of."""
    needs: frozenset[str] = frozenset()
    """Sources, or columns above it, without which nothing of it is made."""


@dataclass(frozen=True)
class Bookkeeping:
    """What a file says of all events it was made of, those dropped on the way too, in a tree of its
    own."""

    tree: str
    columns: Mapping[str, tuple[str, ...]]
    """By the names that ``sums`` knows them by; in a file, the first of these that is there."""
    sums: Callable[[Mapping[str, list[Any]]], tuple[float, float] | None]
    """Of the entries of each column, the sums of weights and of their squares."""


@dataclass(frozen=True)
class Format:
    """A layout of files. Canonical columns that no block has it cannot give."""

    name: str
    title: str
    """In the words of docs/inputs.md."""
    trees: tuple[str, ...]
    """Names of its tree or ntuple; the first that is there is read."""
    markers: frozenset[str]
    """Sources by which it is told from other formats of that tree."""
    sources: Mapping[str, Source]
    blocks: tuple[Block, ...]
    """In this order; one is left out where what it needs is missing, or where one before it has
    made a column of its already."""
    only_simulated: frozenset[str] = frozenset()
    """Sources that measured events may lack."""
    numbers_events: bool = True
    """Whether run and event numbers tell the events of several files of a sample apart."""
    reconstructed: bool = False
    """Whether simulated events of it went through a detector: they have fake leptons already."""
    info: str | None = None
    """A ``TNamed`` in the file whose title is a `SampleInfo` as JSON."""
    cross_section: str | None = None
    """A column of one value, in pb."""
    dataset: str | None = None
    """A source, the number of the simulated dataset, the same for all events of a file: of some the
    cross-section is known."""
    sum_of_weights: str | None = None
    """A column of one value: that of the whole sample, before any cut, in each of its files."""
    bookkeeping: Bookkeeping | None = None

    def chosen(self, stored: Container[str]) -> dict[str, Column]:
        """How each column is made of a file that has these sources: not those that lack one."""
        made: dict[str, Column] = {}
        for block in self.blocks:
            if block.columns.keys() & made.keys():
                continue
            if any(name not in stored and name not in made for name in block.needs):
                continue
            for name, column in block.columns.items():
                if all(self._is_there(word, made, stored) for word in names_in(column.expression)):
                    made[name] = column
        return made

    def lacking(self, name: str, stored: Container[str]) -> str | None:
        """A source for want of which a file does not give a column; none if the format never
        does."""
        if name not in self._names:
            return None
        block = next(block for block in self.blocks if name in block.columns)
        for word in sorted(block.needs | names_in(block.columns[name].expression)):
            if word in self.sources:
                if word not in stored:
                    return word
            elif word != name and (found := self.lacking(word, stored)):
                return found
        return None

    def spellings(self, source: str) -> tuple[str, ...]:
        """The names that a source may have in a file."""
        return self.sources[source].stored or (source,)

    def spelt(self, source: str, names: Collection[str]) -> str | None:
        """The name by which a source is there among these, if it is."""
        return next((name for name in self.spellings(source) if name in names), None)

    def how(self, name: str) -> str:
        """Whether a canonical column is read, derived, assumed or impossible, in words."""
        ways = [block.columns[name].how for block in self.blocks if name in block.columns]
        return " or ".join(dict.fromkeys(ways)) or "impossible"

    def used(self) -> frozenset[str]:
        """All sources that columns are made of."""
        expressions = (c.expression for block in self.blocks for c in block.columns.values())
        words = names_in(" ".join(expressions)).union(*(block.needs for block in self.blocks))
        return frozenset(words & self.sources.keys())

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(name for block in self.blocks for name in block.columns)

    def _is_there(self, word: str, made: Container[str], stored: Container[str]) -> bool:
        """Whether a word of an expression can be read: a column that was made, or a source; what is
        neither is C++."""
        if word in made:
            return True
        return word in stored if word in self.sources else word not in self._names


@dataclass(frozen=True)
class Layout:
    """What a configuration says of the layout of files; without a word, it is found out."""

    format: str | None = None
    """The name of a known format."""
    tree: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """Canonical columns and their expressions, for files of no known format."""
