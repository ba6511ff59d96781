"""Types of columns, as ROOT prints them, and those in which a skim holds them."""

from __future__ import annotations

import pytest

from analysis.skims.column_types import element_of, stored_type


@pytest.mark.parametrize(
    ("found", "stored"),
    [
        ("float", "float"),
        ("Bool_t", "bool"),
        ("std::int8_t", "short"),
        ("char", "short"),
        ("unsigned long", "unsigned long long"),
        ("std::size_t", "unsigned long long"),
        ("Double32_t", "double"),
        ("ROOT::VecOps::RVec<Float_t>", "ROOT::VecOps::RVec<float>"),
        ("ROOT::VecOps::RVec<unsigned long>", "ROOT::VecOps::RVec<unsigned long long>"),
        ("std::vector<std::int8_t>", "ROOT::VecOps::RVec<short>"),
        ("vector<int, std::allocator<int> >", "ROOT::VecOps::RVec<int>"),
        ("std::string", None),
        ("long double", None),
        ("ROOT::VecOps::RVec<std::string>", None),
        ("ROOT::VecOps::RVec<ROOT::VecOps::RVec<float>>", None),
        ("std::vector<std::vector<float>>", None),
        ("ROOT::Math::PtEtaPhiMVector", None),
    ],
)
def test_stored_types(found: str, stored: str | None) -> None:
    assert stored_type(found) == stored


def test_elements() -> None:
    assert element_of("ROOT::VecOps::RVec<unsigned long long>") == "unsigned long long"
    assert element_of("unsigned long long") is None
