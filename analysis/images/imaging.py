"""Fill images of selected events with RDataFrame and the compiled image action.

A task is a range of an input file. It is processed in blocks, one event loop each, and makes a
part, which is an image file. Parts are merged in the order of the input files, so that the output
does not depend on the size of tasks, on workers or on their threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from analysis.config import Config, Detector
from analysis.event_loop.events import Events
from analysis.formats.columns import CANONICAL
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
from cpp_helpers import calls
from cpp_helpers.calls import Handle
from cpp_helpers.errors import event_loop_errors
from cpp_helpers.jet_finder import jet_finder
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
        for images in make_images(file, list(blocks), run.config, run.threads):
            writer.append(images)
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
    import pandas as pd  # its import takes as long as a small analysis

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


def define_columns(events: Events, config: Config, *, data: bool = False) -> Events:
    """Return the events to keep, with their summaries."""
    regions, chosen = image_regions(config), config.imaging.region
    selection = config.selection.resolved
    events = define_summary(
        events,
        used_definitions(selection.definitions, expressions(config)),
        regions.values(),
        selection.quantities.values(),
        weight_expression(selection, data=data),
    )
    return events if chosen is None else apply_region(events, regions, chosen)


@functools.cache
def _block(threads: int) -> Handle:
    """Return the block of this process, whose memory all tasks reuse."""
    if threads > 1:
        calls.call("enable_threads", threads)
    return calls.make("image_block")


def make_images(
    file: reader.File, blocks: Sequence[tuple[int, int]], config: Config, threads: int = 1
) -> Iterator[ImageColumns]:
    """Yield the images of consecutive ranges of entries of a file, one event loop each.

    The arrays are valid until the next ones are made. Without blocks, images of no events are made.

    Raises:
        InputError: the file cannot be read to its end.
    """
    block = _block(threads)
    quantities = list(config.selection.resolved.quantities)
    regions = list(image_regions(config))
    blocks = blocks or [(0, 0)]
    events = _booked(file, blocks[0][0], blocks[-1][1], config, block)
    loop = events.loop.run_in_parts(blocks)
    for _ in blocks:
        with event_loop_errors(file.path):
            next(loop)
        yield _columns(block, regions, quantities)


def prepare(run: Run, task: Task) -> None:
    """Compile the columns of tasks like this one."""
    file = task_input(run, task)
    reader.require_columns(file, needs(run.config))
    _booked(file, 0, file.n_events, run.config, _block(1)).loop.compile()


def _booked(file: reader.File, begin: int, end: int, config: Config, block: Handle) -> Events:
    """Return the events of entries [begin, end) of a file, with their images booked."""
    imaging = config.imaging
    options = calls.make(
        "image_options",
        float(imaging.particle_threshold),
        float(imaging.jet_threshold),
        config.seed,
        config.folds,
    )
    if imaging.detector is not None:
        _use_detector(options, imaging.detector)
    events = define_columns(reader.open_events(file, begin, end), config, data=file.data)
    columns = {"event_summary": "monojet::EventSummary", **{n: CANONICAL[n] for n in _IMAGED}}
    events.book(lambda node: calls.make("book_images", node, options, block), columns)
    return events


def _use_detector(options: Handle, settings: Detector) -> None:
    """Let images be made of what a detector measures, whose settings have the order of the C++
    detector."""
    numbers = np.array([value for _, values in settings for _, value in values], np.float64)
    calls.call("use_detector", options, numbers, jet_finder())


def _columns(
    block: Handle, region_names: Sequence[str], quantity_names: Sequence[str]
) -> ImageColumns:
    columns = {
        schema.event_column(name): block.array(name)
        for name in ("run_number", "event_number", "weight", "fold")
    }
    for i, name in enumerate(quantity_names):
        columns[schema.event_column(name)] = block.array(f"quantities/{i}")
    regions = block.array("regions")
    for i, name in enumerate(region_names):
        columns[schema.region_column(name)] = (regions >> np.uint64(i)) & np.uint64(1) != 0
    for i, name in enumerate(("none", *STORED_COMPRESSIONS)):
        group = schema.address_group(name)
        columns[f"{group}/row"] = block.array(f"addresses/{i}/row")
        columns[f"{group}/column"] = block.array(f"addresses/{i}/column")
    for name, n_lines in schema.KEPT_LINES.items():
        columns[schema.kept_lines(name)] = block.array(name).reshape(-1, -(-n_lines // 8))  # bits
    channels = [block.array(f"values/{i}") for i in range(len(schema.CHANNELS))]
    return ImageColumns(block.array("offsets"), columns, channels, _losses(block, len(channels[0])))


def _losses(block: Handle, n_cells: int) -> Losses:
    names = (
        *("particles", "particles_below_threshold", "particles_outside_grid"),
        *("objects_not_finite", "jets_outside_grid", "pt_particles_kev"),
        *("pt_below_threshold_kev", "pt_outside_grid_kev", "pt_cells_kev"),
    )
    numbers = block.array("losses").tolist()
    unknown = block.array("unknown").tolist()
    losses = Losses(
        **dict(zip(names, numbers, strict=True)),
        cells=n_cells,
        unknown={str(code): n for code, n in zip(unknown[::2], unknown[1::2], strict=True)},
    )
    crops = itertools.product(STORED_COMPRESSIONS, CROP_SIZES)
    lost = block.array("crop_losses").reshape(-1, 3).tolist()
    for (name, crop), (cells, events, pt_kev) in zip(crops, lost, strict=True):
        key = f"{name}_{crop}"
        losses.cells_lost[key] = cells
        losses.pt_lost_kev[key] = pt_kev
        losses.events_cropped[key] = events
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
    prepare=prepare,
)
