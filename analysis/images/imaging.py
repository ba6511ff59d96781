"""Images of selected events: RDataFrame, the compiled image action, HDF5.

A task is a range of a file: it is worked through in blocks, one event loop each, and makes a part,
which is an image file. Parts are joined in the order of the files, so that the output depends
neither on the cut nor on workers and their threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from analysis.config import Config, Detector
from analysis.datasets import image_regions
from analysis.formats.columns import canonical_in
from analysis.images.image_file import (
    CHANNELS,
    COMPRESSIONS,
    CROPS,
    N_COLUMNS,
    N_ROWS,
    SKIPPED,
    UNITS,
    ImageColumns,
    ImageWriter,
    Losses,
    read_sources,
)
from analysis.images.image_links import ImageLinker
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_of, input_ranges, task_input
from analysis.inputs.cluster_ranges import ranges as cut
from analysis.inputs.invisible import unknown_particles
from analysis.inputs.sample_info import SampleInfo, Source, add_source, configured, of_sources
from analysis.rdf.regions import define_summary, require_region
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime import files
from common.runtime.errors import BatchError, InputError
from common.schema import hdf5
from common.tables import Table
from common.tasks import Provenance, Range, Skipped, Task
from cpp_helpers import declare, declare_detector, load_root
from cpp_helpers.arrays import as_array
from cpp_helpers.errors import failure_of
from selections import monojet36
from selections.cuts import Definition, used_definitions

log = logging.getLogger("monojet")

# What `monojet::make_images` takes beside the event's summary.
_IMAGED = (
    *(f"particle_{x}" for x in ("pt", "eta", "phi", "energy", "pdg_id", "charge")),
    *(f"jet_{x}" for x in ("pt", "eta", "phi", "width")),
)


def ranges(run: Run, target: Target) -> Iterable[Range]:
    """The events of the target's sample, cut into tasks."""
    return input_ranges(run, target.name, needs(image_regions(run.config)))


def make_part(run: Run, task: Task, path: Path) -> int:
    """The images of a task, one event loop a block."""
    file = task_input(run, task)
    reader.require_columns(file, needs(image_regions(run.config)))
    info = info_of(run, task.range.sample, file)
    end = file.n_events if task.range.end is None else task.range.end
    block_size = run.config.imaging.block_size * run.threads
    with ImageWriter(path) as writer:
        blocks = cut(file.cluster_ends, block_size, task.range.begin, end)
        for block in blocks if file.n_events else [(0, 0)]:
            writer.append(make_images(file, *block, run.config, run.threads))
        writer.sources = [Source.of(task, end, info)]
        writer.attributes = _attributes(run, task.code_settings_hash, task.range.sample, info)
    return end - task.range.begin


def provenance(path: Path) -> Provenance:
    """What a part says of itself.

    Raises:
        BatchError: it is not an image file, or damaged.
    """
    with _opened(path) as file:
        (source,) = read_sources(file)
        code_settings_hash = str(file.attrs["code_settings_hash"])
    return Provenance(
        code_settings_hash, source.input_version, source.file, source.begin, source.end
    )


def merge(run: Run, target: Target, parts: Parts) -> None:
    """The image file of a sample, of its parts."""
    target.output.parent.mkdir(parents=True, exist_ok=True)
    files.remove_partials(target.output.parent, target.output.name)
    if parts.single and run.merge == "copy":
        for part in parts:
            with _opened(part.path) as file:
                said = SampleInfo.from_json(file.attrs["sample_info"])
                _combined(run, target, read_sources(file), said)
            os.replace(part.path, target.output)
        if parts.skipped:
            raise _nothing_left(target)
    else:
        writer = ImageWriter(target.output) if run.merge == "copy" else ImageLinker(target.output)
        with writer:
            first: SampleInfo | None = None
            for part in parts:
                with _opened(part.path) as file:
                    writer.append_file(file)
                    for source in read_sources(file):
                        add_source(writer.sources, source)
                    first = first or SampleInfo.from_json(file.attrs["sample_info"])
            info = _combined(run, target, writer.sources, first)
            writer.attributes = _attributes(
                run, target.code_settings_hash, target.name, info, parts.skipped
            )
    with hdf5.open_file(target.output) as file:
        _warn(target.name, Losses.from_attributes(file.attrs))
        _warn_of_repeated(run, target, file)
    table = losses_table(run)
    table.write_beside(run.table(table.name))


