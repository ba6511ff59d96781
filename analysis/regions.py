"""Selections applied to an RDataFrame: definitions, filters, the summary of an event.

A data frame here is ROOT's common node type, ``RNode``: ``reader.open_range`` gives one, and each
step on it is compiled once a process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cpp_helpers import declare
from selections.cuts import Cut, Definition, Region


def define(df: Any, definitions: Iterable[Definition]) -> Any:
    """The data frame with the columns of the definitions."""
    helpers = declare()
    for definition in definitions:
        df = helpers.define(df, definition.name, definition.expression)
    return df


def require(df: Any, cut: Cut) -> Any:
    """The events of ``df`` that pass a cut."""
    return declare().require(df, cut.expression, cut.name)


def define_summary(
    df: Any,
    definitions: Iterable[Definition],
    regions: Iterable[Region],
    quantities: Iterable[str],
) -> Any:
    """Column ``event_summary``, a ``monojet::EventSummary``: bit i of its ``regions`` says whether
    the event passes the i-th region.

    The definitions become local variables of one expression: to compile a column each takes ten
    times as long.
    """
    lines = [f"const auto {d.name} = {d.expression};" for d in definitions]
    bits = [f"((unsigned long long)({r.expression}) << {i})" for i, r in enumerate(regions)]
    floats = ", ".join(f"float({quantity})" for quantity in quantities)
    lines.append(
        "return monojet::EventSummary{(unsigned int)run_number, (unsigned long long)event_number,"
        f" double(weight), {' | '.join(bits) or '0ull'}, {{{floats}}}}};"
    )
    return define(df, [Definition("event_summary", "\n".join(lines))])


def require_region(df: Any, regions: Iterable[str], name: str) -> Any:
    """The events that pass one of the regions given to `define_summary`."""
    bit = list(regions).index(name)
    return require(df, Cut(name, f"bool(event_summary.regions >> {bit} & 1)", name))
