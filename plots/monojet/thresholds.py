"""Figures of the performance of the networks: threshold scans and ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.monojet.published import Thesis
from plots import style
from training.classifier.evaluation_model import NetworkEvaluation

# The networks of the thesis by their names here: (name in its tables, label).
PUBLISHED = {
    "strides+cell": ("cell_strides", "cell + strides"),
    "maxpool+rowcol": ("rowcol_maxpool", "row-col + max-pool"),
}
_DEFAULT = "strides+cell"  # the choice of the thesis, with which other networks are compared
_LEAST_EVENTS = 10  # passing background events, below which a rejection is meaningless

_BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "fontsize": 10}

_GREY: dict[str, Any] = {
    "linestyle": "none",
    "color": style.GREY,
    "markerfacecolor": "none",
    "markersize": 5,
    "markeredgewidth": 0.9,
}

Scan = dict[str, list[float]]
"""Thresholds and performance at each, by name."""

# (attribute, label, colour, line, marker of the values of the thesis)
_QUANTITIES: tuple[tuple[str, str, str, Any, str | None], ...] = (
    ("precision", "precision $P$", style.BLUE, "-", "v"),
    ("recall", "recall $R$", style.VERMILLION, "--", "^"),
    ("mean_precision_recall", "$(P+R)/2$", style.GREEN, "-.", "o"),
    ("precision_times_recall", r"$P \times R$", style.ORANGE, ":", "s"),
    ("accuracy", "accuracy", style.PURPLE, (0, (7, 1.5, 1.5, 1.5)), None),
)


def _published_scan(reference: Thesis, name: str) -> Scan:
    """Return table 2 of the thesis for one of its networks, by the names of the quantities here."""
    rows = reference.networks[name].table2
    names = ("threshold", *(key for key, *_, marker in _QUANTITIES if marker))
    return {key: [getattr(row, key) for row in rows] for key in names}


@style.styled()
def threshold_scan(result: NetworkEvaluation, reference: Thesis) -> Figure:
    """Draw precision against recall, and all measures against the threshold (figure 17 of the
    thesis).

    Args:
        result: the evaluation of a network.
        reference: tables of the thesis, whose values are drawn in grey.
    """
    name, label = PUBLISHED.get(result.network, PUBLISHED[_DEFAULT])
    thesis = _published_scan(reference, name)
    scan = {
        key: [getattr(row, key) for row in result.scan]
        for key in ("threshold", *(key for key, *_ in _QUANTITIES))
    }
    figure = Figure(figsize=(12.5, 5.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(thesis["recall"], thesis["precision"], marker="o", label=f"thesis, {label}", **_GREY)
    left.plot(
        scan["recall"],
        scan["precision"],
        ".-",
        color=style.BLUE,
        label=style.network(result.network),
    )
    left.plot(
        result.recall.value,
        result.precision.value,
        "*",
        color=style.VERMILLION,
        markersize=15,
        markeredgecolor="black",
        label="where the folds cut",
        zorder=4,
    )
    left.set(xlabel="recall", ylabel="precision", xlim=(-0.03, 1.03))
    left.legend(**_BELOW)
    _draw_measures(right, scan, thesis, result.thresholds)
    style.heading(figure, text=style.network(result.network))
    return figure


def _draw_measures(axes: Axes, scan: Scan, thesis: Scan, fold_thresholds: Sequence[float]) -> None:
    """Draw all measures against the threshold, here and in the thesis."""
    for key, text, colour, line, marker in _QUANTITIES:
        axes.plot(scan["threshold"], scan[key], color=colour, linestyle=line, label=text)
        if marker:
            axes.plot(thesis["threshold"], thesis[key], marker=marker, **_GREY)
    for threshold in fold_thresholds:
        axes.axvline(threshold, color="black", linestyle=(0, (2, 2)), linewidth=1.2)
    axes.set(xlabel="threshold", ylabel="value", xlim=(-0.02, 1.02), ylim=(-0.03, 1.05))
    handles = axes.get_legend_handles_labels()[0]
    handles.append(
        Line2D([], [], color="black", linestyle=(0, (2, 2)), label="thresholds of the folds")
    )
    handles += [
        Line2D([], [], marker=marker, label=f"thesis, {text}", **_GREY)
        for _, text, _, _, marker in _QUANTITIES
        if marker
    ]
    axes.legend(handles=handles, ncols=2, **_BELOW)


@style.styled()
def roc_curves(results: Sequence[NetworkEvaluation], reference: Thesis) -> Figure:
    """Draw background rejection against signal efficiency for all networks.

    A curve ends where fewer than ten background events pass. The points of the thesis are those
    of its table 3, in the high slice.

    Args:
        results: the evaluations of all networks.
        reference: tables of the thesis.
    """
    few = len(results) <= 6  # their legend fits below the curves
    figure = Figure(figsize=(8.2 if few else 13.0, 6.2), layout="constrained")
    axes = figure.subplots()
    looks = style.networks([result.network for result in results])
    for result in results:
        look = looks[result.network]
        signal = np.array(result.roc.signal_efficiency)
        background = np.array(result.roc.background_efficiency)
        shown = background * result.n_background >= _LEAST_EVENTS
        axes.plot(
            signal[shown],
            1 / background[shown],
            color=look.colour,
            linestyle=look.line,
            label=f"{look.label}, AUC {result.auc}",
        )
    efficiency = np.linspace(0.01, 1, 200)
    axes.plot(efficiency, 1 / efficiency, color="0.6", linewidth=1, label="by chance, AUC 0.5")
    for marker, (name, label) in zip("os", PUBLISHED.values(), strict=True):
        rates = reference.networks[name].table3["high"]
        axes.plot(
            rates.znunu_selected,
            1 / (1 - rates.wtaunu_rejected),
            marker,
            color=style.GREY,
            markerfacecolor="none",
            label=f"thesis, {label}",
        )
    axes.set_yscale("log")
    axes.set(
        xlim=(0, 1),
        xlabel=r"signal efficiency $\varepsilon_S$",
        ylabel=r"background rejection $1/\varepsilon_B$",
    )
    axes.set_ylim(1, axes.get_ylim()[1])
    figure.legend(loc="outside lower center" if few else "outside right upper", ncols=1)
    style.heading(axes)
    return figure
