"""Fill images of selected events with RDataFrame and the compiled image action.

A task is a range of an input file. It is processed in blocks, one event loop each, and makes a
part, which is an image file. Parts are merged in the order of the input files, so that the output
does not depend on the size of tasks, on workers or on their threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from analysis.config import Config, Detector
from analysis.images.image_file import ImageColumns, ImageWriter
from analysis.images.image_links import ImageLinker
from analysis.images.input_files import read_sources
from analysis.images.losses import Losses
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_of, input_ranges, task_input
from analysis.inputs.cluster_ranges import ranges as cut
from analysis.inputs.invisible import unknown_particles
from analysis.inputs.sample_info import (
    InputRange,
    SampleInfo,
    add_range,
    configured,
    info_of_ranges,
)
from analysis.rdf.regions import apply_region, define_summary
from analysis.rdf.weights import weight_expression
from analysis.sample_roles import image_expressions as expressions
from analysis.sample_roles import image_regions
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime import files
from common.runtime.errors import BatchError, InputError
from common.schema import hdf5
from common.schema import images as schema
from common.schema.images import CROP_SIZES, STORED_COMPRESSIONS
from common.schema.parts import damaged_part
from common.tables import Table, percent
from common.tasks import Provenance, Range, Skipped, Task
from cpp_helpers import declare, declare_detector, load_root
from cpp_helpers.arrays import as_array
from cpp_helpers.errors import event_loop_errors
from selections.cuts import used_definitions

log = logging.getLogger("monojet")

# Columns that `monojet::make_images` takes in addition to the event summary.
_IMAGED = (
    *(f"particle_{x}" for x in ("pt", "eta", "phi", "energy", "pdg_id", "charge")),
    *(f"jet_{x}" for x in ("pt", "eta", "phi", "width")),
)


def ranges(run: Run, target: Target) -> Iterable[Range]:
    """Return the events of the target's sample, cut into tasks."""
    return input_ranges(run, target.name, needs(run.config))


def make_part(run: Run, task: Task, path: Path) -> int:
    """Write the images of a task, with one event loop per block; return the number of events."""
    file = task_input(run, task)
    reader.require_columns(file, needs(run.config))
    info = info_of(run, task.range.sample, file)
    end = file.n_events if task.range.end is None else task.range.end
    block_size = run.config.imaging.block_size * run.threads
    with ImageWriter(path) as writer:
        blocks = cut(file.cluster_ends, block_size, task.range.begin, end)
        for block in blocks if file.n_events else [(0, 0)]:
            writer.append(make_images(file, *block, run.config, run.threads))
        writer.sources = [InputRange.of(task, end, info)]
        writer.attributes = _attributes(run, task.code_settings_hash, task.range.sample, info)
    return end - task.range.begin


