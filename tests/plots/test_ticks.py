"""Minor ticks that are drawn as lines look as those of matplotlib."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from plots import style, ticks


def linear(figure: Figure) -> None:
    axes: Axes = figure.subplots()
    axes.set(xlim=(3, -0.3), ylim=(0, 1), ylabel="y")


def logarithmic(figure: Figure) -> None:
    axes: Axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(1, 1e4), ylim=(2, 8))  # y: with labels


def shared(figure: Figure) -> None:
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    axes[0, 0].set(xlim=(0, 7), yscale="log", ylim=(1, 1e3))
    axes[1, 1].set_axis_off()


def own_places(figure: Figure) -> None:
    axes: Axes = figure.subplots()
    axes.set_xticks([0.1, 0.2, 5.0], minor=True)
    axes.yaxis.minorticks_off()
    axes.tick_params(which="both", right=False, direction="out")


def colour_bar(figure: Figure) -> None:
    axes: Axes = figure.subplots()
    image = axes.imshow([[1.0, 200.0]], norm="log", aspect="auto")
    figure.colorbar(image, ax=axes, extend="both")


def picture(figure: Figure) -> npt.NDArray[Any]:
    written = io.BytesIO()
    figure.savefig(written, format="png")
    written.seek(0)
    return np.asarray(imread(written))


@pytest.mark.parametrize("fill", [linear, logarithmic, shared, own_places, colour_bar])
def test_ticks_look_the_same(fill: Any) -> None:
    with style.styled():
        usual, lines = (Figure(layout="constrained") for _ in range(2))
        fill(usual)
        fill(lines)
        expected = picture(usual)
        with ticks.minor_as_lines(lines):
            assert lines.get_layout_engine() is not None
            lines.get_layout_engine().execute(lines)  # type: ignore[union-attr]
            lines.set_layout_engine(None)
        found = picture(lines)
    assert np.abs(found - expected).max() < 0.01


def test_few_ticks_are_made() -> None:
    with style.styled():
        figure = Figure()
        axes: Axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(1e-8, 1), yscale="log")
        with ticks.minor_as_lines(figure):
            pass
        picture(figure)
    assert [len(axis.get_minor_ticks()) for axis in (axes.xaxis, axes.yaxis)] == [0, 0]
    assert len(axes.lines) == 4


def test_numbers_are_formulas_only_where_they_need_to_be() -> None:
    with style.styled():
        figure = Figure()
        axes: Axes = figure.subplots()
        axes.set(xlim=(-1, 1), ylim=(0, 4e7))
        ticks.plain_numbers(figure)
        picture(figure)
    x, y = (axis.get_majorticklabels() for axis in (axes.xaxis, axes.yaxis))
    assert "\N{MINUS SIGN}1.00" in {label.get_text() for label in x}
    assert r"$\mathdefault{4.0}$" in {label.get_text() for label in y}
    assert r"10^{7}" in axes.yaxis.get_offset_text().get_text()
