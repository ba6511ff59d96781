"""Count the weighted events of all regions of a selection, and fill their histograms.

A task is one event loop over a range of a file, which books entries, sums of weights and sums of
squared weights after each cut of each region, with and without each network, and the histograms of
the region. Sums are exact until those of all tasks are added.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.by_value import used_columns
from analysis.config import Config, Sample
from analysis.event_loop.events import Events
from analysis.formats.columns import names_in
from analysis.images.input_files import read_sources, skipped_files
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_of, input_ranges, task_input
from analysis.inputs.sample_info import (
    InputRange,
    SampleInfo,
    add_range,
    configured,
    info_of_ranges,
    normalisation,
)
from analysis.rdf import histograms, yields
from analysis.rdf.histograms import ExactHistogram, Quantities
from analysis.rdf.regions import without_blind
from analysis.rdf.score_tables import load_scores, time_of_change
from analysis.rdf.weights import define_weight, factor_columns, factor_keys
from analysis.rdf.yields import ExactYield
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.yields import provenance_notes
from analysis.yields.cutflow_model import CutflowSample, CutflowTable
from analysis.yields.cutflow_part import (
    NETWORK,
    CutflowPart,
    ExactCutflow,
    ExactRegion,
    rounded,
    without_step,
)
from analysis.yields.cutflow_tables import tables
from analysis.yields.templates import write_templates
from common.runtime.errors import InputError, ScoreError
from common.schema import hdf5
from common.schema.templates import N_MINUS_ONE
from common.tasks import Provenance, Range, Skipped, Task
from cpp_helpers.errors import event_loop_errors
from selections.cuts import Cut, Definition, Region, used_definitions
from selections.n_minus_one import NMinusOne, n_minus_one
from selections.selection import Binning, Histogram, Selection
from training.classifier.evaluation_model import WorkingPoint, read_working_points

EDGE = "edge"  # in parts, the cut-flow of events near the lowest generated boson pT
BINNED = "binned_quantity"  # prefix of the columns with the quantities of the signal bins


class _Booked:
    """Yields of some events by signal bin, booked but not yet filled."""

    def __init__(self, events: Events, quantity: str, weight: str, binning: Binning) -> None:
        self.binning = binning
        self.booked = yields.book(events, quantity, weight, binning.edges)

    def _bins(self) -> list[ExactYield]:
        return yields.read_out(self.booked)

    def total(self) -> ExactYield:
        """Return the yield of all of the events."""
        return sum(self._bins(), ExactYield())

    def bins(self) -> dict[str, ExactYield]:
        """Return the yields of ``all`` events and of each signal bin."""
        exclusive = self._bins()[1:]  # without the events below the first edge
        inclusive = list(itertools.accumulate(reversed(exclusive)))[::-1]
        found = {"all": self.total()}
        found |= {b.name: y for b, y in zip(self.binning.inclusive, inclusive, strict=True)}
        found |= {b.name: y for b, y in zip(self.binning.exclusive, exclusive, strict=True)}
        return found


class Graph:
    """The graph of a selection on events that have all of its columns.

    Nodes are shared: regions that begin with the same cuts have these only once.
    """

    def __init__(
        self,
        events: Events,
        selection: Selection,
        weight: str,
        keys: Mapping[str, str] | None = None,
        *,
        data: bool = False,
    ) -> None:
        """Define the quantities of bins and histograms.

        ``keys`` are those of the configuration by the names of cuts, for messages. Events of
        ``data`` in blind regions are left out everywhere.
        """
        self.selection, self.weight, self.keys = selection, weight, keys or {}
        self.quantities: dict[str, str] = {}
        for number, quantity in enumerate(_binned_quantities(selection)):
            name = f"{BINNED}_{number}"
            events = events.define(
                [Definition(name, f"float({quantity})")], {name: "selection.bins.variable"}
            )
            self.quantities[quantity] = name
        self.n_minus_one = {
            name: n_minus_one(selection, selection.regions[name]) for name in selection.used
        }
        self._quantities = _named(histograms.quantities(self._histograms()))
        if self._quantities:
            events = histograms.define_values(events, self._quantities)
        first = without_blind(events, selection, data=data)
        self._nodes: dict[tuple[str, ...], Events] = {(): first}
        self._yields: dict[tuple[tuple[str, ...], str], _Booked] = {}

    def _histograms(self) -> Iterator[Histogram]:
        for region in self.selection.used:
            yield from self.selection.histograms_in(region)
            yield from (_histogram(one) for one in self.n_minus_one[region])

    @property
    def events(self) -> Events:
        """Return all events."""
        return self._nodes[()]

    def after(self, steps: Sequence[Step]) -> Events:
        """Return the events that pass some cuts, in their order."""
        path = tuple(step.expression for step in steps)
        if path not in self._nodes:
            *before, last = steps
            cut = Cut(last.key, last.expression, last.key)
            self._nodes[path] = self.after(before).passing(cut, last.key)
        return self._nodes[path]

    def steps(self, region: Region) -> list[Step]:
        """Return the cuts of a region."""
        return [
            Step(cut.expression, self.keys.get(f"{region.name} {cut.name}", cut.name))
            for cut in region.cuts
        ]

    def _booked(self, steps: Sequence[Step], region: Region) -> _Booked:
        binning = self.selection.binning
        quantity = self.quantities[region.binned_in or binning.axis.expression]
        place = tuple(step.expression for step in steps), quantity
        if place not in self._yields:
            self._yields[place] = _Booked(self.after(steps), quantity, self.weight, binning)
        return self._yields[place]

    def book(
        self, region: Region, networks: Mapping[str, WorkingPoint]
    ) -> Callable[[], ExactCutflow]:
        """Book the cut-flow of a region and return a function that returns it after the event loop.

        ``networks`` maps the name of each network to its cut; its column is ``score_<index>``.
        """
        steps = self.steps(region)
        booked = {"all events": self._booked((), region)}
        for number, cut in enumerate(region.cuts, start=1):
            booked[cut.name] = self._booked(steps[:number], region)
        selected = self._booked(steps, region)
        passing = {
            name: self._booked([*steps, Step(score_cut(index, point), name)], region)
            for index, (name, point) in enumerate(networks.items())
        }

        def get() -> ExactCutflow:
            return {
                "steps": {name: step.total() for name, step in booked.items()},
                "bins": selected.bins(),
                **{NETWORK + name: found.bins() for name, found in passing.items()},
            }

        return get

    def book_histograms(self, region: Region) -> Callable[[], dict[str, ExactHistogram]]:
        """Book the histograms of a region, and those of its cuts' quantities for events that pass
        all other cuts; return a function that returns them after the event loop."""
        booked = []
        steps = self.steps(region)
        if chosen := self.selection.histograms_in(region.name):
            booked.append(histograms.book(self.after(steps), chosen, self._quantities, self.weight))
        keys = {step.expression: step.key for step in steps}
        for one in self.n_minus_one[region.name]:
            node = self.after([Step(text, keys.get(text, one.cut)) for text in one.others])
            booked.append(histograms.book(node, [_histogram(one)], self._quantities, self.weight))

        def get() -> dict[str, ExactHistogram]:
            return {name: found for got in booked for name, found in got().items()}

        return get


@dataclass(frozen=True)
class Step:
    """A cut: its expression, and its key or name for messages."""

    expression: str
    key: str


def _binned_quantities(selection: Selection) -> list[str]:
    binned_in = (selection.regions[name].binned_in for name in selection.used)
    return list(dict.fromkeys((selection.binning.axis.expression, *filter(None, binned_in))))


def _named(quantities: Quantities) -> Quantities:
    """Return the quantities with the keys of the configuration as names."""
    names = (
        name if name.startswith(N_MINUS_ONE) else f"selection.histograms.{name}.variable"
        for name in quantities.names
    )
    return replace(quantities, names=tuple(names))


def _histogram(one: NMinusOne) -> Histogram:
    return Histogram(N_MINUS_ONE + one.name, (one.axis,))


def score_cut(index: int, point: WorkingPoint) -> str:
    """Return the cut on a network's score: at least the threshold of the fold of the event."""
    n = len(point.thresholds)
    listed = ", ".join(f"{threshold!r}f" for threshold in point.thresholds)
    of_fold = f"std::array<float, {n}>{{{listed}}}[monojet::fold_of(run_number, event_number, {n})]"
    return f"score_{index} >= {of_fold}"


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """Yield the ranges of all samples, without files that have no images.

    Raises:
        NormalisationError: the cross-section or the sum of weights of a sample is not known.
    """
    for sample in run.config.analysis_samples():
        left_out = {skipped.file for skipped in _without_images(run, sample)}
        checked = False
        for found in input_ranges(run, sample.name, needs(run.config)):
            if found.file in left_out:
                continue
            if not checked:  # by the first file with events, before any event loop
                with contextlib.suppress(InputError):  # which the task of the file will raise
                    file = input_of(run, sample.name, found.file)
                    checked = bool(file.n_events)
                    if checked:
                        info = info_of(run, sample.name, file)
                        normalisation(configured(info, sample), run.config)
            yield found


