"""Events of stable particles, written with the canonical columns, whether simulated here or
converted: blocks of some events, and samples joined of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from analysis.columns import CANONICAL
from analysis.inputs import particle_level
from analysis.inputs.native import INFO, TREE
from analysis.inputs.reader import quiet
from analysis.samples import SampleInfo
from common import files
from common.errors import BatchError, InputError, OutputError
from common.tasks import Provenance, Task
from cpp_helpers import declare_jets, load_root
from cpp_helpers.errors import cause_of

ETA_MAX = 4.9
TAU = 15
TAU_MIN_PT = 10.0  # GeV, visible
B_HADRON_MIN_PT = 5.0  # GeV

OPEN_BLOCKS = 100  # at once, when they are joined: systems may allow 256 files

_ORIGIN = "origin"

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class _Flat:
    """What is stored of some events as flat arrays."""

    @classmethod
    def joined(cls, batches: Sequence[Self]) -> Self:
        """One after the other."""
        return cls(
            **{
                name: np.concatenate([getattr(b, name) for b in batches])
                for name in vars(batches[0])
            }
        )


@dataclass(frozen=True)
class Momenta(_Flat):
    """Of some particles, flat; GeV."""

    px: Floats
    py: Floats
    pz: Floats
    energy: Floats

    @property
    def pt(self) -> Floats:
        """Transverse."""
        found: Floats = np.hypot(self.px, self.py)
        return found

    @property
    def phi(self) -> Floats:
        """Azimuth."""
        found: Floats = np.arctan2(self.py, self.px)
        return found

    def __getitem__(self, chosen: Indices) -> Momenta:
        return Momenta(self.px[chosen], self.py[chosen], self.pz[chosen], self.energy[chosen])


@dataclass(frozen=True)
class Particles(_Flat):
    """Stable particles of some events, flat; GeV and radians."""

    counts: npt.NDArray[np.int64]
    pt: npt.NDArray[np.float32]
    eta: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    pdg_id: npt.NDArray[np.int32]
    charge: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float64]
    boson_pt: npt.NDArray[np.float32]
    d0: npt.NDArray[np.float32]  # mm, and so is the next; of electrons and muons, else 0
    z0_sin_theta: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        event: Indices,
        momenta: Momenta,
        pdg_id: npt.NDArray[np.int32],
        charge_of: Mapping[int, int],
        vertices_of: Callable[[Indices], tuple[Floats, Floats, Floats]],
        weight: Floats,
        boson_pt: Floats,
    ) -> Particles:
        """Those with |eta| < 4.9 of stable particles, given event by event. ``vertices_of`` says of
        some of the particles, by index, where they were produced (mm)."""
        inside = np.flatnonzero(momenta.pt > 0)
        pt = momenta.pt[inside]
        eta = np.arcsinh(momenta.pz[inside] / pt)
        central = np.abs(eta) < ETA_MAX
        kept = inside[central]
        ids, inverse = np.unique(pdg_id[kept], return_inverse=True)
        charges = np.array([charge_of[int(i)] for i in ids], dtype=np.int32)
        leptons = np.isin(np.abs(pdg_id[kept]), (11, 13))
        d0, z0_sin_theta = (np.zeros(len(kept), np.float32) for _ in range(2))
        tracks = kept[leptons]
        d0[leptons], z0_sin_theta[leptons] = impact_parameters(
            momenta[tracks], *vertices_of(tracks)
        )
        return cls(
            counts=np.bincount(event[kept], minlength=len(weight)),
            pt=pt[central].astype(np.float32),
            eta=eta[central].astype(np.float32),
            phi=momenta.phi[kept].astype(np.float32),
            energy=momenta.energy[kept].astype(np.float32),
            pdg_id=pdg_id[kept].astype(np.int32),
            charge=charges[inverse],
            weight=weight,
            boson_pt=boson_pt.astype(np.float32),
            d0=d0,
            z0_sin_theta=z0_sin_theta,
        )


def impact_parameters(momenta: Momenta, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """d0 and z0 sin(theta) in mm, with respect to the collision, of tracks from where they begin.

    They are taken as straight: one of 10 GeV is bent by 1 um in 6 mm.
    """
    px, py, pz, pt = momenta.px, momenta.py, momenta.pz, momenta.pt
    along = (x * px + y * py) / pt**2
    return (x * py - y * px) / pt, (z - along * pz) * pt / np.hypot(pt, pz)


@dataclass(frozen=True)
class Decayed(_Flat):
    """Hadrons with a b quark before their weak decay, and the visible part of hadronic taus, of
    some events, flat; GeV and radians."""

    counts: npt.NDArray[np.int64]
    pt: npt.NDArray[np.float32]
    eta: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    pdg_id: npt.NDArray[np.int32]

    @classmethod
    def of(
        cls, event: Indices, momenta: Momenta, pdg_id: npt.NDArray[np.int32], n_events: int
    ) -> Decayed:
        """Of b hadrons those of pT > 5 GeV, of taus those of visible pT > 10 GeV; |eta| < 4.9;
        in each event the hardest first."""
        pt = momenta.pt
        eta = np.arcsinh(momenta.pz / np.maximum(pt, 1e-9))
        least = np.where(np.abs(pdg_id) == TAU, TAU_MIN_PT, B_HADRON_MIN_PT)
        kept = np.flatnonzero((pt > least) & (np.abs(eta) < ETA_MAX))
        kept = kept[np.lexsort((-pt[kept], event[kept]))]
        return cls(
            counts=np.bincount(event[kept], minlength=n_events),
            pt=pt[kept].astype(np.float32),
            eta=eta[kept].astype(np.float32),
            phi=momenta.phi[kept].astype(np.float32),
            energy=momenta.energy[kept].astype(np.float32),
            pdg_id=pdg_id[kept].astype(np.int32),
        )


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
        dataclasses.asdict(Provenance(task.recipe, task.identity, where.file, where.begin, end))
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
