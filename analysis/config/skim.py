"""Section ``skim``: columns of the events of a region, written to one file per sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from analysis.config.base import KeyedError, Model
from analysis.formats.columns import CANONICAL, FORMER
from common.runtime.errors import did_you_mean
from selections.cuts import used_definitions
from selections.selection import Selection, weight_inputs

KEYS = ("run_number", "event_number")
"""Columns with the identity of an event, in each skim."""
WEIGHT = "weight"
"""The weight of an event, in each skim."""
EXPECTED = "expected"
"""The expected events that it stands for, where they are known."""


class Skim(Model):
    """Which columns of which events are written, and how."""

    region: str | None = Field(None, description="events in this region; null: all events")
    columns: tuple[str, ...] = Field(
        min_length=1,
        description="columns, beside run_number, event_number, weight and expected: canonical "
        "ones, those of 'columns', or definitions of the selection",
    )
    format: Literal["rntuple", "ttree", "parquet"] = Field(
        "rntuple", description="a ROOT file with an RNTuple or a TTree, or Parquet"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Skim:
        for name in self.columns:
            if name in (*KEYS, WEIGHT, EXPECTED):
                raise KeyedError("columns", f"'{name}' is in each skim: remove it")
            if self.columns.count(name) > 1:
                raise KeyedError("columns", f"'{name}' is listed twice")
        return self

    @property
    def suffix(self) -> str:
        """Return the suffix of its files."""
        return ".parquet" if self.format == "parquet" else ".root"

    def check_columns(self, selection: Selection, further: Iterable[str]) -> None:
        """Make sure that a format, the user's ``further`` columns or the selection give the
        columns.

        Raises:
            KeyedError: nothing gives one of them.
        """
        known = [*CANONICAL, *further, *(one.name for one in selection.definitions)]
        for name in self.columns:
            if name in FORMER:
                raise KeyedError("columns", f"'{name}' is now called '{FORMER[name]}'")
            if name not in known:
                raise KeyedError(
                    "columns",
                    f"no column '{name}'{did_you_mean(name, known)}: define it under "
                    "'selection.define', or a branch of the files under 'selection.columns'",
                )

    def shows_hidden(self, selection: Selection) -> bool:
        """Return whether the events have some in which the selection hides collision data."""
        if self.region is None:
            return bool(selection.blind)
        return selection.hidden(self.region)

    def expressions(self, selection: Selection, *, data: bool) -> list[str]:
        """Return the columns, and the expressions of cuts, weights and definitions, that the skim
        of a sample uses."""
        region = None if self.region is None else selection.regions[self.region]
        expressions = [
            *(cut.expression for cut in (region.cuts if region else ())),
            *self.columns,
            *([WEIGHT] if data else weight_inputs(selection)),
            *([selection.not_blind] if data and selection.not_blind else []),
        ]
        used = used_definitions(selection.definitions, expressions)
        return [*expressions, *(one.expression for one in used)]