def needs(config: Config) -> reader.Needs:
    """Return the columns that the yields and the keys of the scores need."""
    return needs_of(config, config.selection.resolved.used)


def needs_of(config: Config, regions: Sequence[str]) -> reader.Needs:
    """Return the columns that some regions of the selection and their histograms need."""
    used_by = {
        word: f"selection.{key}"
        for key, text in config.selection.texts()
        for word in names_in(text)
    }
    return reader.Needs.of(
        "the cut-flow",
        used_columns(config.selection.resolved, regions),
        *("run_number", "event_number", "weight"),
        extra=config.further_columns,
        used_by=used_by,
    )


def make_part(run: Run, task: Task, path: Path) -> int:
    """Count the events of a task and fill its histograms in one event loop; return the number of
    events."""
    name, begin = task.range.sample, task.range.begin
    file = task_input(run, task)
    end = file.n_events if task.range.end is None else task.range.end
    if networks := _working_points(run):
        load_scores(run.scores(name), tuple(networks), _score_rows(run, task, end))
    booked = _Task(run, name, file, begin, end)
    with event_loop_errors(file.path, ScoreError):
        booked.events.loop.run()
    try:
        regions = booked.regions()
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    info = info_of(run, name, file)
    source = InputRange.of(task, end, info)
    CutflowPart(task.code_settings_hash, source, info, regions).write(path)
    return end - begin


