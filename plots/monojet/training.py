"""Figures of the training of a network."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from common.runtime.errors import InputError
from plots import style

History = dict[str, list[float]]

_LINES: tuple[Any, ...] = ("-", "--", "-.", ":")
_NAMED_FOLDS = 4  # more are drawn, but would fill the legend


def read_history(path: Path) -> History:
    """Read the history of a training: epoch, accuracy, loss, val_accuracy, val_loss.

    Raises:
        InputError: the file is missing or lacks a column.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss")
        return {name: [float(row[name]) for row in rows] for name in names}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not the history of a training: {error}") from error


@style.styled()
def training_curves(
    network: str, folds: Sequence[History], steps: int | None = None, watched: str = "validation"
) -> Figure:
    """Draw accuracy and loss of all folds against the epoch (figures 13 to 16 of the thesis), or
    against the step if ``steps`` is the number of steps between two evaluations.

    The circle marks the weights that are kept: those with the smallest validation loss, or, with
    steps, those with the highest accuracy on the watched events.
    """
    figure = Figure(figsize=(11.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    parts = (("", style.ORANGE, "training"), ("val_", style.BLUE, watched))
    for axes, quantity in ((left, "accuracy"), (right, "loss")):
        for fold, history in enumerate(folds):
            places = [(epoch + 1) * (steps or 1) for epoch in history["epoch"]]
            for prefix, colour, _ in parts:
                line = _LINES[fold % len(_LINES)]
                axes.plot(places, history[prefix + quantity], line, color=colour, marker=".")
            if steps is None:
                best = min(range(len(places)), key=history["val_loss"].__getitem__)
            else:
                best = max(range(len(places)), key=history["val_accuracy"].__getitem__)
            axes.plot(
                places[best],
                history[f"val_{quantity}"][best],
                "o",
                markersize=11,
                markerfacecolor="none",
                color=style.BLUE,
            )
        axes.set(xlabel="epoch" if steps is None else "step", ylabel=quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.minorticks_off()
        axes.margins(x=0.05, y=0.08)
    handles = [Line2D([], [], color=colour, label=label) for _, colour, label in parts]
    handles += [
        Line2D([], [], color=style.GREY, linestyle=_LINES[i], label=f"fold {i + 1}")
        for i in range(min(len(folds), _NAMED_FOLDS))
    ]
    handles.append(
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markersize=10,
            markerfacecolor="none",
            color=style.BLUE,
            label="weights kept",
        )
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    style.heading(figure, text=style.network(network))
    return figure
