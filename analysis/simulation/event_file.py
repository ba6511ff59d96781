"""Events of stable particles, written with the canonical columns, whether simulated here or
converted: blocks of some events, and samples joined of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.formats import particle_level
from analysis.formats.columns import CANONICAL
from analysis.formats.native import INFO, TREE
from analysis.inputs.particles import Decayed, Particles
from analysis.inputs.reader import quiet
from analysis.inputs.sample_info import SampleInfo
from common.runtime import files
from common.runtime.errors import BatchError, InputError, OutputError
from common.tasks import Provenance, Task
from cpp_helpers import declare_jets, load_root
from cpp_helpers.errors import cause_of

OPEN_BLOCKS = 100  # at once, when they are joined: systems may allow 256 files

_ORIGIN = "origin"


@dataclass(frozen=True)
class Storage:
    """How the events of a sample are stored: their run number, the pT (GeV) above which particles
    are, and ``rntuple`` or ``ttree``."""

    run_number: int
    particle_threshold: float
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
    """Write a block of events whole, by their ``numbers``, its ``info`` within, and where it
    belongs."""
    size = sum(getattr(particles, name).nbytes for name in vars(particles))
    files.require_space(path, size)
    with files.whole(path) as partial:
        _snapshot(partial, numbers, particles, decayed, storage)
        _write(partial, INFO, info.to_json())
        _write(partial, _ORIGIN, origin)


def _buffer(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """With a further entry: an array without any is no buffer for C++."""
    return np.resize(column, len(column) + 1)


def _snapshot(
    path: Path,
    numbers: npt.NDArray[np.uint64],
    particles: Particles,
    decayed: Decayed,
    storage: Storage,
) -> None:
    """Cluster jets, find leptons and missing momentum from all particles; store those above the
    threshold."""
    helpers = declare_jets()
    root = load_root()
    offsets = [
        np.concatenate([[0], np.cumsum(some.counts)]).astype(np.int64)
        for some in (particles, decayed)
    ]
    columns = ("pt", "eta", "phi", "energy", "pdg_id", "charge")
    of_particles, of_decayed = (
        [_buffer(getattr(some, name)) for name in names]
        for some, names in (
            (particles, (*columns, "weight", "boson_pt", "d0", "z0_sin_theta")),
            (decayed, columns[:5]),
        )
    )
    neutral = np.zeros_like(of_decayed[-1])
    helpers.batch().set(offsets[0], numbers, *of_particles)
    helpers.decayed().set(offsets[1], numbers, *of_decayed, neutral, *of_particles[6:])

    df = root.RDataFrame(len(numbers))
    df = df.DefinePerSample("run_number", f"(unsigned int){storage.run_number}u")
    df = df.DefinePerSample("stored_pt", f"{storage.particle_threshold}")
    definitions = {
        "event_number": "monojet::batch().number(rdfentry_)",
        "weight": "monojet::batch().weight(rdfentry_)",
        "boson_pt": "monojet::batch().boson_pt(rdfentry_)",
        "all_pt": "monojet::batch().pt(rdfentry_)",
        "all_eta": "monojet::batch().eta(rdfentry_)",
        "all_phi": "monojet::batch().phi(rdfentry_)",
        "all_energy": "monojet::batch().energy(rdfentry_)",
        "all_pdg_id": "monojet::batch().pdg_id(rdfentry_)",
        "all_charge": "monojet::batch().charge(rdfentry_)",
        "all_d0": "monojet::batch().d0(rdfentry_)",
        "all_z0_sin_theta": "monojet::batch().z0_sin_theta(rdfentry_)",
        "stored": "all_pt > stored_pt",
    }
    for part in ("pt", "eta", "phi", "energy", "pdg_id"):
        definitions[f"decayed_{part}"] = f"monojet::decayed().{part}(rdfentry_)"
    for made in (*particle_level.ALL, *particle_level.OF_DECAYS):
        definitions |= {name: column.expression for name, column in made.columns.items()}
    for part in particle_level.PARTICLE_PARTS:
        definitions[f"particle_{part}"] = f"all_{part}[stored]"
    for name, expression in definitions.items():
        df = df.Define(name, expression)

    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = (
        root.RDF.ESnapshotOutputFormat.kRNTuple
        if storage.file_format == "rntuple"
        else root.RDF.ESnapshotOutputFormat.kTTree
    )
    options.fCompressionAlgorithm = root.RCompressionSetting.EAlgorithm.kZSTD
    options.fCompressionLevel = 5
    try:
        df.Snapshot(TREE, str(path), list(CANONICAL), options)
    except Exception as error:
        raise OutputError(f"{path}: cannot write: {cause_of(error)}") from error


def _write(path: Path, name: str, text: str) -> None:
    root = load_root()
    with root.TFile.Open(str(path), "UPDATE") as handle:
        handle.WriteObject(root.TNamed(name, text), name)


def _read(path: Path, name: str) -> str:
    """A text stored with a block.

    Raises:
        InputError: there is none, or the file is damaged.
    """
    with quiet():
        try:
            with load_root().TFile.Open(str(path)) as handle:
                return str(handle.Get(name).GetTitle())
        except (OSError, AttributeError, ReferenceError) as error:
            raise InputError(f"{path}: not a whole block of events") from error


def info_of(block: Path) -> SampleInfo:
    """What a block says of its sample."""
    return SampleInfo.from_json(_read(block, INFO))


def provenance(path: Path) -> Provenance:
    """What a block says of itself.

    Raises:
        BatchError: it is not a block, or damaged.
    """
    try:
        return Provenance(**json.loads(_read(path, _ORIGIN)))
    except (InputError, ValueError, TypeError) as error:
        raise BatchError(f"{path}: a damaged part: remove it and run again ({error})") from error


def origin_of(task: Task, end: int) -> str:
    """What `provenance` reads, of the part of a task whose range is found to end there."""
    where = task.range
    return json.dumps(
        dataclasses.asdict(
            Provenance(task.code_settings_hash, task.input_version, where.file, where.begin, end)
        )
    )


def merge(blocks: Sequence[Path], output: Path, info: SampleInfo, origin: str = "") -> None:
    """Join blocks, in their order; of more than can be open at once groups are joined first."""
    with files.pieces(output) as new_piece, files.whole(output) as partial:
        while len(blocks) > OPEN_BLOCKS:
            groups = [blocks[i : i + OPEN_BLOCKS] for i in range(0, len(blocks), OPEN_BLOCKS)]
            blocks = [_joined(group, new_piece(), output) for group in groups]
        _joined(blocks, partial, output)
        _write(partial, INFO, info.to_json())
        if origin:
            _write(partial, _ORIGIN, origin)


def _joined(blocks: Sequence[Path], path: Path, output: Path) -> Path:
    """The file at ``path``, which is, or becomes a part of, the output."""
    root = load_root()
    merger = root.TFileMerger(False)
    merger.SetPrintLevel(0)
    algorithm = root.RCompressionSetting.EAlgorithm.kZSTD
    ok = merger.OutputFile(str(path), "RECREATE", int(algorithm) * 100 + 5)
    merger.AddObjectNames(TREE)
    for block in blocks:
        ok = ok and merger.AddFile(str(block), False)
    kept = root.TFileMerger.kAll | root.TFileMerger.kRegular | root.TFileMerger.kOnlyListed
    with quiet():  # ROOT calls the merging of RNTuples experimental; the tests compare events
        ok = ok and merger.PartialMerge(kept)
    if not ok:
        raise OutputError(f"{output}: cannot join its blocks (is the disk full?)")
    return path
