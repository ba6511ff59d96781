"""What holds for the description of every format."""

from __future__ import annotations

import re

import pytest

from analysis.columns import CANONICAL, names_in
from analysis.inputs.format import IS_DATA, Column, Format
from analysis.inputs.formats import FORMATS, overview, tables
from tests.conftest import REPOSITORY

EACH = pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)


def test_the_documentation_has_the_tables_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "inputs.md").read_text()
    for table in tables():
        assert table in page, "paste what python -m analysis.inputs.formats prints"
    assert all(f"`{name}`" in overview() for name in CANONICAL)


@EACH
def test_columns_are_canonical_and_sources_are_used(one: Format) -> None:
    assert one.columns.keys() <= CANONICAL.keys()
    assert one.markers | one.only_simulated <= one.sources.keys()
    used = frozenset().union(*map(one.sources_of, one.columns))
    assert used | {one.cross_section, one.sum_of_weights} >= one.sources.keys()


@EACH
def test_expressions_are_such_as_rdataframe_reads(one: Format) -> None:
    """It takes a function's name for a column of that name, and fails on what ends in .e or .E."""
    for column in one.columns.values():
        assert not column.expression.endswith((".e", ".E"))
        called = set(re.findall(r"(\w+)\s*\(", column.expression))
        assert not called & (one.sources.keys() | CANONICAL.keys() | {IS_DATA})


def test_what_a_column_is_made_of() -> None:
    one = Format(
        name="one",
        title="",
        trees=("t",),
        markers=frozenset(),
        sources={"met": "float", "e": "float", "pt": "float"},
        columns={
            "met": Column("met / 1000"),
            "jet_pt": Column("pt / 1000"),
            "jet_mass": Column("f(e, jet_pt)"),
            "weight": Column("1."),
        },
    )
    assert one.sources_of("met") == {"met"}
    assert one.sources_of("jet_mass") == {"e", "pt"}
    assert one.given({"met", "e"}) == {"met", "weight"}
    assert names_in("a_1 + b.c / 2e3f") >= {"a_1", "b", "c"}
