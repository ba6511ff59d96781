"""Figure of the gain in sensitivity to dark matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.monojet.sensitivity_model import (
    AS_PUBLISHED,
    CONSISTENT,
    OWN_THRESHOLD,
    SensitivityRatio,
)
from plots import style

_RATE_DEFINITIONS = (
    (AS_PUBLISHED, "as published: before the lepton veto", style.BLUE, "o", -0.2),
    (CONSISTENT, "consistent: after the whole selection", style.VERMILLION, "s", 0.1),
)
_OWN = (OWN_THRESHOLD, "the same, own threshold", 0.1)  # beside each, with open markers


@style.styled()
def sensitivity_ratios(
    network: str,
    ratios: Sequence[SensitivityRatio],
    regions: Mapping[str, float],
    published: float,
    luminosity: float,
) -> Figure:
    """Draw the sensitivity with a network relative to none, in the inclusive signal regions.

    The thesis gives the first of these numbers, in IM1 (its section 5.3).

    Args:
        network: its name.
        ratios: those of the network.
        regions: the inclusive regions and their lower edges (GeV), in their order.
        published: the thesis's ratio in the first region.
        luminosity: in 1/fb.
    """
    names = list(regions)
    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(1, color="black", linewidth=1)
    shown = [r for r in ratios if r.rate_definition in {name for name, *_ in _RATE_DEFINITIONS}]
    places = np.array([names.index(r.region) for r in shown])
    axes.hlines(
        [r.largest for r in shown],
        places - 0.5,
        places + 0.5,
        color="black",
        linestyle=(0, (4, 2)),
        label="largest reachable",
    )
    _draw_ratios(axes, ratios, names)
    axes.plot(
        0,
        published,
        "*",
        color=style.GREY,
        markeredgecolor="black",
        markersize=14,
        label=f"thesis, cell + strides: {published:g}",
    )
    axes.set_xticks(range(len(names)), [f"{n}\n(>{low:g})" for n, low in regions.items()])
    axes.xaxis.minorticks_off()
    axes.set(
        xlim=(-0.6, len(names) - 0.4),
        xlabel=f"signal region (least {style.MET} in GeV)",
        ylabel="sensitivity with the network / without",
    )
    figure.legend(loc="outside lower center", ncols=2)
    style.heading(axes, luminosity, style.network(network))
    return figure


def _draw_ratios(axes: Axes, ratios: Sequence[SensitivityRatio], regions: Sequence[str]) -> None:
    """Draw the ratios with their errors, one marker for each rate definition and threshold."""
    suffix, same, step = _OWN
    for definition, label, colour, marker, shift in _RATE_DEFINITIONS:
        for name, text, place, face in (
            (definition, label, shift, colour),
            (definition + suffix, same, shift + step, "white"),
        ):
            chosen = [r for r in ratios if r.rate_definition == name]
            axes.errorbar(
                [regions.index(r.region) + place for r in chosen],
                [r.ratio for r in chosen],
                [r.error for r in chosen],
                color=colour,
                markerfacecolor=face,
                marker=marker,
                linestyle="none",
                capsize=3,
                label=text,
            )
