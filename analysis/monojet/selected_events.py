"""Events of a region with their scores, as arrays, for which the cut-flow is not enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from common.runtime.errors import InputError
from common.schema import hdf5
from common.schema.images import event_column, region_column
from common.schema.scores import read_paired_scores
from common.stats.roc import first_with

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SelectedEvents:
    """Selected events; all arrays have shape (events,).

    ``weight`` is normalised to the luminosity, ``met`` is the missing transverse momentum in GeV,
    ``sample`` indexes ``samples``; ``scores`` are keyed by network.
    """

    weight: Floats
    met: Floats
    event_number: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.uint8]
    sample: npt.NDArray[np.uint16]
    samples: tuple[str, ...]
    scores: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, chosen: Mask) -> SelectedEvents:
        """Return the chosen events."""
        return SelectedEvents(
            self.weight[chosen],
            self.met[chosen],
            self.event_number[chosen],
            self.fold[chosen],
            self.sample[chosen],
            self.samples,
            {name: score[chosen] for name, score in self.scores.items()},
        )

    def of_sample(self, name: str) -> SelectedEvents:
        """Return the events of one sample."""
        return self.take(self.sample == self.samples.index(name))

    def thresholds(self, network: str, efficiencies: Floats) -> Floats:
        """Return for each efficiency the highest threshold that at least this weighted fraction of
        the events passes; infinity if the sum of weights is not positive."""
        order = np.argsort(-self.scores[network], kind="stable")
        if not len(order) or self.total.sumw <= 0:
            return np.full(len(efficiencies), np.inf)
        kept = np.maximum.accumulate(np.cumsum(self.weight[order])) / self.total.sumw
        return self.scores[network][order][first_with(efficiencies, kept)]

    def passing(self, network: str, thresholds: Floats) -> list[Yield]:
        """Return for each threshold the yield of events with ``score >= threshold``."""
        order = np.argsort(self.scores[network])
        first = np.searchsorted(self.scores[network][order], thresholds)
        weight = self.weight[order]
        sumw, sumw2 = (_sums_from(values)[first] for values in (weight, weight**2))
        return [
            Yield(len(self) - int(i), float(w), float(w2))
            for i, w, w2 in zip(first, sumw, sumw2, strict=True)
        ]

    @property
    def total(self) -> Yield:
        """Return the yield of all events."""
        return Yield(len(self), float(self.weight.sum()), float((self.weight**2).sum()))


def _sums_from(values: Floats) -> Floats:
    """Return the sums of ``values[i:]`` for i = 0 ... n, of shape (n + 1,)."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def read_selected(
    run: Run, normalisation: Mapping[str, float], region: str, networks: Sequence[str]
) -> SelectedEvents:
    """Read the events of some samples in a region of the selection.

    ``normalisation`` maps the names of the samples to the factors for their weights.

    Raises:
        InputError: an image or score file is damaged.
        ScoreError: images and scores have different events.
    """
    read = [_read(run, name, factor, region, networks) for name, factor in normalisation.items()]
    return SelectedEvents(
        np.concatenate([one.weight for one in read]),
        np.concatenate([one.met for one in read]),
        np.concatenate([one.event_number for one in read]),
        np.concatenate([one.fold for one in read]),
        np.repeat(np.arange(len(read), dtype=np.uint16), [len(one) for one in read]),
        tuple(normalisation),
        {n: np.concatenate([one.scores[n] for one in read]) for n in networks},
    )


def _read(
    run: Run, sample: str, factor: float, region: str, networks: Sequence[str]
) -> SelectedEvents:
    images, scores = run.images(sample), run.scores(sample)
    names = ("run_number", "event_number", "weight", "met", "fold")
    try:
        with hdf5.open_file(images) as file:
            columns: dict[str, Any] = {name: file[event_column(name)][:] for name in names}
            passing = file[region_column(region)][:].astype(bool)
    except (OSError, KeyError) as error:
        raise InputError(
            f"{images}: damaged or incomplete image file ({error}): make it again with "
            "--stage imaging --force"
        ) from error
    scored = read_paired_scores(columns, images, scores, networks, "scoring")
    return SelectedEvents(
        columns["weight"] * factor,
        columns["met"].astype(np.float64),
        columns["event_number"],
        columns["fold"],
        np.zeros(len(columns["fold"]), np.uint16),
        (sample,),
        {name: scored[name].astype(np.float64) for name in networks},
    ).take(passing)