def prepare(run: Run, task: Task) -> None:
    """Compile the columns of tasks like this one."""
    file = task_input(run, task)
    _Task(run, task.range.sample, file, 0, file.n_events).events.loop.compile()


class _Task:
    """The event loop of a task, booked but not yet run."""

    def __init__(self, run: Run, name: str, file: reader.File, begin: int, end: int) -> None:
        reader.require_columns(file, needs(run.config))
        networks = _working_points(run)
        selection = run.config.selection.resolved
        data = run.config.sample(name).data
        keys = run.config.selection.keys("selection.")
        events = defined(
            reader.open_events(file, begin, end), selection, n_networks=len(networks), keys=keys
        )
        factor_names = factor_keys(selection)
        events, weight = define_weight(events, selection, data=data, keys=factor_names)
        graph = Graph(events, selection, weight, keys, data=data)
        self.events = events
        self._regions = _book(run, name, graph, networks)
        any_float = f"{BINNED}_0"
        factors = [] if weight == "weight" else factor_columns(selection)
        self._factors = {
            key: yields.book(graph.events, any_float, factor)
            for key, factor in zip(factor_names, factors, strict=False)
        }
        yields.book(graph.events, any_float, weight)
        if run.config.imaging.region is None:
            # Every event must have its scores, including those outside of all regions.
            for number in range(len(networks)):
                yields.book(graph.events, f"score_{number}", weight)

    def regions(self) -> dict[str, ExactRegion]:
        """Return the yields and histograms after the event loop.

        Raises:
            InputError: a weight, or a factor of it, cannot be summed.
        """
        for key, factor in self._factors.items():
            if n := yields.n_not_finite(factor):
                raise InputError(
                    f"'{key}': the factor is not finite, or too large to square (events: {n})"
                )
        return {name: get() for name, get in self._regions.items()}


def defined(
    events: Events,
    selection: Selection,
    *,
    n_networks: int = 0,
    region: str | None = None,
    keys: Mapping[str, str] | None = None,
) -> Events:
    """Return the events with the scores and with the definitions that the selection uses, all of it
    or a region."""
    for number in range(n_networks):
        lookup = f"monojet::score({number}, run_number, event_number)"
        events = events.define([Definition(f"score_{number}", lookup)])
    regions = selection.used if region is None else [region]
    used = used_definitions(selection.definitions, used_columns(selection, regions))
    return events.define(used, keys)


def _book(
    run: Run, name: str, graph: Graph, networks: Mapping[str, WorkingPoint]
) -> dict[str, Callable[[], ExactRegion]]:
    """Book all regions that are used and not hidden and, for generated samples, the first of them
    for events at the edge of what was generated."""
    sample = run.config.sample(name)
    selection = graph.selection

    def booked(
        cutflow: Callable[[], ExactCutflow],
        filled: Callable[[], dict[str, ExactHistogram]] | None = None,
    ) -> Callable[[], ExactRegion]:
        return lambda: ExactRegion(cutflow(), filled() if filled else {})

    found = {
        region: booked(
            graph.book(selection.regions[region], networks),
            graph.book_histograms(selection.regions[region]),
        )
        for region in selection.used
        if not (sample.data and selection.hidden(region))
    }
    edge = provenance_notes.edge(run.config, sample)
    if edge is not None:
        first = selection.regions[selection.used[0]]
        cut = Cut("edge", f"boson_pt < {edge!r}f", f"boson pT < {edge:g}")
        begin = replace(first, cuts=(cut, *first.cuts))
        found[EDGE] = booked(graph.book(begin, {}))
    return found


