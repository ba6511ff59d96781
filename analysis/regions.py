"""Selections applied to an RDataFrame: definitions, filters, region flags.

A data frame here is ROOT's common node type, ``RNode``: ``native.open_range`` gives one, and each
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


def define_region_bits(df: Any, regions: Iterable[Region]) -> Any:
    """Column ``region_bits``: bit i says whether the event passes the i-th region."""
    terms = [f"((unsigned long long)({r.expression}) << {i})" for i, r in enumerate(regions)]
    return define(df, [Definition("region_bits", " | ".join(terms) or "0ull")])
