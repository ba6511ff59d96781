"""What is remembered while a figure is saved does not change its look."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from plots import style, unchanged


def made() -> Figure:
    figure = Figure(layout="constrained")
    for axes in figure.subplots(2, 2, sharex=True)[0]:
        axes.set(xlim=(0, 3), ylim=(1, 1e5), yscale="log", ylabel="$y$", title="title")
    return figure


def drawn(figure: Figure, kind: str) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format=kind, metadata={"CreationDate": None} if kind == "pdf" else None)
    return written.getvalue()


def view(axes: Axes) -> None:
    axes.set_ylim(1e-3, 1e2)


def scale(axes: Axes) -> None:
    axes.set_yscale("linear")


def size(axes: Axes) -> None:
    axes.set_position((0.4, 0.4, 0.1, 0.1))


def label(axes: Axes) -> None:
    axes.set_ylabel("another", rotation=20)


def before_and_after(change: Callable[[Axes], None]) -> list[bytes]:
    """A figure in both formats, and again after a change."""
    figure = made()
    pictures = [drawn(figure, kind) for kind in ("png", "pdf")]
    change(figure.axes[0])
    return [*pictures, *(drawn(figure, kind) for kind in ("png", "pdf"))]


@pytest.mark.parametrize("change", [view, scale, size, label])
def test_changes_are_drawn(change: Callable[[Axes], None]) -> None:
    with style.styled():
        usual = before_and_after(change)
        with unchanged.remembered():
            assert before_and_after(change) == usual
    assert len({*usual}) == 4


def test_little_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[object] = []
    layout = vars(Text)["_get_layout"]

    def counted(text: Text, renderer: object) -> object:
        computed.append(text)
        return layout(text, renderer)

    monkeypatch.setattr(Text, "_get_layout", counted)
    with style.styled():
        drawn(made(), "png")
        usual = len(computed)
        with unchanged.remembered():
            drawn(made(), "png")
    assert len(computed) - usual < 0.5 * usual


def test_methods_are_those_of_matplotlib_again() -> None:
    methods = [vars(Axis)["_update_ticks"], vars(Text)["_get_layout"]]
    with unchanged.remembered():
        assert methods[0] is not vars(Axis)["_update_ticks"]
        assert methods[1] is not vars(Text)["_get_layout"]
    assert methods == [vars(Axis)["_update_ticks"], vars(Text)["_get_layout"]]