def provenance(path: Path) -> Provenance:
    """Read the origin of a part."""
    return CutflowPart.read(path).provenance


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the parts of all samples and write the cut-flow and its tables."""
    config = run.config
    regions: dict[str, dict[str, ExactRegion]] = {}
    sources: dict[str, list[InputRange]] = {}
    firsts: dict[str, SampleInfo] = {}
    for part in parts:
        made, name = CutflowPart.read(part.path), part.task.range.sample
        add_range(sources.setdefault(name, []), made.source)
        firsts.setdefault(name, made.info)
        known = regions.get(name)
        regions[name] = (
            {region: known[region] + exact for region, exact in made.regions.items()}
            if known
            else made.regions
        )
    table = CutflowTable(
        config.luminosity,
        _working_points(run),
        {
            sample.name: _sample(
                run, sample, sources[sample.name], firsts[sample.name], regions[sample.name]
            )
            for sample in config.analysis_samples()
            if sample.name in regions
        },
        [
            *(
                skipped
                for one in config.analysis_samples()
                for skipped in _without_images(run, one)
            ),
            *parts.skipped,
        ],
    )
    write_templates(run, table, regions)
    for made_table in tables(table, run.config):
        made_table.write_beside(target.output.with_name(f"{made_table.name}.json"))
    table.write(target.output)


def _sample(
    run: Run,
    sample: Sample,
    sources: Sequence[InputRange],
    first: SampleInfo,
    regions: Mapping[str, ExactRegion],
) -> CutflowSample:
    info = info_of_ranges(sources, first, sample)
    try:
        found = {region: rounded(exact.cutflow) for region, exact in regions.items()}
    except InputError as error:
        raise InputError(f"{sample.name}: {error}") from error
    near = found.pop(EDGE, None)
    if near is not None:
        near = without_step(near, EDGE)
    if sample.data:  # counted, whatever the files state of a simulation
        info = replace(
            info,
            cross_section=None,
            cross_section_error=None,
            sum_of_weights=None,
            sum_of_weights_squared=None,
        )
    return CutflowSample(
        process=info.process,
        slice=info.slice,
        data=sample.data,
        cross_section=info.cross_section,
        cross_section_error=info.cross_section_error,
        sum_of_weights=info.sum_of_weights,
        # with further factors the errors need the sums of products of both weights
        sum_of_weights_squared=None
        if run.config.selection.resolved.has_factors
        else info.sum_of_weights_squared,
        normalisation=normalisation(info, run.config),
        origin=provenance_notes.origin(sample),
        boson_pt=provenance_notes.boson_pt(run.config, sample),
        at_edge=near,
        regions=found,
    )


def _without_images(run: Run, sample: Sample) -> list[Skipped]:
    """Return the files whose events have no scores, if scores are needed."""
    return skipped_files(run.images(sample.name)) if run.config.training.networks else []


def _working_points(run: Run) -> dict[str, WorkingPoint]:
    """Return the cuts on the scores of the networks that select events."""
    names = [spec.name for spec in run.config.training.signal_networks()]
    if not names:
        return {}
    points = read_working_points(run.evaluation)
    return {name: points[name] for name in names}


def _score_rows(run: Run, task: Task, end: int) -> slice:
    """Return the rows of the score file that contain the events of a task, or all if unknown.

    Scores have the order of the images, which is that of the files if every event has an image.
    Within these rows events are still found by their keys.
    """
    images = run.images(task.range.sample)
    if run.config.imaging.region is None and images.exists():
        first = _first_rows(images, time_of_change(images)).get(task.range.file)
        if first is not None:
            return slice(first + task.range.begin, first + end)
    return slice(None)


@functools.lru_cache(maxsize=4)
def _first_rows(images: Path, changed: int) -> dict[str, int]:
    """Return by file the row of its entry 0 in an image file of all events."""
    with hdf5.open_file(images) as file:
        sources = read_sources(file)
    counts = [source.end - source.begin for source in sources]
    starts = itertools.accumulate(counts, initial=0)
    return {s.file: start - s.begin for s, start in zip(sources, starts, strict=False)}


WORK = PartitionedWork(
    ranges=ranges,
    make_part=make_part,
    provenance=provenance,
    merge=merge,
    suffix=".json",
    prepare=prepare,
)
