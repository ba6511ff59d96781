"""Texts and legends stay within their figures."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plots import fit, style

LONG = "electroweak production of two bosons in association with jets, to leptons and neutrinos"
FORMULA = r"$p_\mathrm{T} > 250 \mathrm{ GeV, and more}$"


def test_lines_fit_and_keep_all_words() -> None:
    lines = fit.wrapped(f"{LONG} {FORMULA}", 2.5, 12).split("\n")
    assert len(lines) > 2
    assert " ".join(lines) == f"{LONG} {FORMULA}"
    assert all(fit.width(line, 12) <= 2.5 for line in lines if FORMULA not in line)
    assert sum(FORMULA in line for line in lines) == 1
    assert fit.wrapped("short", 2.5, 12) == "short"
    assert fit.wrapped("", 2.5, 12) == ""


def test_a_long_expression_breaks_after_signs() -> None:
    expression = "Sum(jet_pt[jet_pt>30&&abs(jet_eta)<2.8])/max(met_no_muons,1.f)"
    lines = fit.wrapped(expression, 2.0, 12).split("\n")
    assert "".join(lines) == expression
    assert all(not line[-1].isalnum() for line in lines[:-1])
    assert len(fit.wrapped("x" * 100, 2.0, 12).split("\n")) > 3


@pytest.mark.parametrize("text", ["a $ b", r"5 \$ more", "a $b c$d e"])
def test_dollars_are_kept(text: str) -> None:
    assert " ".join(fit.wrapped(text, 0.6, 12).split()) == text


@style.styled()
def drawn(labels: list[str], title: str | None = None) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    figure.subplots()
    fit.legend(figure, [Line2D([], [], label=label) for label in labels], title)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("labels", [["a", "b"], [LONG, "b"], [LONG + LONG] * 2, ["b"] * 30])
def test_legends_fit(labels: list[str]) -> None:
    figure = drawn(labels, LONG if LONG in labels else None)
    extent = figure.legends[0].get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.get_figwidth() * figure.dpi
    shown = [" ".join(text.get_text().split()) for text in figure.legends[0].get_texts()]
    assert shown == labels
    assert figure.axes[0].get_window_extent().height > 1.5 * figure.dpi


def test_figures_grow_with_large_legends_only() -> None:
    assert drawn(["a", "b"]).get_figheight() == 4
    assert drawn(["b"] * 30).get_figheight() > 4


@style.styled()
def test_headings_fit_and_say_what_is_hidden() -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    fit.heading(figure, 36.1, LONG, hidden=True)
    assert " ".join(figure.get_suptitle().split()).endswith(f"{LONG}, data hidden")
    assert "simulation" in figure.get_suptitle()
    assert figure.texts[0].get_window_extent().width <= 6 * figure.dpi
