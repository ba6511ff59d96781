r"""Formulas in LaTeX as MathML, which browsers draw by themselves, and as plain characters."""

from __future__ import annotations

import functools
import html
import re

from latex2mathml.converter import convert

_UPRIGHT = re.compile(r"\\(?:mathrm|rm)\s*\{([A-Za-z ]+)\}")
_UNKNOWN = re.compile(r">\\[A-Za-z]")
_STYLES = re.compile(r"\\(?:mathrm|mathbf|text|bar|sqrt)\b\s*")
_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # which HTML implies

_BAR = '<mo stretchy="false">&#x0007C;</mo>'
_FENCE = '<mo stretchy="false" lspace="0" rspace="0">&#x0007C;</mo>'  # not the spaces of "divides"


@functools.cache
def mathml(latex: str) -> str:
    """Return a formula as MathML; one that cannot be converted as its text."""
    words = _UPRIGHT.sub(r"\\text{\1}", latex)  # one element, not one for each letter
    try:
        converted = convert(words)
    except Exception:  # whatever a user's formula makes the converter raise
        return _as_text(latex)
    if _UNKNOWN.search(converted):  # a command that the converter passes on
        return _as_text(latex)
    return converted.replace(_NAMESPACE, "").replace(_BAR, _FENCE)


def _as_text(latex: str) -> str:
    return f"<code>{html.escape(latex)}</code>"


def length(text: str) -> int:
    """Return about how many characters wide a text with ``$formulas$`` is drawn."""
    if "$" not in text:
        return len(text)
    drawn = re.sub(r"\\[A-Za-z]+", "x", _STYLES.sub("", text))
    return len(re.sub(r"[${}^_\\]", "", drawn))
