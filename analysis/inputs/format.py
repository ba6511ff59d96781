"""What an input format is: where its columns are, and how the canonical ones are made of them.

A format is data alone. To add one: a module with a `Format`, its name in `analysis.inputs.formats`,
and a file of its layout in the tests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from analysis.columns import names_in

IS_DATA = "is_data"
"""In expressions: whether the configuration calls the sample measured; a ``bool``."""


@dataclass(frozen=True)
class Column:
    """How a canonical column is made, for ``RDataFrame.Define``.

    The expression sees the columns of the file and, in their place, the canonical columns that come
    before it. One that is nothing but the column's own name is read as it stands, at no cost.
    """

    expression: str
    how: Literal["read", "derived", "assumed"] = "read"
    """Read, units aside; made of several columns or by a decision; or not in the file at all."""
    note: str = ""


@dataclass(frozen=True)
class Format:
    """A layout of files. Canonical columns that are not in ``columns`` it cannot give."""

    name: str
    title: str
    """In the words of docs/inputs.md."""
    trees: tuple[str, ...]
    """Names of its tree or ntuple; the first that is there is read."""
    markers: frozenset[str]
    """Columns by which it is told from other formats of that tree."""
    sources: Mapping[str, str]
    """Columns that are read of a file, and their C++ types in the words of `analysis.columns`."""
    columns: Mapping[str, Column]
    only_simulated: frozenset[str] = frozenset()
    """Sources that measured events may lack."""
    reconstructed: bool = False
    """Whether simulated events of it went through a detector: they have fake leptons already."""
    info: str | None = None
    """A ``TNamed`` in the file whose title is a `SampleInfo` as JSON."""
    cross_section: str | None = None
    """A column of one value, in pb."""
    sum_of_weights: str | None = None
    """A column of one value: that of the whole sample, before any cut, in each of its files."""

    def sources_of(self, name: str) -> frozenset[str]:
        """The sources that a canonical column is made of, by way of others too."""
        order = list(self.columns)
        before = order[: order.index(name)]
        found: set[str] = set()
        for word in names_in(self.columns[name].expression):
            if word in before:
                found |= self.sources_of(word)
            elif word in self.sources:
                found.add(word)
        return frozenset(found)

    def given(self, stored: Collection[str]) -> frozenset[str]:
        """The canonical columns that can be made of these sources."""
        return frozenset(name for name in self.columns if self.sources_of(name) <= set(stored))
