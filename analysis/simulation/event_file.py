"""Native event files of simulated or converted particles: blocks of events, merged to samples."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.event_loop.events import EventLoop, Events
from analysis.formats import particle_level
from analysis.formats.columns import CANONICAL
from analysis.formats.native import INFO, TREE
from analysis.inputs.particles import Decayed, Particles
from analysis.inputs.root_file import read_text, write_texts
from analysis.inputs.sample_info import SampleInfo
from analysis.workflow.run import Run
from common.runtime import files
from common.runtime.errors import InputError, OutputError
from common.schema.parts import damaged_part
from common.tasks import Provenance, Task
from cpp_helpers import calls, load_root
from cpp_helpers.calls import Handle
from cpp_helpers.errors import cause_of
from selections.cuts import Definition

OPEN_BLOCKS = 100  # open at once while merging: systems may allow 256 files

_ORIGIN = "origin"
_INCOMPLETE = "not a complete block of events"
_PARTS = ("pt", "eta", "phi", "energy", "pdg_id")


@dataclass(frozen=True)
class Storage:
    """How the events of a sample are stored: run number, minimum pT (GeV) of stored particles, and
    file format, ``rntuple`` or ``ttree``."""

    run_number: int
    stored_particle_min_pt: float
    file_format: str


def write(
    path: Path,
    numbers: npt.NDArray[np.uint64],
    particles: Particles,
    decayed: Decayed,
    storage: Storage,
    info: SampleInfo,
    origin: str = "",
) -> None:
    """Write a block of events with their ``numbers``, its ``info`` and, for `provenance`, its
    ``origin``."""
    size = sum(getattr(particles, name).nbytes for name in vars(particles))
    files.require_space(path, size)
    with files.whole(path) as partial:
        _snapshot(partial, numbers, particles, decayed, storage)
        write_texts(partial, {INFO: info.to_json()})
        write_texts(partial, {_ORIGIN: origin})


def _buffer(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy with one more entry, as C++ needs a buffer that is not empty."""
    return np.resize(column, len(column) + 1)


def _snapshot(
    path: Path,
    numbers: npt.NDArray[np.uint64],
    particles: Particles,
    decayed: Decayed,
    storage: Storage,
) -> None:
    """Write the canonical columns. Jets, leptons and missing momentum are made from all particles;
    those above the threshold are stored."""
    offsets = [
        np.concatenate([[0], np.cumsum(some.counts)]).astype(np.int64)
        for some in (particles, decayed)
    ]
    of_particles, of_decayed = (
        [_buffer(getattr(some, name)) for name in names]
        for some, names in (
            (particles, (*_PARTS, "charge", "weight", "boson_pt", "d0", "z0_sin_theta")),
            (decayed, _PARTS),
        )
    )
    neutral = np.zeros_like(of_decayed[-1])
    calls.call("set_flat_particles", True, offsets[0], numbers, *of_particles)
    decayed_arrays = (offsets[1], numbers, *of_decayed, neutral, *of_particles[6:])
    calls.call("set_flat_particles", False, *decayed_arrays)

    events = _events(storage, len(numbers), path)
    try:
        events.loop.run()
    except calls.CppError as error:
        raise OutputError(f"{path}: cannot write: {cause_of(error)}") from error


def prepare(run: Run, task: Task) -> None:
    """Compile the columns of a block, which are the same for all."""
    _events(Storage(0, 0.0, "rntuple"), 1, Path()).loop.compile()


def _events(storage: Storage, n_events: int, path: Path) -> Events:
    """Return the events of a block, with the writing of their columns booked."""
    events = EventLoop(TREE, [], 0, n_events).events()
    events = events.number("run_number", "unsigned int", storage.run_number)
    events = events.number("stored_pt", "double", storage.stored_particle_min_pt)
    events = events.define(_definitions())
    as_tree = storage.file_format == "ttree"

    def write_columns(node: Handle) -> Handle:
        return calls.make("book_snapshot", node, TREE, str(path), list(CANONICAL), as_tree, 0)

    events.book(write_columns, dict(CANONICAL))
    return events


def _definitions() -> list[Definition]:
    """Return the columns of a block, in order."""
    stable = {"event_number": "number", "weight": "weight", "boson_pt": "boson_pt"}
    stable |= {f"all_{part}": part for part in (*_PARTS, "charge", "d0", "z0_sin_theta")}
    found = {name: f"monojet::flat_stable().{part}(rdfentry_)" for name, part in stable.items()}
    found["stored"] = "all_pt > stored_pt"
    for part in _PARTS:
        found[f"decayed_{part}"] = f"monojet::flat_decayed().{part}(rdfentry_)"
    for made in (*particle_level.ALL, *particle_level.OF_DECAYS):
        found |= {name: column.expression for name, column in made.columns.items()}
    for part in particle_level.PARTICLE_PARTS:
        found[f"particle_{part}"] = f"all_{part}[stored]"
    return [Definition(name, expression) for name, expression in found.items()]


def info_of(block: Path) -> SampleInfo:
    """Return the facts about the sample stored with a block."""
    return SampleInfo.from_json(read_text(block, INFO, _INCOMPLETE))


def provenance(path: Path) -> Provenance:
    """Return the provenance stored with a part.

    Raises:
        BatchError: the file is not a part, or damaged.
    """
    with damaged_part(path, InputError):
        return Provenance(**json.loads(read_text(path, _ORIGIN, _INCOMPLETE)))


def origin_of(task: Task, end: int) -> str:
    """Return the text that `provenance` reads, of a task's part that ends at entry ``end``."""
    where = task.range
    return json.dumps(
        dataclasses.asdict(
            Provenance(task.code_settings_hash, task.input_version, where.file, where.begin, end)
        )
    )


def merge(blocks: Sequence[Path], output: Path, info: SampleInfo, origin: str = "") -> None:
    """Merge blocks in order, in groups if there are more than `OPEN_BLOCKS`."""
    with files.pieces(output) as new_piece, files.whole(output) as partial:
        while len(blocks) > OPEN_BLOCKS:
            groups = [blocks[i : i + OPEN_BLOCKS] for i in range(0, len(blocks), OPEN_BLOCKS)]
            blocks = [_merged(group, new_piece(), output) for group in groups]
        _merged(blocks, partial, output)
        write_texts(partial, {INFO: info.to_json()})
        if origin:
            write_texts(partial, {_ORIGIN: origin})


def _merged(blocks: Sequence[Path], path: Path, output: Path) -> Path:
    """Merge blocks to the file at ``path`` and return it; errors name ``output``."""
    root = load_root()
    merger = root.TFileMerger(False)
    merger.SetPrintLevel(0)
    algorithm = root.RCompressionSetting.EAlgorithm.kZSTD
    ok = merger.OutputFile(str(path), "RECREATE", int(algorithm) * 100 + 5)
    merger.AddObjectNames(TREE)
    for block in blocks:
        ok = ok and merger.AddFile(str(block), False)
    kept = root.TFileMerger.kAll | root.TFileMerger.kRegular | root.TFileMerger.kOnlyListed
    with calls.quiet():  # ROOT warns that merging RNTuples is experimental
        ok = ok and merger.PartialMerge(kept)
    if not ok:
        raise OutputError(f"{output}: cannot join its blocks (is the disk full?)")
    return path
