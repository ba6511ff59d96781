"""The weighted cut-flow of every sample, with and without each network, if there are any.

A task is one event loop over a range of a file: counts, sums of weights and of squared weights are
booked after each cut. They are additive, and exact until all are added.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from analysis.config import Sample
from analysis.formats.columns import canonical_in, own
from analysis.images.image_file import read_sources, skipped_files
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_of, input_ranges, task_input
from analysis.inputs.sample_info import (
    SampleInfo,
    Source,
    add_source,
    configured,
    normalisation,
    of_sources,
)
from analysis.monojet import provenance_notes
from analysis.rdf.regions import define, require
from analysis.rdf.score_tables import load_scores, time_of_change
from analysis.rdf.yields import ExactYield, Expected, Yield, expected, read_out
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from common.runtime import files
from common.runtime.errors import BatchError, InputError, ScoreError
from common.schema import hdf5
from common.stats.measured import measured_share
from common.tables import Table, with_error
from common.tasks import Provenance, Range, Skipped, Task
from cpp_helpers import declare, load_root
from cpp_helpers.errors import failure_of
from selections import monojet36
from selections.cuts import Cut, Definition, MetBin, Region

log = logging.getLogger("monojet")

EDGE = "edge"  # the flow, in parts, of events near the lowest boson pT that was generated

BINS: tuple[MetBin, ...] = (*monojet36.INCLUSIVE, *monojet36.EXCLUSIVE)


Y = TypeVar("Y", Yield, ExactYield, Expected)
Z = TypeVar("Z", Yield, ExactYield, Expected)


@dataclass(frozen=True)
class Flow(Generic[Y]):
    """What is left after each cut of a region, and in each signal region of the passing events.

    ``networks`` holds the same bins for events that also pass a network, under its name.
    """

    steps: dict[str, Y]
    bins: dict[str, Y]
    networks: dict[str, dict[str, Y]] = field(default_factory=dict)

    def map(self, change: Callable[[Y], Z]) -> Flow[Z]:
        """The same flow with each yield changed."""
        return Flow(
            {k: change(y) for k, y in self.steps.items()},
            {k: change(y) for k, y in self.bins.items()},
            {n: {k: change(y) for k, y in b.items()} for n, b in self.networks.items()},
        )

    def __add__(self, other: Flow[Y]) -> Flow[Y]:
        def add(a: Mapping[str, Y], b: Mapping[str, Y]) -> dict[str, Y]:
            return {k: a[k] + b[k] for k in a}

        return Flow(
            add(self.steps, other.steps),
            add(self.bins, other.bins),
            {n: add(b, other.networks[n]) for n, b in self.networks.items()},
        )

    def to_json(self, dump: Callable[[Y], Any]) -> dict[str, Any]:
        """As plain data; ``dump`` makes that of a yield."""
        return {
            "steps": {k: dump(y) for k, y in self.steps.items()},
            "bins": {k: dump(y) for k, y in self.bins.items()},
            "networks": {n: {k: dump(y) for k, y in b.items()} for n, b in self.networks.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], load: Callable[[Any], Y]) -> Flow[Y]:
        """From plain data; ``load`` makes a yield of it."""

        def yields(part: Mapping[str, Any]) -> dict[str, Y]:
            return {k: load(y) for k, y in part.items()}

        return cls(
            yields(data["steps"]),
            yields(data["bins"]),
            {n: yields(b) for n, b in data["networks"].items()},
        )


def read_flow(data: Mapping[str, Any]) -> Flow[Yield]:
    """A flow of the cut-flow file."""
    return Flow.from_json(data, lambda y: Yield(**y))


def scaled(flow: Flow[Yield], factor: float) -> Flow[Yield]:
    """The same flow with all weights times ``factor``."""
    return flow.map(lambda y: y.scaled(factor))


@dataclass(frozen=True)
class WorkingPoint:
    """Where a network cuts: at one signal efficiency in all folds, whose networks differ, by the
    least score of each that passes."""

    signal_efficiency: float
    thresholds: tuple[float, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> WorkingPoint:
        """From a network's part of the evaluation or the cut-flow file."""
        return cls(float(data["signal_efficiency"]), tuple(map(float, data["thresholds"])))

    def __str__(self) -> str:
        return f"{100 * self.signal_efficiency:.1f} %"


