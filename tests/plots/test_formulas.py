"""Formulas that figures have in common are parsed once, and look as without this."""

from __future__ import annotations

import io

import matplotlib.style
import pytest
from matplotlib.figure import Figure

from plots import formulas, style


def drawn(text: str) -> bytes:
    figure = Figure()
    figure.subplots().set_title(text)
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def test_figures_share_their_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    parse = formulas._parse

    def counted(parser: object, text: str, *rest: object, **named: object) -> object:
        parsed.append(text)
        return parse(parser, text, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(formulas, "_parse", counted)
    with style.styled():
        first, second = drawn(r"$\alpha_{31}$"), drawn(r"$\alpha_{31}$")
    assert parsed.count(r"$\alpha_{31}$") == 1
    assert first == second


def test_remembered_formulas_look_the_same() -> None:
    text = r"$\sqrt{s}$ = 13 TeV, $10^{-3}$"
    with style.styled():
        drawn(text)
        remembered = drawn(text)
    with matplotlib.style.context(["default", style._SETTINGS]):
        assert drawn(text) == remembered
