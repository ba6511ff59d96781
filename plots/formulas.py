"""Remember parsed formulas for all figures of a process.

The numbers at axes are formulas, too, and figures have most of them in common. Matplotlib parses
them anew for each figure and each of its formats, and remembers the last 50 only.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

_REMEMBERED = 2048  # formulas: several times those of a run

_parse = MathTextParser.parse


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Parse each formula once per process; only for figures whose settings are the same."""
    with patch.object(MathTextParser, "parse", _parse_once):
        yield


@dataclass(frozen=True)
class _Parser:
    """A parser, equal to all that make the same kind of output."""

    output: str
    parser: Any = field(compare=False)


def _parse_once(
    parser: Any,
    text: str,
    dpi: float = 72,
    prop: FontProperties | None = None,
    *,
    antialiased: bool | None = None,
) -> Any:
    font = None if prop is None else prop.copy()  # it may change later
    smooth = rcParams["text.antialiased"] if antialiased is None else antialiased
    return _parsed(_Parser(parser._output_type, parser), text, dpi, font, smooth)


@functools.lru_cache(_REMEMBERED)
def _parsed(
    parser: _Parser, text: str, dpi: float, font: FontProperties | None, smooth: bool
) -> Any:
    return _parse(parser.parser, text, dpi, font, antialiased=smooth)
