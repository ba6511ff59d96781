"""What is read from a user's C++ expressions, and made safe in them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpp_helpers import declare, load_root
from selections.expressions import is_identifier, names, requirements, safe


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("muon_pt[0]", "monojet::at(muon_pt, 0)"),
        (
            "transverse_mass(muon_pt[0], muon_phi[0], met, met_phi)",
            "monojet::transverse_mass(monojet::at(muon_pt, 0), monojet::at(muon_phi, 0), met, "
            "met_phi)",
        ),
        ("monojet::delta_phi(a, b)", "monojet::delta_phi(a, b)"),
        ("jet_pt[jet_pt > 30][0]", "monojet::at(monojet::at(jet_pt, jet_pt > 30), 0)"),
        ("leptons.pt[1] > 20", "monojet::at(leptons.pt, 1) > 20"),
        ("a.b(c)[d[0]]", "monojet::at(a.b(c), monojet::at(d, 0))"),
        ("Take(jet_pt, 2)[1]", "monojet::at(Take(jet_pt, 2), 1)"),
        ("[](float x) { return x; }(met)", "[](float x) { return x; }(met)"),
        ('name == "a[0]"', 'name == "a[0]"'),
        ("x.delta_phi(1)", "x.delta_phi(1)"),
        ("AnalysisJetsAuxDyn:pt[0]", "AnalysisJetsAuxDyn:pt[0]"),
        ("a ? b : c[0]", "a ? b : monojet::at(c, 0)"),
    ],
)
def test_elements_and_helpers_are_made_safe(expression: str, made: str) -> None:
    assert safe(expression) == made
    assert safe(made) == made


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("met / sqrt(ht)", ["met", "ht"]),
        ("std::abs(jet_eta[0]) < 2.4f && true", ["jet_eta"]),
        ("leptons.pt[1] > 20 ? met : met_phi", ["leptons", "met", "met_phi"]),
        ("int(n_jets) == 2", ["n_jets"]),
        ('text == "met"', ["text"]),
        ("1e3 * x + 2.5e-3f", ["x"]),
        ("[](float x) { return x; }(met)", []),
        ("met + met", ["met"]),
    ],
)
def test_names_of_columns(expression: str, found: list[str]) -> None:
    assert names(expression) == found


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("30 < mt && mt < 100", [("mt", ">", 30.0), ("mt", "<", 100.0)]),
        ("(a > 3) && (b < 2 || c)", [("a", ">", 3.0), (None, None, None)]),
        ("((abs(x) <= 2.4f))", [("abs(x)", "<=", 2.4)]),
        ("n == 1", [("n", "==", 1.0)]),
        ("1 < x ? y > 2 : z > 3", [(None, None, None)]),
        ("!(1 < x && x < 2)", [(None, None, None)]),
        ("trigger", [(None, None, None)]),
        ("x > -1e3", [("x", ">", -1000.0)]),
    ],
)
def test_parts_of_cuts(expression: str, parts: list[tuple[object, ...]]) -> None:
    found = [(one.quantity, one.operator, one.value) for one in requirements(expression)]
    assert found == parts


def test_identifiers() -> None:
    assert is_identifier("sf_1")
    assert not any(map(is_identifier, ("1st", "double", "a.b", "a-b", "")))


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(-1e3, 1e3, width=32), max_size=5), st.integers(-2, 6))
def test_an_element_that_is_missing_is_nan(values: list[float], index: int) -> None:
    vector = load_root().std.vector("float")(values)
    found = declare().at(load_root().RVecF(vector.data(), len(values)), index)
    if 0 <= index < len(values):
        assert found == values[index]
    else:
        assert math.isnan(found)