class _Booked:
    """The yields of a node by signal region, booked and not yet run."""

    def __init__(self, df: Any) -> None:
        self.result = declare().book_yields(df, "met", "weight", monojet36.MET_EDGES)

    def _bins(self) -> list[ExactYield]:
        return read_out(self.result.GetValue())

    def total(self) -> ExactYield:
        """All events of the node."""
        return sum(self._bins(), ExactYield())

    def regions(self) -> dict[str, ExactYield]:
        """``all``, and each signal region."""
        exclusive = self._bins()[1:]  # without the events below the first edge
        inclusive = list(itertools.accumulate(reversed(exclusive)))[::-1]
        found = {"all": self.total()}
        found |= {b.name: y for b, y in zip(monojet36.INCLUSIVE, inclusive, strict=True)}
        found |= {b.name: y for b, y in zip(monojet36.EXCLUSIVE, exclusive, strict=True)}
        return found


def book_flow(
    df: Any, region: Region, networks: Mapping[str, WorkingPoint]
) -> Callable[[], Flow[ExactYield]]:
    """Book a region's flow on ``df``; the function returned runs the loop and gives it.

    ``networks`` maps the name of each network to its cut; its column is ``score_<index>``.
    """
    steps = {"all events": _Booked(df)}
    for cut in region.cuts:
        df = require(df, cut)
        steps[cut.name] = _Booked(df)
    selected = _Booked(df)
    passing = {
        name: _Booked(require(df, score_cut(index, name, point)))
        for index, (name, point) in enumerate(networks.items())
    }

    def get() -> Flow[ExactYield]:
        return Flow(
            {name: step.total() for name, step in steps.items()},
            selected.regions(),
            {name: part.regions() for name, part in passing.items()},
        )

    return get


def score_cut(index: int, network: str, point: WorkingPoint) -> Cut:
    """The requirement on a network's score: at least the threshold of the event's fold."""
    n = len(point.thresholds)
    listed = ", ".join(f"{threshold!r}f" for threshold in point.thresholds)
    of_fold = f"std::array<float, {n}>{{{listed}}}[monojet::fold_of(run_number, event_number, {n})]"
    return Cut(network, f"score_{index} >= {of_fold}", f"{network}, {point}")


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """The events of all samples, cut into tasks; without the files that have no images.

    Raises:
        NormalisationError: the cross-section or the sum of weights of a sample is not known.
    """
    for sample in run.config.analysis_samples():
        left_out = {skipped.file for skipped in _without_images(run, sample)}
        checked = False
        for found in input_ranges(run, sample.name, needs()):
            if found.file in left_out:
                continue
            if not checked:  # one file with events tells, before any event loop
                with contextlib.suppress(InputError):  # which its own task will say
                    file = input_of(run, sample.name, found.file)
                    checked = bool(file.n_events)
                    if checked:
                        info = info_of(run, sample.name, file)
                        normalisation(configured(info, sample), run.config)
            yield found


def needs() -> reader.Needs:
    """The canonical columns that the cut-flow and the scores' keys take."""
    named = canonical_in(
        (
            *(definition.expression for definition in monojet36.DEFINITIONS),
            *(region.expression for region in monojet36.REGIONS.values()),
        )
    )
    return reader.Needs(named | {"run_number", "event_number", "weight", "met"}, "the cut-flow")


def make_part(run: Run, task: Task, path: Path) -> int:
    """The flows of a task's events in one event loop."""
    sample = task.range.sample
    file = task_input(run, task)
    reader.require_columns(file, needs())
    begin, end = task.range.begin, file.n_events if task.range.end is None else task.range.end
    networks = _working_points(run)
    if networks:
        load_scores(run.scores(sample), tuple(networks), _score_rows(run, task, end))

    helpers = declare()
    df = reader.open_range(file, begin, end)
    for number in range(len(networks)):
        lookup = f"monojet::score({number}, run_number, event_number)"
        df = define(df, [Definition(f"score_{number}", lookup)])
    df = define(df, monojet36.DEFINITIONS)
    booked = {name: book_flow(df, region, networks) for name, region in monojet36.REGIONS.items()}
    edge = provenance_notes.edge(run.config, run.config.sample(sample))
    if edge is not None:
        near = require(df, Cut("edge", f"boson_pt < {edge!r}f", f"boson pT < {edge:g}"))
        booked[EDGE] = book_flow(near, monojet36.SR, {})
    handles = [helpers.book_yields(df, "met", "weight", [])]
    if run.config.imaging.select is None:
        # Every event must have its scores, those that no region selects too.
        handles += [
            helpers.book_yields(df, own(f"score_{number}"), "weight", [])
            for number in range(len(networks))
        ]
    root = load_root()
    root.RDF.RunGraphs.__release_gil__ = True  # Python's other threads run during the event loop
    try:
        root.RDF.RunGraphs(handles)
    except Exception as error:
        cause = failure_of(error)
        raise ScoreError(f"{file.path}: the event loop of the cut-flow failed: {cause}") from error
    try:
        flows = {name: get() for name, get in booked.items()}
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    info = info_of(run, sample, file)
    part = {
        "code_settings_hash": task.code_settings_hash,
        "source": dataclasses.asdict(Source.of(task, end, info)),
        "info": info.to_json(),
        "regions": {name: flow.to_json(ExactYield.to_json) for name, flow in flows.items()},
    }
    files.write_json(path, part)
    return end - begin


