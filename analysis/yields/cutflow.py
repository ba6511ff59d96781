"""Fill the weighted cut-flow of each sample, with and without each network.

A task is one event loop over a range of a file, which books entries, sums of weights and sums of
squared weights after each cut. Sums are exact until those of all tasks are added.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.config import Sample
from analysis.formats.columns import own
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
from analysis.rdf.regions import apply_cut, define
from analysis.rdf.score_tables import load_scores, time_of_change
from analysis.rdf.yields import ExactYield, read_out
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.yields import provenance_notes
from analysis.yields.cutflow_model import CutflowSample, CutflowTable
from analysis.yields.cutflow_part import NETWORK, CutflowPart, ExactCutflow, add, rounded
from analysis.yields.cutflow_tables import tables
from common.runtime.errors import InputError, ScoreError
from common.schema import hdf5
from common.tasks import Provenance, Range, Skipped, Task
from cpp_helpers import declare, load_root
from cpp_helpers.errors import event_loop_errors
from selections import monojet36
from selections.cuts import Cut, Definition, Region
from training.classifier.evaluation_model import WorkingPoint, read_working_points

EDGE = "edge"  # in parts, the cut-flow of events near the lowest generated boson pT


class _Booked:
    """Yields of a node by signal region, booked but not yet filled."""

    def __init__(self, df: Any) -> None:
        self.result = declare().book_yields(df, "met_no_muons", "weight", monojet36.MET_EDGES)

    def _bins(self) -> list[ExactYield]:
        return read_out(self.result.GetValue())

    def total(self) -> ExactYield:
        """Return the yield of all events of the node."""
        return sum(self._bins(), ExactYield())

    def regions(self) -> dict[str, ExactYield]:
        """Return the yields of ``all`` events and of each signal region."""
        exclusive = self._bins()[1:]  # without the events below the first edge
        inclusive = list(itertools.accumulate(reversed(exclusive)))[::-1]
        found = {"all": self.total()}
        found |= {b.name: y for b, y in zip(monojet36.INCLUSIVE, inclusive, strict=True)}
        found |= {b.name: y for b, y in zip(monojet36.EXCLUSIVE, exclusive, strict=True)}
        return found


def book_cutflow(
    df: Any, region: Region, networks: Mapping[str, WorkingPoint]
) -> Callable[[], ExactCutflow]:
    """Book the cut-flow of a region on ``df`` and return a function that returns it after the event
    loop.

    ``networks`` maps the name of each network to its cut; its column is ``score_<index>``.
    """
    steps = {"all events": _Booked(df)}
    for cut in region.cuts:
        df = apply_cut(df, cut)
        steps[cut.name] = _Booked(df)
    selected = _Booked(df)
    passing = {
        name: _Booked(apply_cut(df, score_cut(index, name, point)))
        for index, (name, point) in enumerate(networks.items())
    }

    def get() -> ExactCutflow:
        return {
            "steps": {name: step.total() for name, step in steps.items()},
            "bins": selected.regions(),
            **{NETWORK + name: booked.regions() for name, booked in passing.items()},
        }

    return get


def score_cut(index: int, network: str, point: WorkingPoint) -> Cut:
    """Return the cut on a network's score: at least the threshold of the fold of the event."""
    n = len(point.thresholds)
    listed = ", ".join(f"{threshold!r}f" for threshold in point.thresholds)
    of_fold = f"std::array<float, {n}>{{{listed}}}[monojet::fold_of(run_number, event_number, {n})]"
    return Cut(network, f"score_{index} >= {of_fold}", f"{network}, {point}")


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """Yield the ranges of all samples, without files that have no images.

    Raises:
        NormalisationError: the cross-section or the sum of weights of a sample is not known.
    """
    for sample in run.config.analysis_samples():
        left_out = {skipped.file for skipped in _without_images(run, sample)}
        checked = False
        for found in input_ranges(run, sample.name, needs()):
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