def _warn_of_repeated(run: Run, target: Target, file: h5py.File) -> None:
    """Events that are there twice, of files that `validate` has not read: on servers, or many."""
    sources = read_sources(file)
    many = len(target.input_files) > run.config.batch.open_files
    if not (many or any("://" in source.file for source in sources)):
        return
    keys = {name: file[f"events/{name}"][:] for name in ("run_number", "event_number")}
    events = pd.DataFrame(keys)
    repeated = events[events.duplicated()]
    if repeated.empty:
        return
    with contextlib.suppress(InputError):  # where parts are joined, the files may be out of reach
        if not input_of(run, target.name, sources[0].file).format.numbers_events:
            return
    log.warning(
        "%s: %d of %d events are there before, event %d of run %d first: give each file once",
        target.name,
        len(repeated),
        len(events),
        repeated.event_number.iloc[0],
        repeated.run_number.iloc[0],
    )


def _combined(
    run: Run, target: Target, sources: Sequence[Source], first: SampleInfo | None
) -> SampleInfo:
    """What is known of a sample from its files.

    Raises:
        BatchError: there is no file, as all were left out.
        InputError: the files are of several datasets, or have no events.
    """
    if first is None:
        raise _nothing_left(target)
    return of_sources(sources, first, run.config.sample(target.name))


def _nothing_left(target: Target) -> BatchError:
    return BatchError(f"sample '{target.name}': none of its files could be read")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with hdf5.open_file(path) as file:
            yield file
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise BatchError(
            f"{path}: a damaged part: remove it and run again ({str(error).splitlines()[0]})"
        ) from error


def needs(regions: Iterable[str] = monojet36.IMAGE_REGIONS) -> reader.Needs:
    """Return the canonical columns that images and the summaries of their events use."""
    named = canonical_in(
        (
            *(definition.expression for definition in _definitions(regions)),
            *(monojet36.REGIONS[name].expression for name in regions),
            *monojet36.QUANTITIES.values(),
        )
    )
    return reader.Needs(named | {"run_number", "event_number", "weight", *_IMAGED}, "imaging")


def _definitions(regions: Iterable[str]) -> tuple[Definition, ...]:
    expressions = (monojet36.REGIONS[name].expression for name in regions)
    return used_definitions(monojet36.DEFINITIONS, (*expressions, *monojet36.QUANTITIES.values()))


def define_columns(df: Any, config: Config) -> Any:
    """Return the data frame with the event summary, and only the events to keep."""
    regions, select = image_regions(config), config.imaging.select
    df = define_summary(df, _definitions(regions), regions.values(), monojet36.QUANTITIES.values())
    return df if select is None else require_region(df, regions, select)


@functools.cache
def _block(threads: int) -> Any:
    """The block of this process, whose memory is used again for each task."""
    if threads > 1:
        load_root().EnableImplicitMT(threads)
    helpers = declare()
    helpers.make_images.__release_gil__ = True  # Python's other threads run during an event loop
    return helpers.ImageBlock()


