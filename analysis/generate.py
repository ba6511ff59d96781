"""Simulated collisions: Pythia 8 events, FastJet jets, written with the canonical columns.

A sample is made of blocks of equal size, each from its own generator seeded by (seed, sample,
block): the events do not depend on how many workers share the blocks, and a run that was stopped
resumes with the blocks it lacks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.columns import CANONICAL
from analysis.config import Config
from analysis.inputs import particle_level
from analysis.inputs.native import INFO, TREE
from analysis.inputs.reader import quiet
from analysis.pipeline import Run, Target, versions
from analysis.processes import PROCESSES, Process
from analysis.samples import SampleInfo, combine, run_number_of
from common import files
from common.errors import BatchError, ConfigError, InputError, OutputError
from common.tasks import Parts, Provenance, Range, Task
from cpp_helpers import declare_jets, load_root
from cpp_helpers.errors import cause_of

log = logging.getLogger("monojet")

BATCH = 100  # events fetched at once: their full records are in memory together
ETA_MAX = 4.9
TAU_MIN_PT = 10.0  # GeV, visible
B_HADRON_MIN_PT = 5.0  # GeV
MILLIBARN = 1e9  # pb


SUFFIX = ".root"
LINKS = False
_ORIGIN = "origin"


@dataclass(frozen=True)
class Block:
    """Some consecutive events of one sample, from one seed."""

    sample: str
    process: str
    slice: str | None
    pt_low: float
    pt_high: float | None
    index: int
    first_event: int
    n_events: int
    seed: int
    particle_threshold: float
    file_format: str

    @classmethod
    def of(cls, config: Config, task: Task) -> Block:
        """The block of a task."""
        sample = config.sample(task.range.sample)
        assert task.range.end is not None
        low, high = 0.0, None
        if sample.slice is not None:
            limits = config.generation.slices[sample.slice]
            low, high = limits.low, limits.high
        begin = task.range.begin
        return cls(
            sample=sample.name,
            process=sample.process,
            slice=sample.slice,
            pt_low=low,
            pt_high=high,
            index=begin // config.generation.block_size,
            first_event=begin,
            n_events=task.range.end - begin,
            seed=config.seed,
            particle_threshold=config.generation.particle_threshold,
            file_format=config.generation.file_format,
        )

    @property
    def run_number(self) -> int:
        """That of the sample."""
        return run_number_of(self.sample)

    @property
    def pythia_seed(self) -> int:
        """Seed for Pythia (1 to 900,000,000) from (seed, sample, block)."""
        key = f"{self.seed}/{self.sample}/{self.index}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) % 899_999_999 + 1


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """The events of a sample in blocks."""
    n_events, size = run.config.sample(target.name).events, run.config.generation.block_size
    assert n_events is not None
    for first in range(0, n_events, size):
        yield Range(target.name, target.name, first, min(first + size, n_events))


def make_part(run: Run, task: Task, path: Path) -> int:
    """Generate a block."""
    block = Block.of(run.config, task)
    begin, end = block.first_event, block.first_event + block.n_events
    origin = Provenance(task.recipe, task.identity, task.range.file, begin, end)
    write_block(block, path, json.dumps(dataclasses.asdict(origin)))
    return block.n_events


def provenance(path: Path) -> Provenance:
    """What a block says of itself.

    Raises:
        BatchError: it is not a block, or damaged.
    """
    try:
        return Provenance(**json.loads(_read(path, _ORIGIN)))
    except (InputError, ValueError, TypeError) as error:
        raise BatchError(f"{path}: a damaged part: remove it and run again ({error})") from error


def join(run: Run, target: Target, parts: Parts) -> None:
    """The sample, of its blocks."""
    _merge([part.path for part in parts], target.output)


def start_pythia(process: Process, pt_low: float, pt_high: float | None, seed: int) -> Any:
    """A Pythia generator, ready to give events.

    Raises:
        ConfigError: Pythia refuses a setting or cannot be initialised.
    """
    import pythia8mc

    generator = pythia8mc.Pythia("", False)
    seeding = ("Random:setSeed = on", f"Random:seed = {seed}")
    for setting in (*generator_settings(process, pt_low, pt_high), *seeding):
        if not generator.readString(setting):
            raise ConfigError(f"process '{process.name}': Pythia refuses '{setting}'")
    if not generator.init():
        raise ConfigError(f"process '{process.name}': Pythia cannot be initialised")
    return generator


def generator_settings(process: Process, pt_low: float, pt_high: float | None) -> tuple[str, ...]:
    """All that Pythia is told (GeV) but the seed."""
    return (
        "Print:quiet = on",
        "Beams:eCM = 13000",
        f"PhaseSpace:pTHatMin = {pt_low:g}",
        f"PhaseSpace:pTHatMax = {-1 if pt_high is None else pt_high:g}",
        *process.settings,
    )


@dataclass(frozen=True)
class Particles:
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


def stable_particles(events: Any, boson: int, charge_of: dict[int, int]) -> Particles:
    """Stable particles with |eta| < 4.9 of a batch from ``Pythia.nextBatch``.

    ``boson_pt`` is that of the last copy of the boson in the record, after the recoil against
    initial-state radiation.
    """
    import awkward as ak

    record = events.prt
    per_event = ak.to_numpy(ak.num(record))
    flat = ak.flatten(record)
    px, py, pz = (ak.to_numpy(flat.p[c]) for c in ("px", "py", "pz"))
    pdg_id = ak.to_numpy(flat.id)
    pt = np.hypot(px, py)
    event = np.repeat(np.arange(len(per_event)), per_event)

    is_boson = np.flatnonzero(np.abs(pdg_id) == boson)
    boson_pt = np.full(len(per_event), np.nan)
    boson_pt[event[is_boson]] = pt[is_boson]  # of repeated indices the last one stays

    stable = np.flatnonzero((ak.to_numpy(flat.status) > 0) & (pt > 0))
    eta = np.arcsinh(pz[stable] / pt[stable])
    kept = stable[np.abs(eta) < ETA_MAX]
    ids, inverse = np.unique(pdg_id[kept], return_inverse=True)
    charges = np.array([charge_of[int(i)] for i in ids], dtype=np.int32)
    leptons = np.isin(np.abs(pdg_id[kept]), (11, 13))
    d0, z0_sin_theta = (np.zeros(len(kept), np.float32) for _ in range(2))
    d0[leptons], z0_sin_theta[leptons] = impact_parameters(flat[kept[leptons]])
    return Particles(
        counts=np.bincount(event[kept], minlength=len(per_event)),
        pt=pt[kept].astype(np.float32),
        eta=eta[np.abs(eta) < ETA_MAX].astype(np.float32),
        phi=np.arctan2(py[kept], px[kept]).astype(np.float32),
        energy=ak.to_numpy(flat.p["e"])[kept].astype(np.float32),
        pdg_id=pdg_id[kept].astype(np.int32),
        charge=charges[inverse],
        weight=ak.to_numpy(events.info.weights[:, 0]).astype(np.float64),
        boson_pt=boson_pt.astype(np.float32),
        d0=d0,
        z0_sin_theta=z0_sin_theta,
    )


def impact_parameters(particles: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """d0 and z0 sin(theta) in mm, with respect to the collision, of tracks from where they begin.

    They are taken as straight: one of 10 GeV is bent by 1 um in 6 mm.
    """
    import awkward as ak

    px, py, pz = (ak.to_numpy(particles.p[c]) for c in ("px", "py", "pz"))
    # those of the collision itself have no vertex
    x, y, z = (ak.to_numpy(ak.fill_none(particles.vProd[c], 0.0)) for c in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    along = (x * px + y * py) / pt**2
    return (x * py - y * px) / pt, (z - along * pz) * pt / np.hypot(pt, pz)


@dataclass(frozen=True)
class Decayed:
    """Hadrons with a b quark before their weak decay, and the visible part of hadronic taus, of
    some events, flat; GeV and radians."""

    counts: npt.NDArray[np.int64]
    pt: npt.NDArray[np.float32]
    eta: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    pdg_id: npt.NDArray[np.int32]


def decayed_particles(events: Any, heaviest_quark: Mapping[int, int]) -> Decayed:
    """Hadrons with a b quark, of pT > 5 GeV, that do not decay to another, and hadronic taus of
    visible pT > 10 GeV, of a batch from ``Pythia.nextBatch``. |eta| < 4.9."""
    import awkward as ak

    record = events.prt
    per_event = ak.to_numpy(ak.num(record))
    flat = ak.flatten(record)
    pdg_id = ak.to_numpy(flat.id)
    event = np.repeat(np.arange(len(per_event)), per_event)
    first = (np.cumsum(per_event) - per_event)[event]

    def relative(name: str) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = first + ak.to_numpy(flat[name])
        return found

    def is_lepton(*codes: int) -> npt.NDArray[np.bool_]:
        return np.isin(np.abs(pdg_id), codes)

    ids, inverse = np.unique(pdg_id, return_inverse=True)
    is_b = np.array([heaviest_quark[int(i)] == 5 for i in ids])[inverse]
    b_hadrons = np.flatnonzero(is_b & ~is_b[relative("daughter1")] & ~is_b[relative("daughter2")])

    mother = relative("mother1")
    of_tau = (ak.to_numpy(flat.status) > 0) & is_lepton(15)[mother]
    neutrinos = np.flatnonzero(of_tau & is_lepton(16))
    leptonic = mother[of_tau & is_lepton(12, 14)]
    neutrinos = neutrinos[~np.isin(mother[neutrinos], leptonic)]
    taus = mother[neutrinos]

    which = np.concatenate([b_hadrons, taus])
    px, py, pz, energy = (ak.to_numpy(flat.p[c])[which] for c in ("px", "py", "pz", "e"))
    for values, name in ((px, "px"), (py, "py"), (pz, "pz"), (energy, "e")):
        values[len(b_hadrons) :] -= ak.to_numpy(flat.p[name])[neutrinos]
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    least = np.where(np.arange(len(which)) < len(b_hadrons), B_HADRON_MIN_PT, TAU_MIN_PT)
    kept = np.flatnonzero((pt > least) & (np.abs(eta) < ETA_MAX))
    kept = kept[np.lexsort((-pt[kept], event[which[kept]]))]
    return Decayed(
        counts=np.bincount(event[which[kept]], minlength=len(per_event)),
        pt=pt[kept].astype(np.float32),
        eta=eta[kept].astype(np.float32),
        phi=np.arctan2(py[kept], px[kept]).astype(np.float32),
        energy=energy[kept].astype(np.float32),
        pdg_id=pdg_id[which[kept]].astype(np.int32),
    )


class _HeaviestQuarks(dict[int, int]):
    """The heaviest quark in a hadron by PDG code, from Pythia's own particle data; 0 if none."""

    def __init__(self, generator: Any) -> None:
        self.data = generator.particleData

    def __missing__(self, pdg_id: int) -> int:
        quark = abs(self.data.heaviestQuark(pdg_id)) if self.data.isHadron(pdg_id) else 0
        self[pdg_id] = quark
        return quark


