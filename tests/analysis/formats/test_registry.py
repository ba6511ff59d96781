"""What holds for the description of every format."""

from __future__ import annotations

import re

import pytest

from analysis.formats.columns import CANONICAL, names_in
from analysis.formats.format import IS_DATA, Column, ColumnGroup, Format, sources
from analysis.formats.registry import FORMATS, listing, overview, page
from tests.conftest import REPOSITORY

EACH = pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)


def test_the_documentation_has_the_tables_of_the_code() -> None:
    docs = REPOSITORY / "docs"
    assert (docs / "columns.md").read_text() == page(), "python -m analysis.formats.registry"
    for table in (listing(), overview()):
        assert table in (docs / "inputs.md").read_text(), table


@EACH
def test_sources_are_used(one: Format) -> None:
    assert one.markers | one.mc_only <= one.sources.keys()
    assert one.used() | {one.cross_section, one.sum_of_weights} >= one.sources.keys() - one.markers
    for name in CANONICAL:
        assert (name in one.chosen(one.sources)) == (one.how(name) != "impossible"), name


@EACH
def test_expressions_are_such_as_rdataframe_reads(one: Format) -> None:
    """It takes a function's name for a column of that name, and fails on what ends in .e or .E."""
    names = one.sources.keys() | CANONICAL.keys() | {IS_DATA}
    for column in (column for group in one.groups for column in group.columns.values()):
        assert not column.expression.endswith((".e", ".E"))
        assert not set(re.findall(r"(\w+)\s*\(", column.expression)) & names
        assert not set(re.findall(r"\.(\w+)", column.expression)) & names


def test_a_column_is_made_if_all_is_there_that_it_is_made_of() -> None:
    one = Format(
        name="one",
        title="",
        trees=("t",),
        markers=frozenset(),
        sources=sources(("met", "energy", "pt", "x"), "float"),
        groups=(
            ColumnGroup({"met": Column("met / 1000"), "weight": Column("1.")}),
            ColumnGroup(
                {"jet_pt": Column("pt / 1000"), "jet_mass": Column("f(energy, jet_pt)")},
                needs=frozenset({"pt"}),
            ),
            ColumnGroup({"particle_pt": Column("x"), "all": Column("g(x)")}),
            ColumnGroup(
                {
                    "jet_pt": Column("all.transverse", "derived"),
                    "jet_mass": Column("all.mass"),
                    "jet_width": Column("all.width"),
                },
                needs=frozenset({"all"}),
            ),
        ),
    )
    assert set(one.chosen({"met", "energy"})) == {"met", "weight"}
    assert set(one.chosen({"pt", "energy"})) == {"weight", "jet_pt", "jet_mass"}
    both = one.chosen({"pt", "x"})
    assert set(both) == {"weight", "jet_pt", "particle_pt", "all"}  # jets of one place alone
    assert both["jet_pt"].expression == "pt / 1000"
    other = one.chosen({"x"})
    assert set(other) == {"weight", "particle_pt", "all", "jet_pt", "jet_mass", "jet_width"}
    assert one.how("jet_pt") == "read or derived"
    assert one.how("tau_pt") == "impossible"
    assert one.missing_source("jet_mass", {"pt"}) == "energy"
    assert one.missing_source("jet_width", set()) == "x"
    assert one.missing_source("tau_pt", set()) is None
    assert names_in("a_1 + b.c / 2e3f") >= {"a_1", "b", "c"}
