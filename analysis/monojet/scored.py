"""Selected events with their scores, as arrays: for what needs the distribution of a score and not
one cut on it."""

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
from common.schema.scores import read_scores_of
from common.stats.roc import first_with

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """Some events: weight, missing transverse momentum (GeV), event number, fold, the place of the
    sample among ``samples``, and score by network, each of shape (events,)."""

    weight: Floats
    met: Floats
    event_number: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.uint8]
    sample: npt.NDArray[np.uint16]
    samples: tuple[str, ...]
    scores: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, chosen: Mask) -> Scored:
        """The chosen events alone."""
        return Scored(
            self.weight[chosen],
            self.met[chosen],
            self.event_number[chosen],
            self.fold[chosen],
            self.sample[chosen],
            self.samples,
            {name: score[chosen] for name, score in self.scores.items()},
        )

    def of_sample(self, name: str) -> Scored:
        """The events of a sample alone."""
        return self.take(self.sample == self.samples.index(name))

    def thresholds(self, network: str, efficiencies: Floats) -> Floats:
        """The highest scores that at least these shares of the events have or exceed; infinite
        without events of positive weight."""
        order = np.argsort(-self.scores[network], kind="stable")
        if not len(order) or self.total.sumw <= 0:
            return np.full(len(efficiencies), np.inf)
        kept = np.maximum.accumulate(np.cumsum(self.weight[order])) / self.total.sumw
        return self.scores[network][order][first_with(efficiencies, kept)]

    def passing(self, network: str, thresholds: Floats) -> list[Yield]:
        """Events of ``score >= threshold``, for each threshold."""
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
        """All events."""
        return Yield(len(self), float(self.weight.sum()), float((self.weight**2).sum()))


def _sums_from(values: Floats) -> Floats:
    """The sum of all values from each on, and 0 behind the last."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def read_selected(
    run: Run, normalisation: Mapping[str, float], region: str, networks: Sequence[str]
) -> Scored:
    """The events of some samples in a region of the selection.

    ``normalisation`` maps the names of the samples to the factors of their weights.

    Raises:
        InputError: an image or score file is damaged, or they do not belong together.
    """
    parts = [_read(run, name, factor, region, networks) for name, factor in normalisation.items()]
    return Scored(
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.met for part in parts]),
        np.concatenate([part.event_number for part in parts]),
        np.concatenate([part.fold for part in parts]),
        np.repeat(np.arange(len(parts), dtype=np.uint16), [len(part) for part in parts]),
        tuple(normalisation),
        {n: np.concatenate([part.scores[n] for part in parts]) for n in networks},
    )


def _read(run: Run, sample: str, factor: float, region: str, networks: Sequence[str]) -> Scored:
    images, scores = run.images(sample), run.scores(sample)
    names = ("run_number", "event_number", "weight", "met", "fold", f"pass_{region}")
    try:
        with hdf5.open_file(images) as file:
            columns: dict[str, Any] = {name: file[f"events/{name}"][:] for name in names}
    except (OSError, KeyError) as error:
        raise InputError(
            f"{images}: not a whole image file ({error}): make it again with --stage imaging "
            "--force"
        ) from error
    scored = read_scores_of(columns, images, scores, networks, "scoring")
    return Scored(
        columns["weight"] * factor,
        columns["met"].astype(np.float64),
        columns["event_number"],
        columns["fold"],
        np.zeros(len(columns["fold"]), np.uint16),
        (sample,),
        {name: scored[name].astype(np.float64) for name in networks},
    ).take(columns[f"pass_{region}"].astype(bool))
