"""Definitions, cuts and regions, as frozen data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """A column defined by a C++ expression, for ``RDataFrame.Define``."""

    name: str
    expression: str


@dataclass(frozen=True)
class Axis:
    """A quantity, a C++ expression, and its bins: ascending edges, and a label with the unit."""

    expression: str
    edges: tuple[float, ...]
    label: str = ""


@dataclass(frozen=True)
class Cut:
    """A requirement on an event: a C++ expression for ``RDataFrame.Filter``.

    ``axis`` bins the quantity for the figure of events that pass all other cuts; None: it follows
    from the expression.
    """

    name: str
    expression: str
    latex: str
    axis: Axis | None = None


@dataclass(frozen=True)
class Region:
    """A named sequence of cuts; an event must pass all.

    ``binned_in`` is the quantity of the signal bins, if it is another than that of the selection.
    """

    name: str
    cuts: tuple[Cut, ...]
    binned_in: str | None = None

    @property
    def expression(self) -> str:
        """Return all cuts as one C++ expression."""
        return " && ".join(f"({cut.expression})" for cut in self.cuts)


@dataclass(frozen=True)
class ObjectType:
    """A type of objects: their columns, with ``{}`` for pt, eta, phi or mass, the mask that selects
    them (None: all), and their mass (GeV) if it is constant."""

    name: str
    columns: str
    mask: str | None = None
    mass: str | None = None


def used_definitions(
    definitions: Iterable[Definition], expressions: Iterable[str]
) -> tuple[Definition, ...]:
    """Return the definitions that some expressions use, directly or through others, in order."""
    all_of_them = tuple(definitions)
    words = {word for one in expressions for word in _WORD.findall(one)}
    found: list[Definition] = []
    for definition in reversed(all_of_them):
        if definition.name in words:
            words.update(_WORD.findall(definition.expression))
            found.append(definition)
    return tuple(reversed(found))


_WORD = re.compile(r"[A-Za-z_]\w*")
