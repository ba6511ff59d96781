"""The cut-flow table, `tables/cutflow.json`: yields of each sample by region, cut and network."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from analysis.rdf.yields import Expected, Yield, expected
from common.runtime import files
from common.schema.json_model import read_model
from common.tasks import Skipped
from training.classifier.evaluation_model import WorkingPoint

Origin = Literal["generated", "files", "measured"]
"""Origin of a sample: generated here, simulated elsewhere, or collision data."""

BosonPt = tuple[float, float | None]
"""Lowest and highest generated boson pT in GeV; None without an upper end."""


@dataclass(frozen=True)
class Cutflow:
    """Yields of a sample after each cut of a region, and of the passing events by signal bin.

    ``bins`` has the key ``all`` and the names of the signal bins. ``networks`` has the same bins
    for the events that also pass a network, by its name.
    """

    steps: dict[str, Yield]
    bins: dict[str, Yield]
    networks: dict[str, dict[str, Yield]] = field(default_factory=dict)

    def scaled(self, factor: float) -> Cutflow:
        """Return the cut-flow with all weights multiplied by ``factor``."""

        def scale(yields: dict[str, Yield]) -> dict[str, Yield]:
            return {name: y.scaled(factor) for name, y in yields.items()}

        return Cutflow(
            scale(self.steps),
            scale(self.bins),
            {name: scale(bins) for name, bins in self.networks.items()},
        )


@dataclass(frozen=True)
class CutflowSample:
    """An entry of the cut-flow table: a sample, its normalisation and its cut-flows by region.

    Cross-sections are in pb; sums of weights are those before any cut. ``normalisation`` is the
    factor from weights to events. ``at_edge`` is the cut-flow of the first region for events near
    the lowest generated boson pT; None if this does not exist. ``regions`` lacks those in which the
    data are hidden.
    """

    process: str
    slice: str | None
    data: bool
    cross_section: float | None
    cross_section_error: float | None
    sum_of_weights: float | None
    sum_of_weights_squared: float | None
    normalisation: float
    origin: Origin
    boson_pt: BosonPt | None
    at_edge: Cutflow | None
    regions: dict[str, Cutflow]

    @property
    def relative_cross_section_error(self) -> float:
        """Return the relative error of the cross-section; 0 if unknown."""
        if self.cross_section_error and self.cross_section:
            return self.cross_section_error / self.cross_section
        return 0.0


@dataclass(frozen=True)
class SampleCutflow:
    """The cut-flow of a sample in one region, with what its normalisation and errors need."""

    name: str
    unnormalised: Cutflow
    normalisation: float
    sum_of_weights: float | None
    sum_of_weights_squared: float | None
    cross_section_error: float  # relative

    @property
    def normalised(self) -> Cutflow:
        """Return the cut-flow normalised to the luminosity."""
        return self.unnormalised.scaled(self.normalisation)

    def expected(self, y: Yield) -> Expected:
        """Return the expected events, with their errors, of one of the unnormalised yields."""
        return expected(
            y,
            self.normalisation,
            self.sum_of_weights,
            self.sum_of_weights_squared,
            self.cross_section_error,
        )


@dataclass(frozen=True)
class ProcessCutflow:
    """The cut-flow of a process in one region: expected events, summed over its samples.

    Collision data have a normalisation of 1.
    """

    samples: tuple[SampleCutflow, ...]

    @functools.cached_property
    def steps(self) -> dict[str, Expected]:
        """Return the events expected after each cut."""
        return self._expected(lambda cutflow: cutflow.steps)

    @functools.cached_property
    def bins(self) -> dict[str, Expected]:
        """Return the events expected after all cuts: ``all``, and by signal bin."""
        return self._expected(lambda cutflow: cutflow.bins)

    @functools.cached_property
    def networks(self) -> dict[str, dict[str, Expected]]:
        """Return the same bins for events that also pass a network, by its name."""

        def passing(network: str) -> dict[str, Expected]:
            return self._expected(lambda cutflow: cutflow.networks[network])

        return {network: passing(network) for network in self.samples[0].unnormalised.networks}

    def _expected(self, select: Callable[[Cutflow], Mapping[str, Yield]]) -> dict[str, Expected]:
        """Return the events expected for some yields of the samples, summed over these."""
        selected = [(one, select(one.unnormalised)) for one in self.samples]
        return {
            name: functools.reduce(
                operator.add, (one.expected(yields[name]) for one, yields in selected)
            )
            for name in selected[0][1]
        }

    def total(self, region: str) -> Yield:
        """Return the normalised yield in a signal bin."""
        return sum((one.normalised.bins[region] for one in self.samples), Yield())


@dataclass(frozen=True)
class CutflowTable:
    """The content of the cut-flow table; samples are keyed by name, networks give their cuts.

    ``luminosity`` is in 1/fb.
    """

    luminosity: float
    networks: dict[str, WorkingPoint]
    samples: dict[str, CutflowSample]
    skipped_files: list[Skipped] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> CutflowTable:
        """Read the table.

        Raises:
            InputError: the file is missing or damaged.
        """
        return read_model(path, cls, "cutflow")

    def write(self, path: Path) -> None:
        """Write the table."""
        files.write_json(path, asdict(self))

    def processes(self, region: str, *, data: bool = False) -> dict[str, ProcessCutflow]:
        """Return the cut-flows of a region by process: of simulated samples, or of collision
        data."""
        return _by_process(
            (name, sample, sample.regions[region])
            for name, sample in self.samples.items()
            if sample.data == data and region in sample.regions
        )

    @property
    def regions(self) -> list[str]:
        """Return the names of the regions, in the order of the selection."""
        longest = max((sample.regions for sample in self.samples.values()), key=len, default={})
        return list(longest)

    def hidden_data(self, region: str) -> list[str]:
        """Return the processes of collision data that are hidden in a region."""
        hidden = (s.process for s in self.samples.values() if s.data and region not in s.regions)
        return list(dict.fromkeys(hidden))

    def at_edge(self) -> dict[str, ProcessCutflow]:
        """Return the cut-flows of the first region near the lowest generated boson pT, for the
        simulated processes whose samples all have them."""
        without = {sample.process for sample in self.samples.values() if not sample.at_edge}
        return _by_process(
            (name, sample, sample.at_edge)
            for name, sample in self.samples.items()
            if sample.at_edge and not sample.data and sample.process not in without
        )

    @property
    def data_processes(self) -> list[str]:
        """Return the processes of collision data."""
        return [*dict.fromkeys(s.process for s in self.samples.values() if s.data)]


def _by_process(
    samples: Iterable[tuple[str, CutflowSample, Cutflow]],
) -> dict[str, ProcessCutflow]:
    found: dict[str, list[SampleCutflow]] = {}
    for name, sample, cutflow in samples:
        found.setdefault(sample.process, []).append(
            SampleCutflow(
                name,
                cutflow,
                sample.normalisation,
                sample.sum_of_weights,
                sample.sum_of_weights_squared,
                sample.relative_cross_section_error,
            )
        )
    return {process: ProcessCutflow(tuple(of_process)) for process, of_process in found.items()}
