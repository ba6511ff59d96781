"""Images of selected events: RDataFrame, the compiled image action, HDF5.

The events of a sample are cut into ranges; each is one event loop in one worker, and the parent
appends the blocks in the order of the files, so that the output depends neither on the workers nor
on their threads.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from analysis import workers
from analysis.config import Config
from analysis.image_file import (
    CHANNELS,
    COMPRESSIONS,
    CROPS,
    N_COLUMNS,
    N_ROWS,
    UNITS,
    ImageColumns,
    ImageWriter,
    Losses,
)
from analysis.inputs import native
from analysis.inputs.sources import sample_files, sample_info
from analysis.parcels import Parcel
from analysis.pipeline import Done, Run, Target, versions
from analysis.regions import define_summary, require_region
from analysis.samples import SampleInfo
from common import files
from common.errors import InputError
from common.progress import progress
from common.tables import Table
from cpp_helpers import declare, load_root
from selections import monojet

log = logging.getLogger("monojet")

# Event quantities kept beside each image: HDF5 name -> column.
QUANTITIES = {
    "met": "met",
    "met_phi": "met_phi",
    "n_jets": "n_jets",
    "leading_jet_pt": "leading_jet_pt",
    "leading_jet_eta": "leading_jet_eta",
    "leading_jet_phi": "leading_jet_phi",
    "min_delta_phi": "min_delta_phi",
    "n_electrons": "n_electrons",
    "n_muons": "n_muons",
}


@dataclass(frozen=True)
class Task:
    """Entries [begin, end) of a file."""

    file: str
    begin: int
    end: int
    config: Config
    threads: int = 1


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Make the image files of the targets."""
    inputs = {t.name: sample_files(run, t.name) for t in targets}
    declare()  # compiles the helpers, if need be, before the workers start
    tasks = {t.name: [task for f in inputs[t.name] for task in _tasks(run, f)] for t in targets}
    all_tasks = [task for t in targets for task in tasks[t.name]]
    results = _images_of(all_tasks, run.workers)
    with (
        progress("imaging", sum(task.end - task.begin for task in all_tasks)) as bar,
        closing(results),
    ):
        for target in targets:
            info = sample_info(run, target.name, inputs[target.name])
            files.remove_partials(target.output.parent, target.output.name)
            with ImageWriter(target.output, _attributes(run, info)) as writer:
                for _ in tasks[target.name]:
                    task, images = next(results)
                    writer.append(images)
                    bar.advance(task.end - task.begin)
            _warn(target.name, writer.losses)
            done(target)
    table = losses_table(run)
    table.write_beside(run.table(table.name))


def _images_of(
    tasks: Sequence[Task], n_workers: int
) -> Generator[tuple[Task, ImageColumns], None, None]:
    """The images of each task, in the order of the tasks."""
    if n_workers == 1:
        yield from ((task, make_images(task)) for task in tasks)
        return
    with closing(workers.map_ordered(_ship_images, tasks, n_workers)) as shipped:
        yield from ((task, _receive(images)) for task, images in shipped)


def _tasks(run: Run, file: native.File) -> Iterator[Task]:
    size = run.config.imaging.block_size * run.threads
    for begin, end in ranges(file.cluster_ends, size):
        yield Task(file.path, begin, end, run.config, run.threads)


