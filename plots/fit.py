"""Fit texts and legends into figures: break long lines, and use fewer columns."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.textpath import TextToPath

from plots import style

_POINTS = 72.0  # per inch
_MEASURE = TextToPath()
_MARGIN = 0.35  # inches, at both sides of a figure together
_HANDLE = 0.8  # inches, of a legend's entry besides its label
_LINES = 3  # of a label in a legend, if possible
_LEGEND = 1.5  # inches, the height of a legend that a figure has room for


def width(text: str, size: float) -> float:
    """Return the width in inches of a line of text of ``size`` points."""
    math = is_math_text(text)
    shown, font = text if math else text.replace(r"\$", "$"), FontProperties(size=size)
    return float(_MEASURE.get_text_width_height_descent(shown, font, math)[0]) / _POINTS


def wrapped(text: str, inches: float, size: float) -> str:
    """Return a text of ``size`` points in lines that fit into ``inches``.

    Lines end at spaces, or anywhere in a word that does not fit, but never within a formula.
    """
    lines = [""]
    for word in re.findall(r"(?:(?<!\\)\$.*?(?<!\\)\$|\S)+", text):
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, size) <= inches:
            lines[-1] = longer
        else:
            lines += _pieces(word, inches, size)
    return "\n".join(line for line in lines if line)


def _pieces(word: str, inches: float, size: float) -> list[str]:
    """Return a word in pieces that fit, as far as it has no formula, with signs at their ends."""
    if "$" in word or width(word, size) <= inches:
        return [word]
    pieces = [""]
    for part in re.findall(r"[\w.]+\W?|\W", word):
        for letters in [part] if width(part, size) <= inches else part:
            if width(pieces[-1] + letters, size) > inches:
                pieces.append("")
            pieces[-1] += letters
    return pieces


def fit(text: Text, inches: float) -> None:
    """Break a text of a figure into lines that fit into ``inches``."""
    text.set_text(wrapped(text.get_text(), inches, float(text.get_fontsize())))


def heading(
    figure: Figure,
    luminosity: float,
    text: str = "",
    *,
    data: bool = False,
    hidden: bool = False,
) -> None:
    """Write the line above a figure, as `style.heading` does, in as many lines as it needs; it says
    whether data are shown or ``hidden``."""
    parts = [text, "data hidden" if hidden else ""]
    style.heading(figure, luminosity, ", ".join(part for part in parts if part), data)
    for drawn in figure.texts:
        if drawn.get_text() == figure.get_suptitle():
            fit(drawn, figure.get_figwidth() - _MARGIN)


def legend(
    figure: Figure, handles: Sequence[Any], title: str | None = None, columns: int = 3
) -> Legend:
    """Draw a legend below a figure, which grows by what the legend needs beyond its usual height.

    Where labels do not fit into the columns, they have several lines, or there are fewer columns,
    whatever needs less height.
    """
    inches = figure.get_figwidth() - _MARGIN

    def drawn(number: int) -> Legend:
        return figure.legend(handles=handles, loc="outside lower center", ncols=number, title=title)

    found = drawn(columns)
    if found.get_window_extent().width / figure.dpi > inches:
        found.remove()
        size = float(found.get_texts()[0].get_fontsize())
        labels = [str(handle.get_label()) for handle in handles]
        choices = {
            number: [wrapped(label, inches / number - _HANDLE, size) for label in labels]
            for number in range(1, columns + 1)
        }
        best = min(choices, key=lambda number: _height(choices[number], number))
        found = drawn(best)
        for text, lines in zip(found.get_texts(), choices[best], strict=True):
            text.set_text(lines)
        fit(found.get_title(), inches)
    height = found.get_window_extent().height / figure.dpi
    figure.set_figheight(figure.get_figheight() + max(0.0, height - _LEGEND))
    return found


def _height(labels: Sequence[str], columns: int) -> tuple[bool, int]:
    """Return whether labels have many lines, and the lines of the longest of some columns."""
    lines = [label.count("\n") + 1 for label in labels]
    rows = math.ceil(len(lines) / columns)
    return max(lines) > _LINES, max(sum(lines[i : i + rows]) for i in range(0, len(lines), rows))