def provenance(path: Path) -> Provenance:
    """What a part says of itself."""
    part = _read_part(path)
    source = part["source"]
    return Provenance(
        part["code_settings_hash"],
        *(source[name] for name in ("input_version", "file", "begin", "end")),
    )


def _read_part(path: Path) -> dict[str, Any]:
    try:
        part: dict[str, Any] = json.loads(path.read_text())
        part["source"]["input_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BatchError(f"{path}: a damaged part: remove it and run again ({error})") from error
    return part


def merge(run: Run, target: Target, parts: Parts) -> None:
    """The cut-flow of all samples and its tables, of the parts."""
    config = run.config
    flows: dict[str, dict[str, Flow[ExactYield]]] = {}
    sources: dict[str, list[Source]] = {}
    firsts: dict[str, SampleInfo] = {}
    for part in parts:
        data, name = _read_part(part.path), part.task.range.sample
        add_source(sources.setdefault(name, []), Source(**data["source"]))
        firsts.setdefault(name, SampleInfo.from_json(data["info"]))
        read = {
            region: Flow.from_json(flow, ExactYield.from_json)
            for region, flow in data["regions"].items()
        }
        flows[name] = {r: flows[name][r] + read[r] for r in read} if name in flows else read
    result = {
        "luminosity": config.luminosity,
        "networks": {name: asdict(point) for name, point in _working_points(run).items()},
        "samples": {
            sample.name: _sample_result(
                run, sample, sources[sample.name], firsts[sample.name], flows[sample.name]
            )
            for sample in config.analysis_samples()
            if sample.name in flows
        },
        "skipped_files": [
            dataclasses.asdict(skipped)
            for skipped in (
                *(s for one in config.analysis_samples() for s in _without_images(run, one)),
                *parts.skipped,
            )
        ],
    }
    for table in tables(result):
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, result)


def _sample_result(
    run: Run,
    sample: Sample,
    sources: Sequence[Source],
    first: SampleInfo,
    flows: Mapping[str, Flow[ExactYield]],
) -> dict[str, Any]:
    info = of_sources(sources, first, sample)
    try:
        rounded = {region: flow.map(ExactYield.rounded) for region, flow in flows.items()}
    except InputError as error:
        raise InputError(f"{sample.name}: {error}") from error
    near = rounded.pop(EDGE, None)
    return {
        "process": info.process,
        "slice": info.slice,
        "data": sample.data,
        "cross_section": info.cross_section,
        "cross_section_error": info.cross_section_error,
        "sum_of_weights": info.sum_of_weights,
        "sum_of_weights_squared": info.sum_of_weights_squared,
        "normalisation": normalisation(info, run.config),
        **provenance_notes.describe(run.config, sample),
        "at_edge": near and near.to_json(asdict),
        "regions": {region: flow.to_json(asdict) for region, flow in rounded.items()},
    }


def _without_images(run: Run, sample: Sample) -> list[Skipped]:
    """The files whose events have no scores, where scores are asked for."""
    return skipped_files(run.images(sample.name)) if run.config.training.networks else []


def _working_points(run: Run) -> dict[str, WorkingPoint]:
    """Where the networks cut."""
    names = [spec.name for spec in run.config.training.signal_networks()]
    if not names:
        return {}
    evaluation = json.loads(run.evaluation.read_text())
    return {name: WorkingPoint.of(evaluation[name]) for name in names}


def _score_rows(run: Run, task: Task, end: int) -> slice:
    """The rows of the score file that hold a task's events; all of them where it is not known.

    Scores are in the order of the images, and where every event has one that is the order of the
    files. Which of the rows is an event's is still told by its key alone.
    """
    images = run.images(task.range.sample)
    if run.config.imaging.select is None and images.exists():
        first = _first_rows(images, time_of_change(images)).get(task.range.file)
        if first is not None:
            return slice(first + task.range.begin, first + end)
    return slice(None)


