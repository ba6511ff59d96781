"""Images of selected events: RDataFrame, the compiled image action, HDF5.

The events of a sample are cut into ranges; each is one event loop in one worker, and the parent
appends the blocks in the order of the file, so that the output does not depend on the workers.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator, Sequence
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
from analysis.pipeline import Done, Run, Target, versions
from analysis.regions import define, define_region_bits, require
from analysis.samples import SampleInfo
from common.errors import InputError
from common.progress import progress
from common.tables import Table
from cpp_helpers import declare
from selections import monojet
from selections.cuts import Cut, Definition

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
    """Entries [begin, end) of the files of one sample."""

    sample: str
    files: tuple[str, ...]
    begin: int
    end: int
    config: Config


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Make the image files of the targets."""
    inputs = {t.name: sample_files(run, t.name) for t in targets}
    tasks = [task for t in targets for task in _tasks(run, t.name, inputs[t.name])]
    events = sum(task.end - task.begin for task in tasks)
    results = workers.map_ordered(make_images, tasks, run.workers)
    with progress("imaging", events) as bar, closing(results):
        for target in targets:
            info = sample_info(run, target.name, inputs[target.name])
            with ImageWriter(target.output, _attributes(run, info)) as writer:
                for _ in _tasks(run, target.name, inputs[target.name]):
                    task, block = next(results)
                    writer.append(block)
                    bar.advance(task.end - task.begin)
            _warn(target.name, writer.losses)
            done(target)
    table = losses_table(run)
    table.write_beside(run.table(table.name))


def _tasks(run: Run, name: str, inputs: Sequence[native.File]) -> Iterator[Task]:
    total = sum(file.n_events for file in inputs)
    step = run.config.imaging.block_size
    for begin in range(0, total, step):
        files = tuple(file.path for file in inputs)
        yield Task(name, files, begin, min(begin + step, total), run.config)


def define_columns(df: Any, select: str | None) -> Any:
    """The data frame with all that an image and its event quantities need."""
    df = define(df, monojet.DEFINITIONS)
    df = define_region_bits(df, monojet.REGIONS.values())
    values = ", ".join(f"float({column})" for column in QUANTITIES.values())
    df = define(df, [Definition("event_quantities", f"ROOT::RVecF{{{values}}}")])
    if select is not None:
        df = require(df, Cut(select, monojet.REGIONS[select].expression, select))
    return df


@functools.cache
def _helpers() -> Any:
    return declare()


def make_images(task: Task) -> ImageColumns:
    """One event loop over a range of entries: its images as flat arrays.

    Raises:
        InputError: the file cannot be read to its end.
    """
    helpers = _helpers()
    imaging = task.config.imaging
    df = native.open_range(task.files, task.begin, task.end)
    df = define_columns(df, imaging.select)
    result = helpers.book_images(
        df,
        imaging.particle_threshold,
        imaging.jet_threshold,
        task.config.seed,
        task.config.training.folds,
    )
    try:
        block = result.GetValue()
    except Exception as error:  # whatever cppyy makes of a C++ exception
        cause = str(error).strip().splitlines()[-1]
        raise InputError(f"{', '.join(task.files)}: the event loop failed: {cause}") from error
    return _columns(block)


def _array(vector: Any, dtype: Any) -> npt.NDArray[Any]:
    """A copy of a std::vector as an array."""
    if vector.size() == 0:
        return np.empty(0, dtype)
    return np.array(np.frombuffer(vector.data(), dtype=dtype, count=vector.size()))


def _columns(block: Any) -> ImageColumns:
    regions = _array(block.regions, np.uint64)
    quantities = _array(block.quantities, np.float32).reshape(-1, len(QUANTITIES))
    events: dict[str, npt.NDArray[Any]] = {
        "run_number": _array(block.run_number, np.uint32),
        "event_number": _array(block.event_number, np.uint64),
        "weight": _array(block.weight, np.float64),
        "fold": _array(block.fold, np.uint8),
    }
    events |= {name: quantities[:, i] for i, name in enumerate(QUANTITIES)}
    for i, name in enumerate(monojet.REGIONS):
        events[f"pass_{name}"] = (regions >> np.uint64(i)) & np.uint64(1) != 0
    row, column = _array(block.row, np.uint8), _array(block.column, np.uint8)
    values = _array(block.values, np.float32).reshape(-1, len(CHANNELS))
    offsets = _array(block.offsets, np.uint64)
    compressed = {
        name: (
            _array(getattr(block, f"{name}_row"), np.uint8),
            _array(getattr(block, f"{name}_column"), np.uint8),
        )
        for name in COMPRESSIONS
    }
    losses = Losses(
        particles=int(block.n_particles),
        particles_below_threshold=int(block.n_below_threshold),
        particles_outside_grid=int(block.n_outside),
        objects_not_finite=int(block.n_not_finite),
        jets_outside_grid=int(block.n_jets_outside),
        pt_particles=float(block.pt_particles),
        pt_below_threshold=float(block.pt_below_threshold),
        pt_outside_grid=float(block.pt_outside),
        cells=len(row),
        pt_cells=float(values[:, 0].sum(dtype=np.float64)),
    )
    event = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets).astype(np.int64))
    for name, (rows, columns) in compressed.items():
        for crop in CROPS:
            lost = (rows >= crop) | (columns >= crop)
            key = f"{name}_{crop}"
            losses.cells_lost[key] = int(lost.sum())
            losses.pt_lost[key] = float(values[lost, 0].sum(dtype=np.float64))
            losses.events_cropped[key] = len(np.unique(event[lost]))
    return ImageColumns(
        events=events,
        offsets=offsets,
        row=row,
        column=column,
        values=values,
        compressed=compressed,
        kept_rows=_array(block.kept_rows, np.uint8).reshape(-1, 13),
        kept_columns=_array(block.kept_columns, np.uint8).reshape(-1, 16),
        losses=losses,
    )


def _attributes(run: Run, info: SampleInfo) -> dict[str, Any]:
    imaging = run.config.imaging
    return {
        "config": run.config.model_dump_json(),
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
                _percent(lost["pt_below_threshold"], lost["pt_particles"]),
                _percent(lost["pt_outside_grid"], lost["pt_particles"]),
                *(
                    f"{lost[f'cells_lost/{name}_{crop}']:.0f} "
                    f"({_percent(lost[f'pt_lost/{name}_{crop}'], lost['pt_cells'])})"
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
