"""Selections applied to an RDataFrame: definitions, filters, the summary of an event.

A data frame here is ROOT's common node type, ``RNode``: ``reader.open_range`` gives one, and each
step on it is compiled once a process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.formats.columns import PREFIX, own, renamed
from cpp_helpers import declare
from selections.cuts import Cut, Definition, Region


def define(df: Any, definitions: Iterable[Definition]) -> Any:
    """The data frame with the columns of the definitions, by `analysis.formats.columns.own` names."""
    helpers, names = declare(), names_of(df)
    for definition in definitions:
        name = own(definition.name)
        df = helpers.define(df, name, renamed(definition.expression, names))
        names[definition.name] = name
    return df


def define_per_sample(df: Any, name: str, expression: str) -> Any:
    """The data frame with a column that is constant in a sample."""
    return declare().define_per_sample(df, own(name), expression)


def require(df: Any, cut: Cut) -> Any:
    """The events of ``df`` that pass a cut."""
    return declare().require(df, renamed(cut.expression, names_of(df)), cut.name)


def names_of(df: Any) -> dict[str, str]:
    """What columns of ours are called in a data frame, by what expressions call them."""
    defined = map(str, df.GetDefinedColumnNames())
    return {name.removeprefix(PREFIX): name for name in defined if name.startswith(PREFIX)}


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
    definitions = list(definitions)
    lines = [f"const auto {d.name} = {d.expression};" for d in definitions]
    bits = [f"((unsigned long long)({r.expression}) << {i})" for i, r in enumerate(regions)]
    floats = ", ".join(f"float({quantity})" for quantity in quantities)
    lines.append(
        "return monojet::EventSummary{(unsigned int)run_number, (unsigned long long)event_number,"
        f" double(weight), {' | '.join(bits) or '0ull'}, {{{floats}}}}};"
    )
    local = {d.name: own(d.name) for d in definitions}
    return define(df, [Definition("event_summary", renamed("\n".join(lines), local))])


def require_region(df: Any, regions: Iterable[str], name: str) -> Any:
    """The events that pass one of the regions given to `define_summary`."""
    bit = list(regions).index(name)
    return require(df, Cut(name, f"bool(event_summary.regions >> {bit} & 1)", name))