@functools.lru_cache(maxsize=4)
def _first_rows(images: Path, changed: int) -> dict[str, int]:
    """The row of entry 0 of each file in an image file of all events."""
    with hdf5.open_file(images) as file:
        sources = read_sources(file)
    counts = [source.end - source.begin for source in sources]
    starts = itertools.accumulate(counts, initial=0)
    return {s.file: start - s.begin for s, start in zip(sources, starts, strict=False)}


@dataclass(frozen=True)
class SampleFlow:
    """The flow of a sample: in its own weights (``own``) and normalised to the luminosity."""

    name: str
    own: Flow[Yield]
    normalisation: float
    sum_of_weights: float | None
    sum_of_weights_squared: float | None
    cross_section_error: float  # relative

    @property
    def flow(self) -> Flow[Yield]:
        """Normalised to the luminosity."""
        return scaled(self.own, self.normalisation)

    def expected(self) -> Flow[Expected]:
        """Events expected, with their errors."""
        return self.own.map(
            lambda y: expected(
                y,
                self.normalisation,
                self.sum_of_weights,
                self.sum_of_weights_squared,
                self.cross_section_error,
            )
        )


def samples_by_process(
    data: Mapping[str, Any], region: str, of_data: bool = False
) -> dict[str, list[SampleFlow]]:
    """The flows of a region of the simulated samples of each process, such as its slices; or of
    those that were measured."""
    found: dict[str, list[SampleFlow]] = {}
    for name, sample in data["samples"].items():
        if bool(sample.get("data")) != of_data:
            continue
        error, cross_section = (sample.get(k) for k in ("cross_section_error", "cross_section"))
        found.setdefault(sample["process"], []).append(
            SampleFlow(
                name,
                read_flow(sample["regions"][region]),
                sample["normalisation"],
                sample.get("sum_of_weights"),
                sample.get("sum_of_weights_squared"),
                error / cross_section if error and cross_section else 0.0,
            )
        )
    return found


def by_process(
    data: Mapping[str, Any], region: str, of_data: bool = False
) -> dict[str, Flow[Expected]]:
    """Events expected in a region by simulated process, the slices of a process added; or, not
    normalised, those that were measured."""
    return {
        process: functools.reduce(operator.add, (sample.expected() for sample in samples))
        for process, samples in samples_by_process(data, region, of_data).items()
    }


def measured(data: Mapping[str, Any]) -> list[str]:
    """The processes of the cut-flow file whose events were measured."""
    samples = data["samples"].values()
    return [*dict.fromkeys(s["process"] for s in samples if s.get("data"))]


def tables(data: Mapping[str, Any]) -> list[Table]:
    """The tables of the cut-flow file: one a process, and one of the signal regions."""
    return [*_flow_tables(data), _region_table(data)]


def _flow_tables(data: Mapping[str, Any]) -> Iterable[Table]:
    region = monojet36.SR
    flows = [(p, flow, False) for p, flow in by_process(data, region.name).items()]
    flows += [(p, flow, True) for p, flow in by_process(data, region.name, of_data=True).items()]
    for process, flow, of_data in flows:
        samples = [
            s
            for s in data["samples"].values()
            if s["process"] == process and bool(s.get("data")) == of_data
        ]
        latex = {cut.name: cut.latex for cut in region.cuts}
        latex["all events"] = provenance_notes.all_events(samples)
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
                    f"{y.events:.12g}" if of_data else with_error(y.events, y.error),
                    _short(y.statistical),
                    _short(y.cross_section),
                    _percent(y.events, previous.events),
                    _percent(y.events, steps[0][1].events),
                ]
            )
            if name in flow.steps:
                previous = y
        yield Table(
            name="cutflow" if process == "Znunu" else f"cutflow_{process}",
            title=f"Cut-flow of {process}, "
            + ("measured events" if of_data else f"{data['luminosity']:g} fb⁻¹"),
            columns=(
                *("cut", "raw", "events", "statistical error", "of the cross-section"),
                *("step", "total"),
            ),
            rows=rows,
            notes=(
                " ".join(
                    [
                        *provenance_notes.notes(samples),
                        *provenance_notes.gaps(process, samples),
                        *_without_squares(data, process),
                        *["A network's efficiency is relative to the events after all cuts."]
                        * bool(flow.networks),
                    ]
                ),
            ),
        )