class _Charges(dict[int, int]):
    """Electric charges by PDG code, in units of e, from Pythia's own particle data."""

    def __init__(self, generator: Any) -> None:
        self.data = generator.particleData

    def __missing__(self, pdg_id: int) -> int:
        charge: int = round(self.data.charge(pdg_id))
        self[pdg_id] = charge
        return charge


def write_block(block: Block, path: Path, origin: str = "") -> None:
    """Generate a block and write it whole, its `SampleInfo` within, and where it belongs."""
    process = PROCESSES[block.process]
    generator = start_pythia(process, block.pt_low, block.pt_high, block.pythia_seed)
    charges, quarks = _Charges(generator), _HeaviestQuarks(generator)
    stable, gone = [], []
    for first in range(0, block.n_events, BATCH):
        batch = generator.nextBatch(min(BATCH, block.n_events - first))
        stable.append(stable_particles(batch, process.boson, charges))
        gone.append(decayed_particles(batch, quarks))
    particles, decayed = Particles(**_joined(stable)), Decayed(**_joined(gone))
    if len(particles.counts) != block.n_events:
        raise ConfigError(
            f"sample '{block.sample}': Pythia gave {len(particles.counts)} of "
            f"{block.n_events} events"
        )
    information = generator.infoPython()
    info = SampleInfo(
        name=block.sample,
        process=block.process,
        slice=block.slice,
        n_events=block.n_events,
        cross_section=information.sigmaGen() * MILLIBARN,
        cross_section_error=information.sigmaErr() * MILLIBARN,
        sum_of_weights=float(particles.weight.sum()),
        sum_of_weights_squared=float((particles.weight**2).sum()),
        seed=block.seed,
        settings=generator_settings(process, block.pt_low, block.pt_high),
        versions=versions(),
    )
    size = sum(getattr(particles, name).nbytes for name in vars(particles))
    files.require_space(path, size)
    with files.whole(path) as partial:
        _snapshot(block, particles, decayed, partial)
        _write(partial, INFO, info.to_json())
        _write(partial, _ORIGIN, origin)


