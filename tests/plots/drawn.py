"""What is in a figure."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch


def panels(figure: Figure) -> list[Axes]:
    """The axes without those of colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def xs(line: Any) -> list[float]:
    return list(line.get_xdata())


def ys(line: Any) -> list[float]:
    return list(line.get_ydata())


def steps(axes: Axes) -> dict[str, Any]:
    """Values, edges and baseline of all histograms, by label."""
    found = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    return {str(patch.get_label()): patch.get_data() for patch in found}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def draw(figure: Figure) -> None:
    """As it is saved: what warns fails."""
    figure.draw_without_rendering()