def ranges(cluster_ends: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Ranges of about ``size`` entries that end where a cluster does: one read from two sides is
    read twice. Only a cluster of more than ``size`` entries is cut."""
    begin = 0
    for end, following in zip(cluster_ends, (*cluster_ends[1:], None), strict=True):
        while end - begin > size:
            yield begin, begin + size
            begin += size
        if begin < end and (following is None or following - begin > size):
            yield begin, end
            begin = end


def define_columns(df: Any, select: str | None) -> Any:
    """The data frame with the event summary, and only the events that are to be kept."""
    df = define_summary(df, monojet.DEFINITIONS, monojet.REGIONS.values(), QUANTITIES.values())
    return df if select is None else require_region(df, monojet.REGIONS, select)


@functools.cache
def _block(threads: int) -> Any:
    """The block of this process, whose memory is used again for each task."""
    if threads > 1:
        load_root().EnableImplicitMT(threads)
    helpers = declare()
    helpers.make_images.__release_gil__ = True  # Python's other threads run during an event loop
    return helpers.ImageBlock()


def make_images(task: Task) -> ImageColumns:
    """One event loop over a range of entries: its images as flat arrays, which hold until the
    next call.

    Raises:
        InputError: the file cannot be read to its end.
    """
    block = _block(task.threads)
    helpers, config = declare(), task.config
    options = helpers.ImageOptions()
    options.min_particle_pt = config.imaging.particle_threshold
    options.min_jet_pt = config.imaging.jet_threshold
    options.seed = config.seed
    options.folds = config.training.folds
    df = native.open_range([task.file], task.begin, task.end)
    df = define_columns(df, config.imaging.select)
    try:
        helpers.make_images(df, options, block)
    except Exception as error:  # whatever cppyy makes of a C++ exception
        cause = str(error).strip().splitlines()[-1]
        raise InputError(f"{task.file}: the event loop failed: {cause}") from error
    return _columns(block)


@dataclass(frozen=True)
class _Shipped:
    """Images on their way from a worker to the parent."""

    arrays: Parcel
    losses: Losses


def _ship_images(task: Task) -> _Shipped:
    images = make_images(task)
    channels = {f"{_CHANNEL}{k}": channel for k, channel in enumerate(images.channels)}
    arrays = {_OFFSETS: images.offsets, **images.columns, **channels}
    return _Shipped(Parcel.pack(arrays), images.losses)


def _receive(shipped: _Shipped) -> ImageColumns:
    arrays = shipped.arrays.unpack()
    offsets = arrays.pop(_OFFSETS)
    channels = [arrays.pop(f"{_CHANNEL}{k}") for k in range(len(CHANNELS))]
    return ImageColumns(offsets, arrays, channels, shipped.losses)


_OFFSETS, _CHANNEL = "offsets", "channel "


def _array(vector: Any, dtype: Any) -> npt.NDArray[Any]:
    """A std::vector seen as an array."""
    if vector.size() == 0:
        return np.empty(0, dtype)
    return np.frombuffer(vector.data(), dtype=dtype, count=vector.size())


def _columns(block: Any) -> ImageColumns:
    columns = {
        "events/run_number": _array(block.run_number, np.uint32),
        "events/event_number": _array(block.event_number, np.uint64),
        "events/weight": _array(block.weight, np.float64),
        "events/fold": _array(block.fold, np.uint8),
    }
    for name, quantity in zip(QUANTITIES, block.quantities, strict=True):
        columns[f"events/{name}"] = _array(quantity, np.float32)
    regions = _array(block.regions, np.uint64)
    for i, name in enumerate(monojet.REGIONS):
        columns[f"events/pass_{name}"] = (regions >> np.uint64(i)) & np.uint64(1) != 0
    for name, addresses in zip(("none", *COMPRESSIONS), block.addresses, strict=True):
        folder = "cells" if name == "none" else f"compression/{name}"
        columns[f"{folder}/row"] = _array(addresses.row, np.uint8)
        columns[f"{folder}/column"] = _array(addresses.column, np.uint8)
    for lines, n_bytes in (("rows", 13), ("columns", 16)):
        kept = _array(getattr(block, f"kept_{lines}"), np.uint8)
        columns[f"compression/stochastic/kept_{lines}"] = kept.reshape(-1, n_bytes)
    channels = [_array(channel, np.float32) for channel in block.values]
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
    )
    for name, by_crop in zip(COMPRESSIONS, block.crop_losses, strict=True):
        for crop, lost in zip(CROPS, by_crop, strict=True):
            key = f"{name}_{crop}"
            losses.cells_lost[key] = int(lost.cells)
            losses.pt_lost_kev[key] = int(lost.pt_keV)
            losses.events_cropped[key] = int(lost.events)
    return ImageColumns(_array(block.offsets, np.uint64), columns, channels, losses)


def _attributes(run: Run, info: SampleInfo) -> dict[str, Any]:
    imaging = run.config.imaging
    return {
        # without what only says how the work was cut: it does not change the images
        "config": run.config.model_dump_json(exclude={"imaging": {"block_size"}}),
        "sample_info": info.to_json(),
        "sample": info.name,
        "process": info.process,
        "slice": info.slice or "",
        "particle_threshold_GeV": imaging.particle_threshold,
        "jet_threshold_GeV": imaging.jet_threshold,
        "select": imaging.select or "",
        "grid_shape": (N_ROWS, N_COLUMNS),
        "eta_range": (-2.5, 2.5),
        "phi_range": (-3.15, 3.15),
        "channels": list(CHANNELS),
        "units": list(UNITS),
        "folds": run.config.training.folds,
        "versions": json.dumps(versions()),
    }


def _warn(name: str, losses: Losses) -> None:
    if losses.objects_not_finite:
        log.warning(
            "%s: %d particles or jets with NaN or infinite momenta were left out of the images",
            name,
            losses.objects_not_finite,
        )


def losses_table(run: Run) -> Table:
    """What the images of all samples hold, and what a crop would lose."""
    rows = []
    for sample in run.config.samples:
        path = run.images(sample.name)
        if not path.exists():
            continue
        with h5py.File(path) as file:
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
                    f"{lost[f'cells_lost/{name}_{crop}']:.0f} "
                    f"({_percent(lost[f'pt_lost_kev/{name}_{crop}'], lost['pt_cells_kev'])})"
                    for crop in CROPS
                    for name in COMPRESSIONS
                ),
            ]
        )
    return Table(
        name="images",
        title="Images, and the cells (and pT) that a crop loses",
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
    return f"{100 * part / whole:.2g} %" if whole else "-"
