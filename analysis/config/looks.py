"""Labels and colours that a configuration gives to processes, checked before anything is drawn."""

from __future__ import annotations

import difflib
import functools
import re
from typing import Any

from common.runtime.errors import did_you_mean


def colour_code(value: Any) -> Any:
    """Return a colour as ``#rrggbb``; what is no text is returned as it is.

    Raises:
        ValueError: it is empty, or no colour.
    """
    if value is None:
        raise ValueError(
            "the value is missing: quote a colour that begins with #, as YAML takes the rest of "
            "the line for a comment: '#0072b2'"
        )
    if not isinstance(value, str):
        return value
    if re.fullmatch("#[0-9a-fA-F]{6}", value):
        return value.lower()
    from matplotlib.colors import CSS4_COLORS  # imported only where a name is given

    try:
        return str(CSS4_COLORS[value.lower()]).lower()
    except KeyError:
        near = difflib.get_close_matches(value.lower(), CSS4_COLORS, n=1, cutoff=0.75)
        hint = did_you_mean(value.lower(), near)
        raise ValueError(
            f"'{value}' is neither '#rrggbb' nor the name of a colour in CSS{hint}"
        ) from None


@functools.cache
def require_label(label: str) -> None:
    r"""Stop if a label cannot be drawn, or would be missing from legends.

    Raises:
        ValueError: it is empty, begins with _, spans several lines, has an odd number of $ that are
            not written ``\$``, or is no valid mathtext.
    """
    if not label.strip():
        raise ValueError("a label needs a text")
    if "\n" in label:
        raise ValueError("a label is one line")
    if label.startswith("_"):
        raise ValueError(f"'{label}': legends leave out labels that begin with _")
    dollars = len(re.findall(r"(?<!\\)\$", label))
    if dollars % 2:
        raise ValueError(rf"'{label}': a $ has no partner: write \$ for a dollar sign")
    if dollars:
        _require_mathtext(label)


def _require_mathtext(label: str) -> None:
    from matplotlib.mathtext import MathTextParser  # imported only where a label has formulas

    try:
        MathTextParser("path").parse(label)
    except ValueError as error:
        cause = str(error).strip().splitlines()[-1].partition("Exception: ")[2]
        raise ValueError(f"'{label}' is not valid mathtext: {cause or error}") from None
