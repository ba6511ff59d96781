"""Rapidity-mass matrices: of each event with three leptons, its matrix, quantities and channel.

The weighted cut-flow comes from the same event loop. The part of a study that an event belongs to
(training, validation, test, pseudo-data) is drawn by a hash of its identity, here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.config import Anomaly, Rmm, Sample
from analysis.formats.columns import canonical_in, own
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_ranges, task_input
from analysis.inputs.sample_info import SampleInfo, Source, add_source, normalisation, of_sources
from analysis.matrices import rmm_names
from analysis.matrices.rmm_file import (
    FEATURES,
    PSEUDO_DATA,
    TEST,
    TRAINING,
    VALIDATION,
    RmmWriter,
    read_attribute,
    rows,
)
from analysis.rdf.regions import define, define_per_sample, require
from analysis.rdf.yields import ExactYield, Expected, Yield, expected, read_out
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime.errors import BatchError, InputError
from common.schema import hdf5
from common.tables import Table, with_error
from common.tasks import Provenance, Range, Task
from cpp_helpers import declare
from cpp_helpers.arrays import as_array
from cpp_helpers.errors import failure_of
from selections import three_lepton
from selections.cuts import Definition, ObjectType

_DRAW_KEY = 0x70617274
DRAW = f"monojet::Draws(monojet::event_hash({_DRAW_KEY}, run_number, event_number), 0).uniform()"


def ranges(run: Run, target: Target) -> Iterable[Range]:
    """The events of the target's sample, cut into tasks."""
    return input_ranges(run, target.name, needs(run.config.anomaly_search.rmm))


def features(rmm: Rmm) -> Definition:
    """The matrix as a column: one expression for all samples."""
    types = ", ".join(_objects(three_lepton.OBJECTS[n], k) for n, k in rmm.objects.items())
    return Definition(
        FEATURES, f"monojet::rmm({rmm.sqrt_s}, {rmm.c}, full_met, full_met_phi, {{{types}}})"
    )


def _objects(kind: ObjectType, slots: int) -> str:
    columns = [kind.columns.format(part) for part in ("pt", "eta", "phi")]
    mass = f"float({kind.mass})" if kind.mass else kind.columns.format("mass")
    seen = f"monojet::objects({', '.join(columns)}, {mass}, {slots})"
    return f"{seen}.where({kind.mask})" if kind.mask else seen


def needs(rmm: Rmm) -> reader.Needs:
    """The canonical columns that the matrices and their selection take."""
    named = canonical_in(
        (
            *(d.expression for d in (*three_lepton.definitions(rmm.objects), features(rmm))),
            *three_lepton.QUANTITIES.values(),
        )
    )
    return reader.Needs(named, "the three-lepton selection")


@functools.cache
def _block(n_quantities: int, n_features: int) -> Any:
    """The block of this process, whose memory is used again for each task."""
    helpers = declare()
    helpers.make_table.__release_gil__ = True  # Python's other threads run during an event loop
    return helpers.TableBlock(n_quantities, n_features)


def make_part(run: Run, task: Task, path: Path) -> int:
    """The matrices of a task, in one event loop."""
    search = run.config.anomaly_search
    file = task_input(run, task)
    reader.require_columns(file, needs(search.rmm))
    sample = run.config.sample(task.range.sample)
    end = file.n_events if task.range.end is None else task.range.end
    columns, flow = _event_loop(file, task.range.begin, end, sample, search)
    info = info_of(run, sample.name, file)
    with RmmWriter(path) as writer:
        writer.append(columns)
        writer.attributes = {
            "code_settings_hash": task.code_settings_hash,
            "source": json.dumps(dataclasses.asdict(Source.of(task, end, info))),
            "sample_info": info.to_json(),
            "cutflow": json.dumps({name: y.to_json() for name, y in flow.items()}),
        }
    return end - task.range.begin


def defined(df: Any, file: reader.File, search: Anomaly) -> Any:
    """Events of a file with all columns of the selection."""
    real = file.data or file.format.reconstructed
    for flavour in ("electron", "muon"):
        rate = 0.0 if real else getattr(search.rmm.fakes, flavour)
        df = define_per_sample(df, f"fake_rate_{flavour}", f"{rate!r}")
    return define(df, three_lepton.definitions(search.rmm.objects))


def selected(df: Any, file: reader.File, search: Anomaly) -> Any:
    """Events of a file with three leptons."""
    df = defined(df, file, search)
    for cut in three_lepton.SR.cuts:
        df = require(df, cut)
    return df


def _event_loop(
    file: reader.File, begin: int, end: int, sample: Sample, search: Anomaly
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, ExactYield]]:
    """Columns of the selected events, and the yields after each cut and in each channel."""
    helpers, rmm = declare(), search.rmm
    df = defined(reader.open_range(file, begin, end), file, search)
    booked = {"all events": helpers.book_yields(df, "met", "weight", [])}
    for cut in three_lepton.SR.cuts:
        df = require(df, cut)
        booked[cut.name] = helpers.book_yields(df, "met", own("event_weight"), [])
    quantities = [*three_lepton.QUANTITIES.values(), DRAW]
    packed = ", ".join(f"float({quantity})" for quantity in quantities)
    df = define(
        df,
        [
            Definition("quantities", f"ROOT::RVecF{{{packed}}}"),
            features(rmm),
            Definition("muons", "float(n_muons)"),
        ],
    )
    edges = [n + 0.5 for n in range(len(three_lepton.CHANNELS) - 1)]  # between numbers of muons
    channels = helpers.book_yields(df, own("muons"), own("event_weight"), edges)
    names = rmm_names.names(tuple(rmm.objects.items()))
    block = _block(len(quantities), len(names))
    try:
        helpers.make_table(df, own("event_weight"), block)
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{file.path}: the event loop failed: {failure_of(error)}") from error
    flow = {name: sum(read_out(y.GetValue()), ExactYield()) for name, y in booked.items()}
    flow |= dict(zip(three_lepton.CHANNELS, read_out(channels.GetValue()), strict=True))
    numbers = as_array(block.quantities, np.float32).reshape(-1, len(quantities))
    columns = {
        FEATURES: as_array(block.features, np.float32).reshape(-1, len(names)),
        "events/run_number": as_array(block.run_number, np.uint32),
        "events/event_number": as_array(block.event_number, np.uint64),
        "events/weight": as_array(block.weight, np.float64),
        "events/part": part_of(numbers[:, -1], sample, search),
    }
    for i, name in enumerate(three_lepton.QUANTITIES):
        columns[f"events/{name}"] = numbers[:, i]
    return columns, flow


