"""Make rapidity-mass matrices: matrix, quantities, channel and subset of events with three leptons.

The weighted cut-flow comes from the same event loop.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from analysis.config import Anomaly, Rmm, Sample
from analysis.event_loop.events import Events
from analysis.formats.columns import RVEC_FLOAT, own
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_ranges, task_input
from analysis.inputs.sample_info import (
    InputRange,
    SampleInfo,
    add_range,
    info_of_ranges,
    normalisation,
)
from analysis.matrices import rmm_names
from analysis.matrices.subsets import DRAW, subset_of
from analysis.matrices.three_lepton_cutflow import cutflow_table
from analysis.rdf import yields
from analysis.rdf.yields import ExactYield
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime.errors import BatchError, InputError
from common.schema.matrices import FEATURES, MatrixFile, MatrixWriter
from common.schema.parts import damaged_part
from common.tasks import Provenance, Range, Task
from cpp_helpers import calls
from cpp_helpers.calls import Handle
from cpp_helpers.errors import event_loop_errors
from selections import three_lepton
from selections.cuts import Definition, ObjectType


def ranges(run: Run, target: Target) -> Iterable[Range]:
    """Return the events of the target's sample, cut into tasks."""
    return input_ranges(run, target.name, needs(run.config.anomaly_search.rmm))


def features(rmm: Rmm) -> Definition:
    """Return the definition of the matrix, one expression for all samples."""
    types = ", ".join(_objects(three_lepton.OBJECTS[n], k) for n, k in rmm.objects.items())
    return Definition(
        FEATURES,
        f"monojet::rmm({rmm.sqrt_s}, {rmm.rapidity_scale}, met, met_phi, {{{types}}})",
    )


def _objects(kind: ObjectType, slots: int) -> str:
    columns = [kind.columns.format(name) for name in ("pt", "eta", "phi")]
    mass = f"float({kind.mass})" if kind.mass else kind.columns.format("mass")
    objects = f"monojet::objects({', '.join(columns)}, {mass}, {slots})"
    return f"{objects}.where({kind.mask})" if kind.mask else objects


def needs(rmm: Rmm) -> reader.Needs:
    """Return the canonical columns that the matrices and their selection need."""
    definitions = (*three_lepton.definitions(rmm.objects), features(rmm))
    return reader.Needs.of(
        "the three-lepton selection",
        (*(one.expression for one in definitions), *three_lepton.QUANTITIES.values()),
    )


@functools.cache
def _block(n_quantities: int, n_features: int) -> Handle:
    """Return the table block of this process; tasks reuse its memory."""
    return calls.make("table_block", n_quantities, n_features)


def make_part(run: Run, task: Task, path: Path) -> int:
    """Write the matrices of a task, in one event loop; return the number of events read."""
    search = run.config.anomaly_search
    file = task_input(run, task)
    reader.require_columns(file, needs(search.rmm))
    sample = run.config.sample(task.range.sample)
    end = file.n_events if task.range.end is None else task.range.end
    columns, flow = _event_loop(file, task.range.begin, end, sample, search)
    info = info_of(run, sample.name, file)
    with MatrixWriter(path) as writer:
        writer.append(columns)
        writer.attributes = {
            "code_settings_hash": task.code_settings_hash,
            "source": json.dumps(dataclasses.asdict(InputRange.of(task, end, info))),
            "sample_info": info.to_json(),
            "cutflow": json.dumps({name: y.to_json() for name, y in flow.items()}),
        }
    return end - task.range.begin


def defined(events: Events, file: reader.File, search: Anomaly) -> Events:
    """Return events with all columns of the selection."""
    real = file.data or file.format.reconstructed
    for flavour in ("electron", "muon"):
        rate = 0.0 if real else getattr(search.rmm.fakes, flavour)
        events = events.number(f"fake_rate_{flavour}", "double", rate)
    return events.define(three_lepton.definitions(search.rmm.objects))


def selected(events: Events, file: reader.File, search: Anomaly) -> Events:
    """Return the events with three leptons."""
    events = defined(events, file, search)
    for cut in three_lepton.SR.cuts:
        events = events.passing(cut)
    return events


def prepare(run: Run, task: Task) -> None:
    """Compile the columns of tasks like this one."""
    search = run.config.anomaly_search
    file = task_input(run, task)
    reader.require_columns(file, needs(search.rmm))
    _Booked(file, 0, file.n_events, search).events.loop.compile()


