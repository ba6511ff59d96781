"""Compute the ticks of axes and the layout of texts once for as long as they are unchanged.

Matplotlib computes both a dozen times while it arranges and draws a figure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from matplotlib.axis import Axis
from matplotlib.text import Text


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Remember ticks and layouts; only while nothing but the layout of a figure, its resolution and
    its format change."""
    with contextlib.ExitStack() as stack:
        for kind, name, state in (
            (Axis, "_update_ticks", _state_of_ticks),
            (Text, "_get_layout", _state_of_text),
        ):
            stack.enter_context(patch.object(kind, name, _once(getattr(kind, name), state)))
        yield


def _once(compute: Callable[..., Any], state: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that computes anew where the state of its object differs from the last."""
    found: dict[Any, tuple[Any, Any]] = {}

    def method(artist: Any, *given: Any) -> Any:
        now = state(artist, *given)
        before, result = found.get(artist, (None, None))
        if now != before:
            result = compute(artist, *given)
            found[artist] = now, result
        return result

    return method


def _state_of_ticks(axis: Axis) -> Any:
    """Return what the ticks of an axis depend on."""
    return (
        *axis.get_view_interval(),
        *axis.axes.bbox.size,  # which says how many ticks have room
        axis.axes.figure.dpi,
        axis.get_scale(),
        *(axis.get_major_locator(), axis.get_minor_locator()),
        *(axis.get_major_formatter(), axis.get_minor_formatter()),
    )


def _state_of_text(text: Text, renderer: Any) -> Any:
    """Return what the layout of a text depends on."""
    figure = text.get_figure(root=True)
    return (
        type(renderer),
        figure and figure.dpi,
        text.get_text(),
        text.get_fontsize(),
        text.get_rotation(),
        text.get_horizontalalignment(),
        text.get_verticalalignment(),
    )
