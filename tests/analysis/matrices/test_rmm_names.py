"""Names of the elements of a rapidity-mass matrix."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from analysis.matrices.rmm_names import Types, dimension, label, names

THREE_LEPTON = (("jet", 6), ("bjet", 6), ("electron", 5), ("muon", 5))
TYPES = st.lists(
    st.tuples(st.from_regex(r"[A-Za-z]{1,6}", fullmatch=True), st.integers(0, 12)),
    max_size=5,
    unique_by=lambda x: x[0],
)


def test_a_small_matrix_in_full() -> None:
    assert names([("jet", 2), ("muon", 1)]) == (
        *("met", "mt_jet1", "mt_jet2", "mt_muon1"),
        *("hl_jet1", "et_jet1", "m_jet1_jet2", "m_jet1_muon1"),
        *("hl_jet2", "h_jet2_jet1", "det_jet2", "m_jet2_muon1"),
        *("hl_muon1", "h_muon1_jet1", "h_muon1_jet2", "et_muon1"),
    )


def test_elements_of_the_three_lepton_matrix_are_in_their_places() -> None:
    found = names(THREE_LEPTON)
    assert dimension(THREE_LEPTON) == 23
    for row, column, name in (
        *((0, 0, "met"), (0, 7, "mt_bjet1"), (13, 0, "hl_electron1")),
        *((13, 13, "et_electron1"), (22, 22, "det_muon5"), (1, 19, "m_jet1_muon2")),
        *((13, 2, "h_electron1_jet2"), (6, 7, "m_jet6_bjet1"), (7, 6, "h_bjet1_jet6")),
    ):
        assert found[23 * row + column] == name


@given(types=TYPES)
def test_names_are_unique_identifiers_with_labels_of_their_own(types: Types) -> None:
    found = names(types)
    assert len(found) == len(set(found)) == dimension(types) ** 2
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in found)
    assert len({label(name) for name in found}) == len(found)


def test_no_objects_leave_the_missing_transverse_momentum() -> None:
    assert names([]) == names([("jet", 0)]) == ("met",)


@pytest.mark.parametrize(
    ("types", "cause"),
    [
        ([("jet1", 2)], "only letters"),
        ([("b_jet", 2)], "only letters"),
        ([("", 2)], "only letters"),
        ([("jet", 2), ("jet", 1)], "twice"),
        ([("jet", -1)], "-1 slots"),
    ],
)
def test_types_that_would_not_give_unique_names_are_refused(types: Types, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        names(types)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("met", r"$E_\mathrm{T}^\mathrm{miss}/\sqrt{s}$"),
        ("mt_bjet1", r"$m_\mathrm{T}(b_{1})/\sqrt{s}$"),
        ("hl_electron12", r"$h_\mathrm{L}(e_{12})$"),
        ("et_photon1", r"$E_\mathrm{T}(\gamma_{1})/\sqrt{s}$"),
        ("det_jet2", r"$\delta e_\mathrm{T}(j_{2})$"),
        ("m_jet1_muon2", r"$m(j_{1}, \mu_{2})/\sqrt{s}$"),
        ("h_fatjet1_jet2", r"$h(\mathrm{fatjet}_{1}, j_{2})$"),
    ],
)
def test_labels(name: str, expected: str) -> None:
    assert label(name) == expected


def test_every_label_is_one_that_figures_can_show() -> None:
    parser = MathTextParser("path")
    for name in names([("jet", 2), ("muon", 1), ("fatjet", 1)]):
        parser.parse(label(name))


@pytest.mark.parametrize(
    "name", ["", "jet1", "m_jet1", "mt_jet1_jet2", "et_jet0", "met1", "m_jet1_"]
)
def test_what_names_no_element_has_no_label(name: str) -> None:
    with pytest.raises(ValueError, match="not an element"):
        label(name)