def needs() -> reader.Needs:
    """Return the canonical columns that the cut-flow and the keys of the scores need."""
    expressions = (
        *(definition.expression for definition in monojet36.DEFINITIONS),
        *(region.expression for region in monojet36.REGIONS.values()),
    )
    return reader.Needs.of(
        "the cut-flow",
        expressions,
        *("run_number", "event_number", "weight", "met_no_muons"),
    )


def make_part(run: Run, task: Task, path: Path) -> int:
    """Fill the cut-flows of the events of a task in one event loop; return their number."""
    sample = task.range.sample
    file = task_input(run, task)
    reader.require_columns(file, needs())
    begin, end = task.range.begin, file.n_events if task.range.end is None else task.range.end
    networks = _working_points(run)
    if networks:
        load_scores(run.scores(sample), tuple(networks), _score_rows(run, task, end))
    helpers = declare()
    df = _define(reader.open_range(file, begin, end), len(networks))
    booked = _book(run, sample, df, networks)
    handles = [helpers.book_yields(df, "met_no_muons", "weight", [])]
    if run.config.imaging.region is None:
        # Every event must have its scores, including those outside of all regions.
        handles += [
            helpers.book_yields(df, own(f"score_{number}"), "weight", [])
            for number in range(len(networks))
        ]
    root = load_root()
    root.RDF.RunGraphs.__release_gil__ = True  # Python's other threads run during the event loop
    with event_loop_errors(file.path, ScoreError):
        root.RDF.RunGraphs(handles)
    try:
        regions = {name: get() for name, get in booked.items()}
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    info = info_of(run, sample, file)
    source = InputRange.of(task, end, info)
    CutflowPart(task.code_settings_hash, source, info, regions).write(path)
    return end - begin


def _define(df: Any, n_networks: int) -> Any:
    """Define the scores and the quantities of the selection."""
    for number in range(n_networks):
        lookup = f"monojet::score({number}, run_number, event_number)"
        df = define(df, [Definition(f"score_{number}", lookup)])
    return define(df, monojet36.DEFINITIONS)


def _book(
    run: Run, sample: str, df: Any, networks: Mapping[str, WorkingPoint]
) -> dict[str, Callable[[], ExactCutflow]]:
    """Book the cut-flows of all regions and, for generated samples, of events at the edge."""
    booked = {
        name: book_cutflow(df, region, networks) for name, region in monojet36.REGIONS.items()
    }
    edge = provenance_notes.edge(run.config, run.config.sample(sample))
    if edge is not None:
        near = apply_cut(df, Cut("edge", f"boson_pt < {edge!r}f", f"boson pT < {edge:g}"))
        booked[EDGE] = book_cutflow(near, monojet36.SR, {})
    return booked


def provenance(path: Path) -> Provenance:
    """Read the origin of a part."""
    return CutflowPart.read(path).provenance


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the parts of all samples and write the cut-flow and its tables."""
    config = run.config
    regions: dict[str, dict[str, ExactCutflow]] = {}
    sources: dict[str, list[InputRange]] = {}
    firsts: dict[str, SampleInfo] = {}
    for part in parts:
        made, name = CutflowPart.read(part.path), part.task.range.sample
        add_range(sources.setdefault(name, []), made.source)
        firsts.setdefault(name, made.info)
        known = regions.get(name)
        regions[name] = (
            {region: add(known[region], exact) for region, exact in made.regions.items()}
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
    for made_table in tables(table):
        made_table.write_beside(target.output.with_name(f"{made_table.name}.json"))
    table.write(target.output)


def _sample(
    run: Run,
    sample: Sample,
    sources: Sequence[InputRange],
    first: SampleInfo,
    regions: Mapping[str, ExactCutflow],
) -> CutflowSample:
    info = info_of_ranges(sources, first, sample)
    try:
        found = {region: rounded(exact) for region, exact in regions.items()}
    except InputError as error:
        raise InputError(f"{sample.name}: {error}") from error
    near = found.pop(EDGE, None)
    return CutflowSample(
        process=info.process,
        slice=info.slice,
        data=sample.data,
        cross_section=info.cross_section,
        cross_section_error=info.cross_section_error,
        sum_of_weights=info.sum_of_weights,
        sum_of_weights_squared=info.sum_of_weights_squared,
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
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".json"
)