def at_edge(data: Mapping[str, Any]) -> dict[str, list[SampleFlow]]:
    """Flows of the signal region near the lowest boson pT that was generated, by process, where
    all of its samples have it."""
    lacking = {s["process"] for s in data["samples"].values() if not s["at_edge"]}
    with_edge = {
        name: {**sample, "regions": {EDGE: sample["at_edge"]}}
        for name, sample in data["samples"].items()
        if sample["process"] not in lacking
    }
    return samples_by_process({"samples": with_edge}, EDGE)


def _edge_share(near: Sequence[SampleFlow], samples: Sequence[SampleFlow], name: str) -> str:
    """Return the share of a region's events near the lowest boson pT that was generated, as text;
    where no event is, with the share that one event of the sample that begins there would have."""
    part, whole = (sum((s.flow.bins[name] for s in some), Yield()) for some in (near, samples))
    if not whole.raw or not whole.sumw:
        return "-"
    if part.raw:
        return str(measured_share(part.sums, whole.sums))
    lowest = max((s.flow.steps["all events"] for s in near), key=lambda y: y.raw)
    one = lowest.sumw / lowest.raw / whole.sumw if lowest.raw else 1.0
    return f"0 (one event: {one:.1g})" if one < 1 else "0 (one event: all)"


def _without_squares(data: Mapping[str, Any], process: str) -> list[str]:
    """A sentence that names the samples whose statistical errors are upper limits, if any."""
    names = [
        name
        for name, sample in data["samples"].items()
        if sample["process"] == process
        and sample.get("sum_of_weights")
        and sample.get("sum_of_weights_squared") is None
    ]
    if not names:
        return []
    return [
        f"The squared weights of {', '.join(names)} before any cut are not known (the sum of "
        "weights is configured): the statistical error is √Σw² of what passes, an upper limit."
    ]


def _region_table(data: Mapping[str, Any]) -> Table:
    flows = by_process(data, monojet36.SR.name)
    flows |= by_process(data, monojet36.SR.name, of_data=True)
    samples, near, counted = (
        samples_by_process(data, monojet36.SR.name),
        at_edge(data),
        measured(data),
    )
    networks = list(data["networks"])
    columns = ["region"]
    for process in flows:
        columns += [process, *(f"{process}, {network}" for network in networks)]
        columns += [f"{process}, at the edge"] * (process in near)
    rows = []
    for met_bin in BINS:
        row = [met_bin.name]
        for process, flow in flows.items():
            for bins in (flow.bins, *(flow.networks[n] for n in networks)):
                y = bins[met_bin.name]
                simulated = y.raw and process not in counted
                row.append(with_error(y.events, y.error) if simulated else f"{y.events:.12g}")
            if process in near:
                row.append(_edge_share(near[process], samples[process], met_bin.name))
        rows.append(row)
    return Table(
        name="cutflow_regions",
        title=f"Events in the signal regions, {data['luminosity']:g} fb⁻¹, before and after each "
        "network",
        columns=columns,
        rows=rows,
        notes=(
            "Errors: statistical, of the efficiency in the simulation, and of the cross-sections, "
            "in quadrature.",
            *([provenance_notes.EDGE_NOTE] if near else []),
            *_gaps(data),
            *([f"Measured events, not normalised: {', '.join(counted)}."] if counted else []),
        ),
    )


def _gaps(data: Mapping[str, Any]) -> list[str]:
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for sample in data["samples"].values():
        by_name.setdefault(sample["process"], []).append(sample)
    return [line for p, samples in by_name.items() for line in provenance_notes.gaps(p, samples)]


def completeness(data: Mapping[str, Any]) -> str:
    """Return what tables of other stages say of the events that are missing in IM1: the share near
    the lowest boson pT that was generated by process, and the gaps between slices."""
    near, samples = at_edge(data), samples_by_process(data, monojet36.SR.name)
    shares = ", ".join(f"{p} {_edge_share(near[p], samples[p], 'IM1')}" for p in near)
    edge = f"At the edge of what was generated in IM1 (all regions: cutflow_regions): {shares}."
    return "".join(f" {sentence}" for sentence in (*([edge] if shares else []), *_gaps(data)))


def simulated_alone(data: Mapping[str, Any], what: str) -> str:
    """Return a sentence that measured events are left out of ``what``; empty without any."""
    processes = measured(data)
    return f" {what} without measured events ({', '.join(processes)})." if processes else ""


def _short(error: float) -> str:
    return f"{error:.2g}" if error < 100 else f"{error:.0f}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


WORK = PartitionedWork(
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".json"
)
