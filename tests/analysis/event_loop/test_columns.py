"""Types and expressions of columns."""

from __future__ import annotations

import pytest

from analysis.event_loop.columns import of_the_language


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("float", True),
        ("unsigned long long", True),
        ("ROOT::VecOps::RVec<unsigned char>", True),
        ("ROOT::RVec<bool>", True),
        ("ROOT::VecOps::RVec<vector<float>>", True),
        ("ROOT::VecOps::RVec<std::string>", True),
        ("TLorentzVector", False),
        ("ROOT::VecOps::RVec<TLorentzVector>", False),
        ("ROOT::VecOps::RVec<ROOT::Math::LorentzVector<ROOT::Math::PtEtaPhiM4D<float>>>", False),
        ("vector<", False),
    ],
)
def test_types_that_need_no_dictionary(kind: str, expected: bool) -> None:
    assert of_the_language(kind) is expected
