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

import numpy as np
import numpy.typing as npt

from analysis.config import Anomaly, Rmm, Sample
from analysis.formats.columns import own
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
from analysis.rdf.regions import apply_cut, define, define_per_sample
from analysis.rdf.yields import ExactYield, read_out
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime.errors import BatchError, InputError
from common.schema.matrices import FEATURES, MatrixFile, MatrixWriter
from common.schema.parts import damaged_part
from common.tasks import Provenance, Range, Task
from cpp_helpers import declare
from cpp_helpers.arrays import as_array
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
def _block(n_quantities: int, n_features: int) -> Any:
    """Return the table block of this process; tasks reuse its memory."""
    helpers = declare()
    helpers.make_table.__release_gil__ = True  # other Python threads run during an event loop
    return helpers.TableBlock(n_quantities, n_features)


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


def defined(df: Any, file: reader.File, search: Anomaly) -> Any:
    """Return a data frame with all columns of the selection."""
    real = file.data or file.format.reconstructed
    for flavour in ("electron", "muon"):
        rate = 0.0 if real else getattr(search.rmm.fakes, flavour)
        df = define_per_sample(df, f"fake_rate_{flavour}", f"{rate!r}")
    return define(df, three_lepton.definitions(search.rmm.objects))


def selected(df: Any, file: reader.File, search: Anomaly) -> Any:
    """Return a data frame of the events with three leptons."""
    df = defined(df, file, search)
    for cut in three_lepton.SR.cuts:
        df = apply_cut(df, cut)
    return df


def _event_loop(
    file: reader.File, begin: int, end: int, sample: Sample, search: Anomaly
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, ExactYield]]:
    """Return columns of the selected events, and yields after each cut and in each channel."""
    helpers, rmm = declare(), search.rmm
    df = defined(reader.open_range(file, begin, end), file, search)
    booked = {"all events": helpers.book_yields(df, "met", "weight", [])}
    for cut in three_lepton.SR.cuts:
        df = apply_cut(df, cut)
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
    edges = [n + 0.5 for n in range(len(three_lepton.CHANNELS) - 1)]  # of the number of muons
    channels = helpers.book_yields(df, own("muons"), own("event_weight"), edges)
    names = rmm_names.names(tuple(rmm.objects.items()))
    block = _block(len(quantities), len(names))
    with event_loop_errors(file.path):
        helpers.make_table(df, own("event_weight"), block)
    flow = {name: sum(read_out(y.GetValue()), ExactYield()) for name, y in booked.items()}
    flow |= dict(zip(three_lepton.CHANNELS, read_out(channels.GetValue()), strict=True))
    numbers = as_array(block.quantities, np.float32).reshape(-1, len(quantities))
    columns = {
        FEATURES: as_array(block.features, np.float32).reshape(-1, len(names)),
        "events/run_number": as_array(block.run_number, np.uint32),
        "events/event_number": as_array(block.event_number, np.uint64),
        "events/weight": as_array(block.weight, np.float64),
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
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".h5"
)
