"""Figures of the scores of the networks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.schema.scores import KEYS, read_paired_scores
from plots import style
from plots.results import SampleFiles, opened

Array = npt.NDArray[Any]

BINS = 25


@style.styled()
def score_distributions(
    network: str,
    samples: Sequence[SampleFiles],
    thresholds: Sequence[float],
    training_slices: Collection[str],
) -> Figure:
    """Draw the scores of each process, normalised to unit area (figure 18 of the thesis).

    The left panel shows the training slices, with each event scored by the network of a fold that
    was not trained on it; the right panel shows all slices, mixed according to their
    cross-sections.

    Raises:
        ScoreError: a sample's scores are not those of its images.
    """
    learned = [s for s in samples if s.slice in training_slices]
    panels = [(f"{' and '.join(training_slices)} slice", learned)] if learned else []
    if len(learned) < len(samples):
        panels.append(("all slices" if learned else "", list(samples)))
    figure = Figure(figsize=(1.0 + 5.6 * len(panels), 5.6), layout="constrained")
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    columns = {id(sample): read_scores(sample, network) for sample in samples}
    for axes, (title, chosen) in zip(row, panels, strict=True):
        for process in style.in_order(s.process for s in chosen):
            parts = [columns[id(s)] for s in chosen if s.process == process]
            scores, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
            if weights.any():  # a selection may leave no event
                _histogram(axes, process, scores, weights)
        for number, threshold in enumerate(thresholds):
            axes.axvline(
                threshold,
                color=style.GREY,
                linestyle=(0, (2, 2)),
                label="" if number else "thresholds of the folds",
            )
        axes.set_title(title, loc="right")
        axes.set(xlabel="score of the network", xlim=(0, 1))
    row[0].set_ylabel("density of events")
    row[0].set_yscale("log")
    low, high = row[0].get_ylim()
    row[0].set_ylim(max(low, high * 1e-5), high)
    handles, labels = row[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    style.heading(figure, text=f"{style.network(network)}, before any selection")
    return figure


def _histogram(axes: Axes, process: str, scores: Array, weights: Array) -> None:
    look = style.process(process)
    density, edges = np.histogram(scores, BINS, (0, 1), weights=weights, density=True)
    axes.stairs(
        style.positive(density),
        edges,
        baseline=None,
        color=look.colour,
        linestyle=look.line,
        linewidth=1.8,
        label=look.label,
    )


def read_scores(sample: SampleFiles, network: str) -> tuple[Array, Array]:
    """Return the scores and the expected events of a sample's events.

    Raises:
        ScoreError: the scores are not those of the images.
    """
    with opened(sample.images) as file:
        weight = file["events/weight"][:] * sample.normalisation
        keys = {key: file[f"events/{key}"][:] for key in KEYS}
    scored = read_paired_scores(keys, sample.images, sample.scores, [network], "scoring")
    return scored[network], weight
