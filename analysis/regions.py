"""Selections applied to an RDataFrame: definitions, filters, region flags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from selections.cuts import Cut, Definition, Region


def define(df: Any, definitions: Iterable[Definition]) -> Any:
    """The data frame with the columns of the definitions."""
    for definition in definitions:
        df = df.Define(definition.name, definition.expression)
    return df


def require(df: Any, cut: Cut) -> Any:
    """The events of ``df`` that pass a cut."""
    return df.Filter(cut.expression, cut.name)


def define_region_bits(df: Any, regions: Iterable[Region]) -> Any:
    """Column ``region_bits``: bit i says whether the event passes the i-th region."""
    terms = [f"((unsigned long long)({r.expression}) << {i})" for i, r in enumerate(regions)]
    return df.Define("region_bits", " | ".join(terms) or "0ull")
