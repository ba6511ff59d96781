"""Selections applied to an RDataFrame: definitions, cuts, the summary of an event.

Data frames are of ROOT's common node type, ``RNode``, as returned by ``reader.open_range``, so that
each step is compiled once per process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analysis.formats.columns import PREFIX, own, renamed
from common.runtime.errors import ConfigError, MonojetError
from cpp_helpers import declare
from cpp_helpers.errors import Diagnostics, diagnostics
from selections.cuts import Cut, Definition, Region
from selections.selection import Selection


def define(
    df: Any, definitions: Iterable[Definition], keys: Mapping[str, str] | None = None
) -> Any:
    """Return the data frame with the defined columns, named by `analysis.formats.columns.own`.

    ``keys`` are those of the configuration that define columns, for messages.

    Raises:
        ConfigError: an expression does not compile.
    """
    helpers, names = declare(), names_of(df)
    for definition in definitions:
        name = own(definition.name)
        key = (keys or {}).get(definition.name, definition.name)
        with compiling(key, definition.expression):
            df = helpers.define(df, name, renamed(definition.expression, names))
        names[definition.name] = name
    return df


@contextlib.contextmanager
def compiling(key: str, expression: str) -> Iterator[None]:
    """Turn an error of the C++ compiler into one that names the key of the expression.

    Raises:
        ConfigError: the expression does not compile.
    """
    messages = Diagnostics()
    try:
        with diagnostics(messages):
            yield
    except MonojetError:
        raise
    except Exception as error:  # whatever cppyy makes of a C++ exception
        cause = messages.first_error().replace(PREFIX, "") or (
            "its type does not fit: a cut is true or false (of vectors Any(…) or All(…)), a "
            "quantity a number or a vector of numbers"
        )
        raise ConfigError(f"'{key}': '{expression}' does not compile: {cause}") from error


def define_per_sample(df: Any, name: str, expression: str) -> Any:
    """Return the data frame with a column that is constant within a sample."""
    return declare().define_per_sample(df, own(name), expression)


def apply_cut(df: Any, cut: Cut, key: str = "") -> Any:
    """Return the events that pass a cut; ``key`` is that of the configuration, for messages.

    Raises:
        ConfigError: its expression does not compile.
    """
    with compiling(key or cut.name, cut.expression):
        return declare().apply_cut(df, renamed(cut.expression, names_of(df)), cut.name)


def without_blind(df: Any, selection: Selection, *, data: bool) -> Any:
    """Return the events that may be shown: of data, those outside of all blind regions."""
    if not data or selection.not_blind is None:
        return df
    return apply_cut(df, Cut("blind", selection.not_blind, ""), "selection.blind")


def names_of(df: Any) -> dict[str, str]:
    """Return the names of our columns in a data frame, by their names in expressions."""
    defined = map(str, df.GetDefinedColumnNames())
    return {name.removeprefix(PREFIX): name for name in defined if name.startswith(PREFIX)}


def define_summary(
    df: Any,
    definitions: Iterable[Definition],
    regions: Iterable[Region],
    quantities: Iterable[str],
    weight: str = "weight",
) -> Any:
    """Return the data frame with column ``event_summary``, a ``monojet::EventSummary``, with the
    weight of this expression.

    Bit i of its ``regions`` is set if the event passes the i-th region.

    The definitions become local variables of one expression, as compiling a column for each takes
    ten times as long.
    """
    definitions = list(definitions)
    lines = [f"const auto {d.name} = {d.expression};" for d in definitions]
    bits = [f"((unsigned long long)({r.expression}) << {i})" for i, r in enumerate(regions)]
    floats = ", ".join(f"float({quantity})" for quantity in quantities)
    lines.append(
        "return monojet::EventSummary{(unsigned int)run_number, (unsigned long long)event_number,"
        f" double({weight}), {' | '.join(bits) or '0ull'}, {{{floats}}}}};"
    )
    local = {d.name: own(d.name) for d in definitions}
    return define(df, [Definition("event_summary", renamed("\n".join(lines), local))])


def apply_region(df: Any, regions: Iterable[str], name: str) -> Any:
    """Return the events that pass one of the regions given to `define_summary`."""
    bit = list(regions).index(name)
    return apply_cut(df, Cut(name, f"bool(event_summary.regions >> {bit} & 1)", name))