class _Booked:
    """The event loop of a task: a table of the selected events, yields after each cut and in each
    channel."""

    def __init__(self, file: reader.File, begin: int, end: int, search: Anomaly) -> None:
        events = defined(reader.open_events(file, begin, end), file, search)
        self.flow = {"all events": yields.book(events, "met", "weight")}
        for cut in three_lepton.SR.cuts:
            events = events.passing(cut)
            self.flow[cut.name] = yields.book(events, "met", "event_weight")
        self.quantities = [*three_lepton.QUANTITIES.values(), DRAW]
        packed = ", ".join(f"float({quantity})" for quantity in self.quantities)
        events = events.define(
            [
                Definition("quantities", f"ROOT::RVecF{{{packed}}}"),
                features(search.rmm),
                Definition("muons", "float(n_muons)"),
            ],
        )
        edges = [n + 0.5 for n in range(len(three_lepton.CHANNELS) - 1)]  # of the number of muons
        self.channels = yields.book(events, "muons", "event_weight", edges)
        self.names = rmm_names.names(tuple(search.rmm.objects.items()))
        block = self.block = _block(len(self.quantities), len(self.names))
        used = {"run_number": "unsigned int", "event_number": "unsigned long long"}
        used |= {"event_weight": "double", "quantities": RVEC_FLOAT, FEATURES: RVEC_FLOAT}
        events.book(lambda node: calls.make("book_table", node, own("event_weight"), block), used)
        self.events = events


def _event_loop(
    file: reader.File, begin: int, end: int, sample: Sample, search: Anomaly
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, ExactYield]]:
    """Return columns of the selected events, and yields after each cut and in each channel."""
    booked = _Booked(file, begin, end, search)
    quantities, names, block = booked.quantities, booked.names, booked.block
    with event_loop_errors(file.path):
        booked.events.loop.run()
    flow = {name: sum(yields.read_out(y), ExactYield()) for name, y in booked.flow.items()}
    flow |= dict(zip(three_lepton.CHANNELS, yields.read_out(booked.channels), strict=True))
    numbers = block.array("quantities").reshape(-1, len(quantities))
    columns = {
        FEATURES: block.array("features").reshape(-1, len(names)),
        "events/run_number": block.array("run_number"),
        "events/event_number": block.array("event_number"),
        "events/weight": block.array("weight"),
        "events/subset": subset_of(numbers[:, -1], sample, search),
    }
    for i, name in enumerate(three_lepton.QUANTITIES):
        columns[f"events/{name}"] = numbers[:, i]
    return columns, flow


def provenance(path: Path) -> Provenance:
    """Return the provenance of a part.

    Raises:
        BatchError: the part is damaged.
    """
    with damaged_part(path, InputError), MatrixFile(path) as file:
        source = json.loads(file.attribute("source"))
        return Provenance(
            str(file.attribute("code_settings_hash")),
            source["input_version"],
            source["file"],
            source["begin"],
            source["end"],
        )


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the parts of a sample, and write the table of all samples."""
    config, search = run.config, run.config.anomaly_search
    sample = config.sample(target.name)
    sources: list[InputRange] = []
    flow: dict[str, ExactYield] = {}
    first: SampleInfo | None = None
    with MatrixWriter(target.output) as writer:
        for part in parts:
            with MatrixFile(part.path) as file:
                for columns in file.blocks():
                    writer.append(columns)
                add_range(sources, InputRange(**json.loads(file.attribute("source"))))
                first = first or SampleInfo.from_json(file.attribute("sample_info"))
                for name, y in json.loads(file.attribute("cutflow")).items():
                    flow[name] = flow.get(name, ExactYield()) + ExactYield.from_json(y)
        if first is None:
            raise BatchError(f"sample '{target.name}': none of its files could be read")
        info = info_of_ranges(sources, first, sample)
        factor = normalisation(info, config)
        yields = {name: y.rounded().scaled(factor) for name, y in flow.items()}
        writer.attributes = {
            "code_settings_hash": target.code_settings_hash,
            "sample": sample.name,
            "process": info.process,
            "data": sample.data,
            "sample_info": info.to_json(),
            "normalisation": factor,
            "names": list(rmm_names.names(tuple(search.rmm.objects.items()))),
            "objects": json.dumps(search.rmm.objects),
            "sqrt_s_GeV": search.rmm.sqrt_s,
            "rapidity_scale": search.rmm.rapidity_scale,
            "cutflow": json.dumps({name: dataclasses.asdict(y) for name, y in yields.items()}),
            "skipped_files": json.dumps([dataclasses.asdict(s) for s in parts.skipped]),
            "versions": json.dumps(versions()),
        }
    table = cutflow_table(run)
    table.write_beside(run.table(table.name))


WORK = PartitionedWork(
    ranges=ranges,
    make_part=make_part,
    provenance=provenance,
    merge=merge,
    suffix=".h5",
    prepare=prepare,
)
