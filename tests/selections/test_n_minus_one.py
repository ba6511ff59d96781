"""The quantities of cuts, their bins and thresholds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selections import monojet36
from selections.cuts import Axis, Cut, Region
from selections.n_minus_one import NMinusOne, Threshold, n_minus_one, without_quantity

SELECTION = monojet36.SELECTION


def of(*cuts: Cut) -> list[NMinusOne]:
    return n_minus_one(SELECTION, Region("A", cuts))


def cut(expression: str, axis: Axis | None = None) -> Cut:
    return Cut("cut", expression, expression, axis)


@pytest.mark.parametrize(
    ("expression", "thresholds"),
    [
        ("met > 250", [(250.0, True)]),
        ("250 < met && met <= 400", [(250.0, True), (400.0, False)]),
        # between whole numbers, where bins end
        ("n_jets <= 4", [(4.5, False)]),
        ("n_jets < 4", [(3.5, False)]),
        ("n_jets > 1", [(1.5, True)]),
        ("n_muons == 1", [(0.5, True), (1.5, False)]),
        ("n_muons != 1", [(1.0, None)]),
    ],
)
def test_thresholds(expression: str, thresholds: list[tuple[float, bool | None]]) -> None:
    (one,) = of(cut(expression))
    assert one.thresholds == tuple(Threshold(*each) for each in thresholds)
    assert one.axis.edges[0] < min(t.value for t in one.thresholds)
    assert one.axis.edges[-1] > max(t.value for t in one.thresholds)


def test_all_other_cuts_and_other_quantities_remain() -> None:
    found = of(Cut("a", "x > 1", ""), Cut("b", "y > 2 && abs(z) < 3 && trigger", ""))
    assert {one.name: one.others for one in found} == {
        "a": ("y > 2 && abs(z) < 3 && trigger",),
        "b": ("x > 1", "abs(z) < 3", "trigger"),
        "b_2": ("x > 1", "y > 2", "trigger"),
    }
    assert [one.cut for one in found] == ["a", "b", "b"]


def test_an_axis_of_the_cut_comes_first() -> None:
    axis = Axis("x", (0.0, 1.0, 5.0), "the axis")
    (one,) = of(cut("x > 1 && y", axis))
    assert (one.axis, one.others) == (axis, ("y",))
    (one,) = of(cut("x > (y ? 1 : 2)", axis))
    assert (one.axis, one.thresholds, one.others) == (axis, (), ())


def test_a_cut_without_quantity_is_named() -> None:
    region = Region("A", (Cut("trigger", "trigger", ""), Cut("met", "met > 1", "")))
    assert without_quantity(region) == ["trigger"]
    assert [one.name for one in n_minus_one(SELECTION, region)] == ["met"]


def test_labels_are_those_of_histograms_or_of_the_selection() -> None:
    (one,) = of(cut("met_no_muons > 250"))
    assert one.axis.label == monojet36.MET_LABEL
    (one,) = n_minus_one(replace(SELECTION, labels={"q": "Q"}), Region("A", (cut("q > 1"),)))
    assert one.axis.label == "Q"