def part_of(
    draw: npt.NDArray[np.float32], sample: Sample, search: Anomaly
) -> npt.NDArray[np.uint8]:
    """What events are for, by a number in [0, 1) that was drawn for each.

    Data are for the test alone; signals for that and pseudo-data, as nothing learns from them.
    """
    low, high = (np.float32(bound) for bound in test_window(sample, search))
    part = np.full(len(draw), TEST, np.uint8)
    part[draw >= high] = PSEUDO_DATA
    part[draw < low] = VALIDATION
    if low > 0:
        part[draw < np.float32(search.rmm.split.training)] = TRAINING
    return part


def test_window(sample: Sample, search: Anomaly) -> tuple[float, float]:
    """Events whose number lies in this half-open range are of the test."""
    split = search.rmm.split
    if sample.data:
        return 0.0, 2.0
    low = 0.0 if sample.process in search.signals else split.training + split.validation
    return low, 1 - split.pseudo_data if split.pseudo_data else 2.0


def provenance(path: Path) -> Provenance:
    """What a part says of itself.

    Raises:
        BatchError: it is not a file of matrices, or damaged.
    """
    try:
        with hdf5.open_file(path) as file:
            source, code_settings_hash = (
                json.loads(file.attrs["source"]),
                str(file.attrs["code_settings_hash"]),
            )
        return Provenance(
            code_settings_hash,
            source["input_version"],
            source["file"],
            source["begin"],
            source["end"],
        )
    except (OSError, KeyError, ValueError) as error:
        raise BatchError(
            f"{path}: a damaged part: remove it and run again ({str(error).splitlines()[0]})"
        ) from error


def merge(run: Run, target: Target, parts: Parts) -> None:
    """The matrices of a sample, of its parts."""
    config, search = run.config, run.config.anomaly_search
    sample = config.sample(target.name)
    sources: list[Source] = []
    flow: dict[str, ExactYield] = {}
    first: SampleInfo | None = None
    with RmmWriter(target.output) as writer:
        for part in parts:
            with hdf5.open_file(part.path) as file:
                for columns in rows(file):
                    writer.append(columns)
                add_source(sources, Source(**json.loads(file.attrs["source"])))
                first = first or SampleInfo.from_json(file.attrs["sample_info"])
                for name, y in json.loads(file.attrs["cutflow"]).items():
                    flow[name] = flow.get(name, ExactYield()) + ExactYield.from_json(y)
        if first is None:
            raise BatchError(f"sample '{target.name}': none of its files could be read")
        info = of_sources(sources, first, sample)
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
            "c": search.rmm.c,
            "cutflow": json.dumps({name: dataclasses.asdict(y) for name, y in yields.items()}),
            "skipped_files": json.dumps([dataclasses.asdict(s) for s in parts.skipped]),
            "versions": json.dumps(versions()),
        }
    table = cutflow_table(run)
    table.write_beside(run.table(table.name))


def cutflow_table(run: Run) -> Table:
    """Expected events after each cut and in each channel, of all samples that are there."""
    flows: dict[str, dict[str, Expected]] = {}
    measured = []
    for sample in run.config.samples:
        path = run.matrices(sample.name)
        if path.exists():
            flows[sample.name] = _expected(path)
            measured += [sample.name] * sample.data
    steps = ("all events", *(c.name for c in three_lepton.SR.cuts), *three_lepton.CHANNELS)
    return Table(
        name="three_lepton",
        title=f"Events with three leptons, {run.config.luminosity:g} fb⁻¹",
        columns=("sample", *steps, "raw"),
        rows=[
            [
                name,
                *(with_error(flow[s].events, flow[s].error) for s in steps),
                f"{flow[three_lepton.SR.cuts[-1].name].raw}",
            ]
            for name, flow in flows.items()
        ],
        notes=(
            "Each column after the one before; the channels, by flavour, after all cuts. Fake "
            "leptons enter with their weight at the first cut. Errors are statistical, of the "
            "efficiency in the simulation, and of the cross-sections, in quadrature: that of all "
            "events is of the cross-section alone."
            + (f" Measured events, not normalised: {', '.join(measured)}." if measured else ""),
        ),
    )


def _expected(path: Path) -> dict[str, Expected]:
    """The events after each cut that a file of matrices has in its attributes, with errors."""
    flow = json.loads(read_attribute(path, "cutflow"))
    info = SampleInfo.from_json(read_attribute(path, "sample_info"))
    factor = float(read_attribute(path, "normalisation"))
    relative = (info.cross_section_error or 0.0) / (info.cross_section or 1.0)
    sums = (info.sum_of_weights, info.sum_of_weights_squared, relative)
    return {
        name: expected(Yield(y["raw"], y["sumw"], y["sumw2"]).scaled(1 / factor), factor, *sums)
        for name, y in flow.items()
    }


WORK = PartitionedWork(
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".h5"
)
