"""The three numbers that matter in a run: of its networks, else of its selection."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from analysis.config import Config
from analysis.monojet.sensitivity_model import AS_PUBLISHED, CONSISTENT, read_sensitivity
from analysis.rdf.yields import Expected
from analysis.reporting.page import Tile
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import CutflowTable
from common.stats.measured import Measured
from common.tables import percent, with_error
from training.classifier.evaluation_model import NetworkEvaluation, read_evaluation

TILES = 3

SIGNIFICANCE = r"$S/\sqrt{B + \sigma_B^2}$"

LEAST_ENTRIES = 10  # simulated background events in a bin, below which its error is not known

_RATES = {
    AS_PUBLISHED: "its pass rates are those before the lepton veto, as in the thesis",
    CONSISTENT: "its pass rates are those after the whole selection",
}


def key_numbers(run: Run, table: CutflowTable) -> list[Tile]:
    """Return the numbers that matter most, at most three."""
    return [*islice(_candidates(run, table), TILES)]


def _candidates(run: Run, table: CutflowTable) -> Iterator[Tile]:
    """Yield numbers that a run may have, the most important ones first."""
    if "training" in run.config.studies:
        yield from _of_networks(run)
    yield from of_selection(table, run.config)


# --- Networks -------------------------------------------------------------------------------------


def best_network(evaluation: Mapping[str, NetworkEvaluation]) -> str:
    """Return the network with the largest area under its ROC curve."""
    return max(evaluation, key=lambda name: evaluation[name].auc.value)


def _of_networks(run: Run) -> Iterator[Tile]:
    evaluation = read_evaluation(run.table("evaluation"))
    name = best_network(evaluation)
    auc = evaluation[name].auc
    others = "of the best network" if len(evaluation) > 1 else "of the network"
    yield Tile(
        with_error(auc.value, auc.total),
        f"AUC of {name}",
        f"area under the ROC curve {others}, on events that it was not trained on",
    )
    ratios = read_sensitivity(run.table("sensitivity"))
    for definition, rates in _RATES.items():
        of_definition = [r for r in ratios if r.rate_definition == definition]
        if of_definition:
            first = of_definition[0].region
            ratio = max((r for r in of_definition if r.region == first), key=lambda r: r.ratio)
            yield Tile(
                with_error(ratio.ratio, ratio.error),
                f"sensitivity in {first}, {definition}",
                f"with {ratio.network} over that with none; {rates}",
            )


# --- Selection ------------------------------------------------------------------------------------


def of_selection(table: CutflowTable, config: Config) -> Iterator[Tile]:
    """Yield numbers of the yields: background, data or signal, and how they compare."""
    signals = set(config.signals)
    regions = table.regions
    background = {region: _background(table, region, signals) for region in regions}
    expected = next((r for r in regions if background[r].entries), None)
    if expected is not None:
        yield _tile_of_background(background[expected], expected, table.luminosity)
    measured = {region: found for region in regions if (found := _data(table, region)) is not None}
    compared = next((r for r in measured if background[r].events > 0), None)
    for region, observed in measured.items():
        if compared in (region, None):
            yield Tile(f"{observed:.12g}", f"observed in {region}", "events of collision data")
            if compared is not None:
                yield _tile_of_ratio(observed, background[region], region)
    yield from _of_signals(table, signals)
    if expected is not None:
        yield from _of_simulation(table, expected, signals, background[expected])


def _background(table: CutflowTable, region: str, signals: set[str]) -> Expected:
    """Return all events of simulated processes that are no signal, after all cuts."""
    found = table.processes(region)
    return _sum(cutflow.bins["all"] for name, cutflow in found.items() if name not in signals)


def _data(table: CutflowTable, region: str) -> float | None:
    """Return the events of collision data after all cuts; None without data that are shown."""
    found = table.processes(region, data=True)
    return sum(cutflow.bins["all"].events for cutflow in found.values()) if found else None


def _sum(parts: Iterable[Expected]) -> Expected:
    return functools.reduce(operator.add, parts, Expected())


def _tile_of_background(expected: Expected, region: str, luminosity: float) -> Tile:
    return Tile(
        with_error(expected.events, expected.error),
        f"background in {region}",
        f"events of all simulated backgrounds, {luminosity:g} fb⁻¹; the error is of the "
        "simulation and of the cross-sections",
    )


def _tile_of_ratio(observed: float, expected: Expected, region: str) -> Tile:
    ratio = observed / expected.events
    relative = math.hypot(1 / math.sqrt(max(observed, 1)), expected.error / expected.events)
    error = relative * (ratio or 1 / expected.events)
    return Tile(
        with_error(ratio, error),
        f"data over background in {region}",
        "observed over expected events; errors of both, that of the data from their number",
    )


@dataclass(frozen=True)
class _Place:
    """A signal in a bin of a region, and the background there."""

    signal: str
    region: str
    bin: str
    expected: Expected
    background: Expected

    @property
    def significance(self) -> Measured:
        """Return the significance, with the error of the signal alone."""
        scale = math.sqrt(self.background.events + self.background.error**2)
        return Measured(self.expected.events / scale, self.expected.error / scale)

    def __str__(self) -> str:
        where = self.region if self.bin == "all" else f"{self.bin} of {self.region}"
        return f"{self.signal} in {where}"


def _of_signals(table: CutflowTable, signals: set[str]) -> Iterator[Tile]:
    """Yield the events of the signal where its significance is largest, and the significance."""
    best = max(_places(table, signals), key=lambda place: place.significance.value, default=None)
    if best is None:
        return
    yield Tile(
        with_error(best.expected.events, best.expected.error),
        str(best),
        f"expected events of the signal, {table.luminosity:g} fb⁻¹, where its significance is "
        "largest",
    )
    yield Tile(
        str(best.significance),
        f"best significance: {best}",
        rf"{SIGNIFICANCE} of all signals and bins with {LEAST_ENTRIES} simulated background events "
        "or more; the error is that of $S$",
    )


def _places(table: CutflowTable, signals: set[str]) -> Iterator[_Place]:
    """Yield all signals and bins with enough simulated background."""
    for region in table.regions:
        processes = table.processes(region)
        backgrounds = [cutflow for name, cutflow in processes.items() if name not in signals]
        for name in (name for name in processes if name in signals):
            for one, signal in processes[name].bins.items():
                behind = _sum(cutflow.bins[one] for cutflow in backgrounds)
                if behind.entries >= LEAST_ENTRIES and behind.events > 0:
                    yield _Place(name, region, one, signal, behind)


def _of_simulation(
    table: CutflowTable, region: str, signals: set[str], expected: Expected
) -> Iterator[Tile]:
    """Yield how much of the background passes a region, and how many simulated events that are."""
    found = table.processes(region)
    begin = _sum(
        next(iter(cutflow.steps.values())) for name, cutflow in found.items() if name not in signals
    )
    yield Tile(
        percent(expected.events, begin.events),
        f"of the background passes {region}",
        "share of the expected events before any cut",
    )
    yield Tile(
        f"{expected.entries}",
        f"simulated events in {region}",
        "events of all backgrounds behind the expected number",
    )
