"""The weighted cut-flow of every sample, with and without each network, in one event loop.

Counts, sums of weights and of squared weights are booked after each cut; they are additive, so
that samples (and parts of samples) merge exactly.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from analysis.inputs import native
from analysis.inputs.sources import sample_files, sample_info
from analysis.pipeline import Done, Run, Target
from analysis.regions import define, require
from analysis.samples import normalisation
from common import files
from common.errors import ScoreError
from common.score_file import read_scores
from common.tables import Table, with_error
from cpp_helpers import declare, load_root
from selections import monojet
from selections.cuts import Cut, Definition, MetBin, Region

log = logging.getLogger("monojet")

BINS: tuple[MetBin, ...] = (*monojet.INCLUSIVE, *monojet.EXCLUSIVE)


@dataclass(frozen=True)
class Yield:
    """Events: raw count, sum of weights, sum of squared weights."""

    raw: int = 0
    sumw: float = 0.0
    sumw2: float = 0.0

    def __add__(self, other: Yield) -> Yield:
        return Yield(self.raw + other.raw, self.sumw + other.sumw, self.sumw2 + other.sumw2)

    def scaled(self, factor: float) -> Yield:
        """The same events with all weights times ``factor``."""
        return Yield(self.raw, self.sumw * factor, self.sumw2 * factor**2)

    @property
    def error(self) -> float:
        """Statistical error of the sum of weights."""
        return float(self.sumw2**0.5)


@dataclass(frozen=True)
class Flow:
    """What is left after each cut of a region, and in each signal region of the passing events.

    ``networks`` holds the same bins for events that also pass a network, under its name.
    """

    steps: dict[str, Yield]
    bins: dict[str, Yield]
    networks: dict[str, dict[str, Yield]] = field(default_factory=dict)

    def scaled(self, factor: float) -> Flow:
        """The same flow with all weights times ``factor``."""
        return self._map(lambda y: y.scaled(factor))

    def _map(self, change: Any) -> Flow:
        return Flow(
            {k: change(y) for k, y in self.steps.items()},
            {k: change(y) for k, y in self.bins.items()},
            {n: {k: change(y) for k, y in b.items()} for n, b in self.networks.items()},
        )

    def __add__(self, other: Flow) -> Flow:
        def add(a: Mapping[str, Yield], b: Mapping[str, Yield]) -> dict[str, Yield]:
            return {k: a[k] + b[k] for k in a}

        return Flow(
            add(self.steps, other.steps),
            add(self.bins, other.bins),
            {n: add(b, other.networks[n]) for n, b in self.networks.items()},
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Flow:
        """From the plain data of the cut-flow file."""

        def yields(part: Mapping[str, Any]) -> dict[str, Yield]:
            return {k: Yield(**y) for k, y in part.items()}

        return cls(
            yields(data["steps"]),
            yields(data["bins"]),
            {n: yields(b) for n, b in data["networks"].items()},
        )


class _Booked:
    """The yields of a node by signal region, booked and not yet run."""

    def __init__(self, df: Any) -> None:
        self.result = declare().book_yields(df, "met", "weight", monojet.MET_EDGES)

    def _bins(self) -> list[Yield]:
        found = self.result.GetValue()
        return [
            Yield(int(raw), float(sumw), float(sumw2))
            for raw, sumw, sumw2 in zip(found.raw, found.sumw, found.sumw2, strict=True)
        ]

    def total(self) -> Yield:
        """All events of the node."""
        return sum(self._bins(), Yield())

    def regions(self) -> dict[str, Yield]:
        """``all``, and each signal region."""
        exclusive = self._bins()[1:]  # without the events below the first edge
        inclusive = list(itertools.accumulate(reversed(exclusive)))[::-1]
        found = {"all": self.total()}
        found |= {b.name: y for b, y in zip(monojet.INCLUSIVE, inclusive, strict=True)}
        found |= {b.name: y for b, y in zip(monojet.EXCLUSIVE, exclusive, strict=True)}
        return found


def book_flow(df: Any, region: Region, networks: Mapping[str, float]) -> Any:
    """Book a region's flow on ``df``; the result's ``get`` runs the loop and gives a `Flow`.

    ``networks`` maps the name of each network to the least score that passes; its column is
    ``score_<index>``.
    """
    steps = {"all events": _Booked(df)}
    for cut in region.cuts:
        df = require(df, cut)
        steps[cut.name] = _Booked(df)
    selected = _Booked(df)
    passing = {
        name: _Booked(require(df, score_cut(index, name, threshold)))
        for index, (name, threshold) in enumerate(networks.items())
    }

    def get() -> Flow:
        return Flow(
            {name: step.total() for name, step in steps.items()},
            selected.regions(),
            {name: part.regions() for name, part in passing.items()},
        )

    return get


def score_cut(index: int, network: str, threshold: float) -> Cut:
    """The requirement on a network's score."""
    return Cut(network, f"score_{index} >= {threshold!r}f", f"{network} $\\geq {threshold:g}$")


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Make the cut-flow of all samples and its tables."""
    config = run.config
    networks = {
        name: float(result["best_threshold"])
        for name, result in json.loads(run.table("evaluation").read_text()).items()
    }
    helpers, root = declare(), load_root()
    infos, booked, handles = {}, {}, []
    for index, sample in enumerate(config.samples):
        inputs = sample_files(run, sample.name)
        infos[sample.name] = info = sample_info(run, sample.name, inputs)
        normalisation(info, config)  # an unknown one stops the stage before the event loop
        columns = read_scores(run.scores(sample.name), list(networks))
        n_events = sum(f.n_events for f in inputs)
        if len(columns["run_number"]) != n_events and config.imaging.select is None:
            raise ScoreError(
                f"{run.scores(sample.name)}: {len(columns['run_number'])} scores for {n_events} "
                "events: run --stage scoring again"
            )
        df = native.open_range([f.path for f in inputs], 0, n_events)
        df = helpers.define_per_sample(df, "sample_index", f"{index}")
        for number, network in enumerate(networks):
            _fill(helpers.score_table(index, number), columns, network, sample.name)
            lookup = f"monojet::score(sample_index, {number}, run_number, event_number)"
            df = define(df, [Definition(f"score_{number}", lookup)])
        df = define(df, monojet.DEFINITIONS)
        booked[sample.name] = {
            name: book_flow(df, region, networks) for name, region in monojet.REGIONS.items()
        }
        handles.append(helpers.book_yields(df, "met", "weight", []))
        if config.imaging.select is None:
            # Every event must have its scores, those that no region selects too.
            handles += [
                helpers.book_yields(df, f"score_{number}", "weight", [])
                for number in range(len(networks))
            ]
    try:
        root.RDF.RunGraphs(handles)
    except Exception as error:
        cause = str(error).strip().splitlines()[-1]
        raise ScoreError(f"the event loop of the cut-flow failed: {cause}") from error
    flows = {
        sample: {region: get() for region, get in regions.items()}
        for sample, regions in booked.items()
    }
    (target,) = targets
    data = {
        "luminosity": config.luminosity,
        "networks": networks,
        "samples": {
            name: {
                "process": infos[name].process,
                "slice": infos[name].slice,
                "cross_section": infos[name].cross_section,
                "cross_section_error": infos[name].cross_section_error,
                "normalisation": normalisation(infos[name], config),
                "regions": {region: asdict(flow) for region, flow in flows[name].items()},
            }
            for name in flows
        },
    }
    for table in tables(data):
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, data)
    done(target)


def _fill(table: Any, columns: Mapping[str, Any], network: str, sample: str) -> None:
    """Hand the scores of a network to the C++ table that events look theirs up in."""
    keys = columns["run_number"], columns["event_number"]
    try:
        table.fill(*keys, np.ascontiguousarray(columns[network]), len(keys[0]))
    except Exception as error:
        raise ScoreError(f"{sample}: {str(error).strip().splitlines()[-1]}") from error


def by_process(data: Mapping[str, Any], region: str) -> dict[str, Flow]:
    """Flows of a region, normalised to the luminosity, the slices of a process added."""
    flows: dict[str, Flow] = {}
    for sample in data["samples"].values():
        flow = Flow.from_json(sample["regions"][region]).scaled(sample["normalisation"])
        process = sample["process"]
        flows[process] = flows[process] + flow if process in flows else flow
    return flows


def tables(data: Mapping[str, Any]) -> list[Table]:
    """The tables of the cut-flow file: one a process, and one of the signal regions."""
    return [*_flow_tables(data), _region_table(data)]


def _flow_tables(data: Mapping[str, Any]) -> Iterable[Table]:
    region = monojet.SR
    for process, flow in by_process(data, region.name).items():
        latex = {cut.name: cut.latex for cut in region.cuts}
        steps = list(flow.steps.items())
        steps += [
            (f"{network} (after all cuts)", bins["all"]) for network, bins in flow.networks.items()
        ]
        rows, previous = [], steps[0][1]
        for name, y in steps:
            rows.append(
                [
                    latex.get(name, name),
                    f"{y.raw}",
                    with_error(y.sumw, y.error),
                    _percent(y.sumw, previous.sumw),
                    _percent(y.sumw, steps[0][1].sumw),
                ]
            )
            if name in flow.steps:
                previous = y
        yield Table(
            name="cutflow" if process == "Znunu" else f"cutflow_{process}",
            title=f"Cut-flow of {process}, {data['luminosity']:g} fb⁻¹",
            columns=("cut", "raw", "events", "step", "total"),
            rows=rows,
            notes=(
                "Errors are statistical, of the simulation. Leading-order cross-sections. "
                "A network's efficiency is relative to the events after all cuts.",
            ),
        )


def _region_table(data: Mapping[str, Any]) -> Table:
    flows = by_process(data, monojet.SR.name)
    networks = list(data["networks"])
    columns = ["region"]
    for process in flows:
        columns += [process, *(f"{process}, {network}" for network in networks)]
    rows = []
    for met_bin in BINS:
        row = [met_bin.name]
        for flow in flows.values():
            for bins in (flow.bins, *(flow.networks[n] for n in networks)):
                y = bins[met_bin.name]
                row.append(with_error(y.sumw, y.error) if y.raw else "0")
        rows.append(row)
    return Table(
        name="cutflow_regions",
        title=f"Events in the signal regions, {data['luminosity']:g} fb⁻¹, before and after each "
        "network",
        columns=columns,
        rows=rows,
    )


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"