def _joined(batches: Sequence[Particles] | Sequence[Decayed]) -> dict[str, Any]:
    return {name: np.concatenate([getattr(b, name) for b in batches]) for name in vars(batches[0])}


def _snapshot(block: Block, particles: Particles, decayed: Decayed, path: Path) -> None:
    """Cluster jets, find leptons and missing momentum from all particles; store those above the
    threshold."""
    helpers = declare_jets()
    root = load_root()
    offsets = [
        np.concatenate([[0], np.cumsum(some.counts)]).astype(np.int64)
        for some in (particles, decayed)
    ]
    of_events = ("weight", "boson_pt", "d0", "z0_sin_theta")
    columns = ("pt", "eta", "phi", "energy", "pdg_id", "charge", *of_events)
    helpers.batch().set(offsets[0], *(getattr(particles, name) for name in columns))
    # with a further entry: an array without any is no buffer for C++
    of_decayed = [
        np.resize(column, len(column) + 1) for column in (getattr(decayed, n) for n in columns[:5])
    ]
    neutral = np.zeros_like(of_decayed[-1])
    unknown = [getattr(particles, name) for name in of_events]
    helpers.decayed().set(offsets[1], *of_decayed, neutral, *unknown)

    df = root.RDataFrame(block.n_events)
    df = df.DefinePerSample("run_number", f"(unsigned int){block.run_number}u")
    df = df.DefinePerSample("first_event", f"{block.first_event}ull")
    df = df.DefinePerSample("stored_pt", f"{block.particle_threshold}")
    definitions = {
        "event_number": "first_event + rdfentry_ + 1",
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
    for made in particle_level.ALL:
        definitions |= {name: column.expression for name, column in made.columns.items()}
    for flavour in ("electron", "muon"):
        definitions[f"{flavour}_z0_sin_theta"] = f"Take(all_z0_sin_theta, {flavour}s.particle)"
        definitions[f"{flavour}_d0_significance"] = (
            f"monojet::d0_significance(Take(all_d0, {flavour}s.particle), {flavour}_pt,"
            f" {flavour}_eta)"
        )
    definitions["decayed_pdg_id"] = "monojet::decayed().pdg_id(rdfentry_)"
    definitions["is_tau"] = "abs(decayed_pdg_id) == 15"
    for part in ("pt", "eta", "phi"):
        definitions[f"decayed_{part}"] = f"monojet::decayed().{part}(rdfentry_)"
        definitions[f"tau_{part}"] = f"decayed_{part}[is_tau]"
    definitions |= {
        "tau_energy": "monojet::decayed().energy(rdfentry_)[is_tau]",
        "tau_mass": "monojet::masses(tau_energy, tau_pt, tau_eta)",
        "tau_charge": "Where(decayed_pdg_id[is_tau] > 0, -1, 1)",
        "jet_b_tag": "monojet::b_tags(jets.eta, jets.phi, decayed_eta[!is_tau],"
        " decayed_phi[!is_tau])",
    }
    for part in particle_level.PARTICLE_PARTS:
        definitions[f"particle_{part}"] = f"all_{part}[stored]"
    for name, expression in definitions.items():
        df = df.Define(name, expression)

    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = (
        root.RDF.ESnapshotOutputFormat.kRNTuple
        if block.file_format == "rntuple"
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


def _merge(blocks: Sequence[Path], output: Path) -> None:
    """Join the blocks, in their order, to the sample."""
    root = load_root()
    info = combine([SampleInfo.from_json(_read(path, INFO)) for path in blocks])
    with files.whole(output) as partial:
        merger = root.TFileMerger(False)
        merger.SetPrintLevel(0)
        algorithm = root.RCompressionSetting.EAlgorithm.kZSTD
        ok = merger.OutputFile(str(partial), "RECREATE", int(algorithm) * 100 + 5)
        merger.AddObjectNames(TREE)
        for block in blocks:
            ok = ok and merger.AddFile(str(block), False)
        kept = root.TFileMerger.kAll | root.TFileMerger.kRegular | root.TFileMerger.kOnlyListed
        with quiet():  # ROOT calls the merging of RNTuples experimental; the tests compare events
            ok = ok and merger.PartialMerge(kept)
        if not ok:
            raise OutputError(f"{output}: cannot join its blocks (is the disk full?)")
        _write(partial, INFO, info.to_json())
    log.info(
        "%s: %d events, sigma = (%.4g ± %.1g) pb",
        info.name,
        info.n_events,
        info.cross_section,
        info.cross_section_error,
    )