def provenance(path: Path) -> Provenance:
    """Return the origin of a part.

    Raises:
        BatchError: the part is damaged or not an image file.
    """
    with damaged_part(path), hdf5.open_file(path) as file:
        (source,) = read_sources(file)
        code_settings_hash = str(file.attrs["code_settings_hash"])
    return Provenance(
        code_settings_hash, source.input_version, source.file, source.begin, source.end
    )


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the parts of a sample into its image file."""
    target.output.parent.mkdir(parents=True, exist_ok=True)
    files.remove_partials(target.output.parent, target.output.name)
    first: SampleInfo | None = None
    if parts.single and run.merge == "copy":
        for part in parts:
            with damaged_part(part.path), hdf5.open_file(part.path) as file:
                first = SampleInfo.from_json(file.attrs["sample_info"])
                _info_of_sample(run, target, read_sources(file), first)
            os.replace(part.path, target.output)
        if parts.skipped:
            raise _all_skipped(target)
    else:
        writer = ImageWriter(target.output) if run.merge == "copy" else ImageLinker(target.output)
        with writer:
            for part in parts:
                with damaged_part(part.path), hdf5.open_file(part.path) as file:
                    writer.append_file(file)
                    for source in read_sources(file):
                        add_range(writer.sources, source)
                    first = first or SampleInfo.from_json(file.attrs["sample_info"])
            info = _info_of_sample(run, target, writer.sources, first)
            writer.attributes = _attributes(
                run, target.code_settings_hash, target.name, info, parts.skipped
            )
    with hdf5.open_file(target.output) as file:
        _warn(target.name, Losses.from_attributes(file.attrs))
        _warn_of_duplicates(run, target, file)
    table = losses_table(run)
    table.write_beside(run.table(table.name))


def _warn_of_duplicates(run: Run, target: Target, file: h5py.File) -> None:
    """Warn of duplicate events if `validate` has not read the files: remote ones, or too many."""
    sources = read_sources(file)
    many = len(target.input_files) > run.config.batch.open_files
    if not (many or any("://" in source.file for source in sources)):
        return
    keys = {n: file[schema.event_column(n)][:] for n in ("run_number", "event_number")}
    events = pd.DataFrame(keys)
    duplicates = events[events.duplicated()]
    if duplicates.empty:
        return
    with contextlib.suppress(InputError):  # the files may be unreachable where parts are merged
        if not input_of(run, target.name, sources[0].file).format.unique_event_ids:
            return
    log.warning(
        "%s: %d of %d events are duplicates (first: run %d, event %d): list each file once",
        target.name,
        len(duplicates),
        len(events),
        duplicates.run_number.iloc[0],
        duplicates.event_number.iloc[0],
    )


def _info_of_sample(
    run: Run, target: Target, sources: Sequence[InputRange], first: SampleInfo | None
) -> SampleInfo:
    """Return the information on a sample from its input files.

    Raises:
        BatchError: all files were skipped.
        InputError: the files belong to several datasets, or have no events.
    """
    if first is None:
        raise _all_skipped(target)
    return info_of_ranges(sources, first, run.config.sample(target.name))


def _all_skipped(target: Target) -> BatchError:
    return BatchError(f"sample '{target.name}': none of its files could be read")


def needs(config: Config) -> reader.Needs:
    """Return the columns that images and the summaries of their events use."""
    return reader.Needs.of(
        "imaging",
        expressions(config),
        *("run_number", "event_number", "weight", *_IMAGED),
        extra=config.further_columns,
    )


def define_columns(df: Any, config: Config, *, data: bool = False) -> Any:
    """Return a data frame with the event summary, of the events to keep."""
    regions, chosen = image_regions(config), config.imaging.region
    selection = config.selection.resolved
    df = define_summary(
        df,
        used_definitions(selection.definitions, expressions(config)),
        regions.values(),
        selection.quantities.values(),
        weight_expression(selection, data=data),
    )
    return df if chosen is None else apply_region(df, regions, chosen)


@functools.cache
def _block(threads: int) -> Any:
    """Return the block of this process, whose memory all tasks reuse."""
    if threads > 1:
        load_root().EnableImplicitMT(threads)
    helpers = declare()
    helpers.make_images.__release_gil__ = True  # Python's other threads run during an event loop
    return helpers.ImageBlock()


def make_images(
    file: reader.File, begin: int, end: int, config: Config, threads: int = 1
) -> ImageColumns:
    """Return the images of entries [begin, end) of a file, filled in one event loop.

    The arrays are valid until the next call.

    Raises:
        InputError: the file cannot be read to its end.
    """
    block = _block(threads)
    helpers = declare()
    options = helpers.ImageOptions()
    options.min_particle_pt = config.imaging.particle_threshold
    options.min_jet_pt = config.imaging.jet_threshold
    options.seed = config.seed
    options.folds = config.folds
    if config.imaging.detector is not None:
        declare_detector().use_detector(options, _detector(config.imaging.detector))
    df = reader.open_range(file, begin, end)
    df = define_columns(df, config, data=file.data)
    with event_loop_errors(file.path):
        helpers.make_images(df, options, block)
    quantities = config.selection.resolved.quantities
    return _columns(block, list(image_regions(config)), list(quantities))


def _detector(settings: Detector) -> Any:
    """Return the C++ detector, whose members have the names of the settings."""
    detector = declare().Detector()
    for name, numbers in settings:
        for key, value in numbers:
            setattr(getattr(detector, name), key, value)
    return detector


def _columns(
    block: Any, region_names: Sequence[str], quantity_names: Sequence[str]
) -> ImageColumns:
    columns = {
        schema.event_column("run_number"): as_array(block.run_number, np.uint32),
        schema.event_column("event_number"): as_array(block.event_number, np.uint64),
        schema.event_column("weight"): as_array(block.weight, np.float64),
        schema.event_column("fold"): as_array(block.fold, np.uint8),
    }
    for name, quantity in zip(quantity_names, block.quantities, strict=True):
        columns[schema.event_column(name)] = as_array(quantity, np.float32)
    regions = as_array(block.regions, np.uint64)
    for i, name in enumerate(region_names):
        columns[schema.region_column(name)] = (regions >> np.uint64(i)) & np.uint64(1) != 0
    for name, addresses in zip(("none", *STORED_COMPRESSIONS), block.addresses, strict=True):
        group = schema.address_group(name)
        columns[f"{group}/row"] = as_array(addresses.row, np.uint8)
        columns[f"{group}/column"] = as_array(addresses.column, np.uint8)
    for name, n_lines in schema.KEPT_LINES.items():
        kept = as_array(getattr(block, name), np.uint8)
        columns[schema.kept_lines(name)] = kept.reshape(-1, -(-n_lines // 8))  # bits
    channels = [as_array(channel, np.float32) for channel in block.values]
    offsets = as_array(block.offsets, np.uint64)
    return ImageColumns(offsets, columns, channels, _losses(block, len(channels[0])))


def _losses(block: Any, n_cells: int) -> Losses:
    losses = Losses(
        particles=int(block.n_particles),
        particles_below_threshold=int(block.n_below_threshold),
        particles_outside_grid=int(block.n_outside),
        objects_not_finite=int(block.n_not_finite),
        jets_outside_grid=int(block.n_jets_outside),
        pt_particles_kev=int(block.pt_particles_keV),
        pt_below_threshold_kev=int(block.pt_below_threshold_keV),
        pt_outside_grid_kev=int(block.pt_outside_keV),
        cells=n_cells,
        pt_cells_kev=int(block.pt_cells_keV),
        unknown={str(one.first): int(one.second) for one in block.unknown},
    )
    for name, by_crop in zip(STORED_COMPRESSIONS, block.crop_losses, strict=True):
        for crop, lost in zip(CROP_SIZES, by_crop, strict=True):
            key = f"{name}_{crop}"
            losses.cells_lost[key] = int(lost.cells)
            losses.pt_lost_kev[key] = int(lost.pt_keV)
            losses.events_cropped[key] = int(lost.events)
    return losses


def _attributes(
    run: Run,
    code_settings_hash: str,
    sample: str,
    info: SampleInfo,
    skipped: Sequence[Skipped] = (),
) -> dict[str, Any]:
    imaging = run.config.imaging
    info = configured(info, run.config.sample(sample))
    return {
        # without the keys that only cut the work into tasks, which do not change the images
        "config": run.config.model_dump_json(exclude={"imaging": {"block_size"}, "batch": True}),
        "code_settings_hash": code_settings_hash,
        "sample_info": info.to_json(),
        "sample": info.name,
        "process": info.process,
        "slice": info.slice or "",
        "particle_threshold_GeV": imaging.particle_threshold,
        "jet_threshold_GeV": imaging.jet_threshold,
        "region": imaging.region or "",
        "detector": imaging.detector_json,
        **schema.LAYOUT,
        "folds": run.config.folds,
        "versions": json.dumps(versions()),
        schema.SKIPPED_FILES: json.dumps([dataclasses.asdict(s) for s in skipped]),
    }


def _warn(name: str, losses: Losses) -> None:
    if losses.objects_not_finite:
        log.warning(
            "%s: %d particles or jets with NaN or infinite momenta are not in the images",
            name,
            losses.objects_not_finite,
        )

    if losses.unknown:
        log.warning("%s: %s", name, unknown_particles(losses.unknown))


def losses_table(run: Run) -> Table:
    """Return a table of the cells of all images and of the losses of each crop."""
    share = functools.partial(percent, two_digits=True)
    rows = []
    for sample in run.config.samples:
        path = run.images(sample.name)
        if not path.exists():
            continue
        with hdf5.open_file(path) as file:
            n_events = len(file[schema.OFFSETS]) - 1
            lost = {
                key.removeprefix(schema.LOSSES): float(value)
                for key, value in file.attrs.items()
                if key.startswith(schema.LOSSES)
            }
        rows.append(
            [
                sample.name,
                f"{n_events}",
                f"{lost['cells'] / max(n_events, 1):.1f}",
                share(lost["pt_below_threshold_kev"], lost["pt_particles_kev"]),
                share(lost["pt_outside_grid_kev"], lost["pt_particles_kev"]),
                *(
                    f"{share(lost[f'cells_lost/{name}_{crop}'], lost['cells'])} / "
                    + share(lost[f"pt_lost_kev/{name}_{crop}"], lost["pt_cells_kev"])
                    for crop in CROP_SIZES
                    for name in STORED_COMPRESSIONS
                ),
            ]
        )
    return Table(
        name="images",
        title="Images, and the shares of cells / of their pT that a crop loses",
        columns=(
            "sample",
            "events",
            "cells",
            "pT too soft",
            "pT outside",
            *(f"{name} {crop}×{crop}" for crop in CROP_SIZES for name in STORED_COMPRESSIONS),
        ),
        rows=rows,
        notes=(
            "Cells: mean number of non-empty cells per event. Too soft: share of the visible "
            f"particles' pT not above {run.config.imaging.particle_threshold:g} GeV. Outside: "
            "beyond the grid. The file of each sample has all counts.",
        ),
    )


WORK = PartitionedWork(
    ranges=ranges,
    make_part=make_part,
    provenance=provenance,
    merge=merge,
    suffix=".h5",
    links=True,
)
