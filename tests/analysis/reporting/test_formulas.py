"""Formulas become MathML; what cannot be converted stays as text."""

from __future__ import annotations

import pytest

from analysis.reporting.formulas import length, mathml


def test_words_are_one_upright_element() -> None:
    found = mathml(r"E_\mathrm{T}^\mathrm{miss} > 250")
    assert "<msubsup><mi>E</mi><mtext>T</mtext><mtext>miss</mtext></msubsup>" in found
    assert found.startswith("<math")
    assert "http" not in found


def test_bars_stand_close() -> None:
    assert mathml(r"|\eta|").count('lspace="0" rspace="0"') == 2


@pytest.mark.parametrize(
    "formula",
    ["", "x_", "{", r"\frac{", r"\left(", r"\begin{x}", r"a^b^c", r"\genfrac", r"\hspace{ }"],
)
def test_an_unfinished_formula_stays_as_text(formula: str) -> None:
    assert mathml(formula) == f"<code>{formula}</code>"


def test_an_unknown_command_stays_as_text() -> None:
    assert mathml(r"a < \foo{x}") == r"<code>a &lt; \foo{x}</code>"


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("plain _text_", 12),
        ("$x$", 1),
        (r"$E_\mathrm{T}^\mathrm{miss} > 250$ GeV", 16),
        (r"$\Delta\phi$", 2),
    ],
)
def test_lengths_are_those_of_what_is_drawn(text: str, characters: int) -> None:
    assert length(text) == characters