def make_images(
    file: reader.File, begin: int, end: int, config: Config, threads: int = 1
) -> ImageColumns:
    """One event loop over entries [begin, end) of a file: its images as flat arrays, which hold
    until the next call.

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
    df = define_columns(df, config)
    try:
        helpers.make_images(df, options, block)
    except Exception as error:  # whatever cppyy makes of a C++ exception
        cause = failure_of(error)
        raise InputError(f"{file.path}: the event loop failed: {cause}") from error
    return _columns(block, list(image_regions(config)))


def _detector(settings: Detector) -> Any:
    """The detector of the C++, whose members have the names of the settings."""
    detector = declare().Detector()
    for name, numbers in settings:
        for key, value in numbers:
            setattr(getattr(detector, name), key, value)
    return detector


def _columns(block: Any, region_names: Sequence[str]) -> ImageColumns:
    columns = {
        "events/run_number": as_array(block.run_number, np.uint32),
        "events/event_number": as_array(block.event_number, np.uint64),
        "events/weight": as_array(block.weight, np.float64),
        "events/fold": as_array(block.fold, np.uint8),
    }
    for name, quantity in zip(monojet36.QUANTITIES, block.quantities, strict=True):
        columns[f"events/{name}"] = as_array(quantity, np.float32)
    regions = as_array(block.regions, np.uint64)
    for i, name in enumerate(region_names):
        columns[f"events/pass_{name}"] = (regions >> np.uint64(i)) & np.uint64(1) != 0
    for name, addresses in zip(("none", *COMPRESSIONS), block.addresses, strict=True):
        folder = "cells" if name == "none" else f"compression/{name}"
        columns[f"{folder}/row"] = as_array(addresses.row, np.uint8)
        columns[f"{folder}/column"] = as_array(addresses.column, np.uint8)
    for lines, n_bytes in (("rows", 13), ("columns", 16)):
        kept = as_array(getattr(block, f"kept_{lines}"), np.uint8)
        columns[f"compression/stochastic/kept_{lines}"] = kept.reshape(-1, n_bytes)
    channels = [as_array(channel, np.float32) for channel in block.values]
    losses = Losses(
        particles=int(block.n_particles),
        particles_below_threshold=int(block.n_below_threshold),
        particles_outside_grid=int(block.n_outside),
        objects_not_finite=int(block.n_not_finite),
        jets_outside_grid=int(block.n_jets_outside),
        pt_particles_kev=int(block.pt_particles_keV),
        pt_below_threshold_kev=int(block.pt_below_threshold_keV),
        pt_outside_grid_kev=int(block.pt_outside_keV),
        cells=len(channels[0]),
        pt_cells_kev=int(block.pt_cells_keV),
        unknown={str(one.first): int(one.second) for one in block.unknown},
    )
    for name, by_crop in zip(COMPRESSIONS, block.crop_losses, strict=True):
        for crop, lost in zip(CROPS, by_crop, strict=True):
            key = f"{name}_{crop}"
            losses.cells_lost[key] = int(lost.cells)
            losses.pt_lost_kev[key] = int(lost.pt_keV)
            losses.events_cropped[key] = int(lost.events)
    return ImageColumns(as_array(block.offsets, np.uint64), columns, channels, losses)


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
        # without what only says how the work was cut: it does not change the images
        "config": run.config.model_dump_json(exclude={"imaging": {"block_size"}, "batch": True}),
        "code_settings_hash": code_settings_hash,
        "sample_info": info.to_json(),
        "sample": info.name,
        "process": info.process,
        "slice": info.slice or "",
        "particle_threshold_GeV": imaging.particle_threshold,
        "jet_threshold_GeV": imaging.jet_threshold,
        "select": imaging.select or "",
        "detector": imaging.detector_json,
        "grid_shape": (N_ROWS, N_COLUMNS),
        "eta_range": (-2.5, 2.5),
        "phi_range": (-3.15, 3.15),
        "channels": list(CHANNELS),
        "units": list(UNITS),
        "folds": run.config.folds,
        "versions": json.dumps(versions()),
        SKIPPED: json.dumps([dataclasses.asdict(s) for s in skipped]),
    }


def _warn(name: str, losses: Losses) -> None:
    if losses.objects_not_finite:
        log.warning(
            "%s: %d particles or jets with NaN or infinite momenta were left out of the images",
            name,
            losses.objects_not_finite,
        )

    if losses.unknown:
        log.warning("%s: %s", name, unknown_particles(losses.unknown))


def losses_table(run: Run) -> Table:
    """What the images of all samples hold, and what a crop would lose."""
    rows = []
    for sample in run.config.samples:
        path = run.images(sample.name)
        if not path.exists():
            continue
        with hdf5.open_file(path) as file:
            n_events = len(file["cells/offsets"]) - 1
            lost = {
                key.removeprefix("losses/"): float(value)
                for key, value in file.attrs.items()
                if key.startswith("losses/")
            }
        rows.append(
            [
                sample.name,
                f"{n_events}",
                f"{lost['cells'] / max(n_events, 1):.1f}",
                _percent(lost["pt_below_threshold_kev"], lost["pt_particles_kev"]),
                _percent(lost["pt_outside_grid_kev"], lost["pt_particles_kev"]),
                *(
                    f"{_percent(lost[f'cells_lost/{name}_{crop}'], lost['cells'])} / "
                    + _percent(lost[f"pt_lost_kev/{name}_{crop}"], lost["pt_cells_kev"])
                    for crop in CROPS
                    for name in COMPRESSIONS
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
            *(f"{name} {crop}×{crop}" for crop in CROPS for name in COMPRESSIONS),
        ),
        rows=rows,
        notes=(
            "Cells: mean of non-empty cells an event. Too soft: share of the visible particles' pT "
            f"not above {run.config.imaging.particle_threshold:g} GeV. Outside: beyond the grid. "
            "The file of each sample has all counts.",
        ),
    )


def _percent(part: float, whole: float) -> str:
    share = 100 * part / whole if whole else 0.0
    return f"{share:{'.2g' if share < 99.5 else '.0f'}} %" if whole else "-"


WORK = PartitionedWork(
    ranges=ranges,
    make_part=make_part,
    provenance=provenance,
    merge=merge,
    suffix=".h5",
    links=True,
)
