"""Simulated collisions: Pythia 8 events, FastJet jets, written with the canonical columns.

A sample is made of blocks of equal size, each from its own generator seeded by (seed, sample,
block): the events do not depend on how many workers share the blocks, and a run that was stopped
resumes with the blocks it lacks.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import workers
from analysis.columns import CANONICAL
from analysis.inputs.native import INFO, TREE, quiet
from analysis.pipeline import Done, Run, Target, versions
from analysis.processes import PROCESSES, Process
from analysis.samples import SampleInfo, combine
from common import files
from common.errors import ConfigError, OutputError
from common.progress import progress
from cpp_helpers import declare_jets, load_root

log = logging.getLogger("monojet")

BATCH = 100  # events fetched at once: their full records are in memory together
ETA_MAX = 4.9
JET_MIN_PT = 20.0  # GeV
LEPTON_MIN_PT = 5.0  # GeV
MILLIBARN = 1e9  # pb


@dataclass(frozen=True)
class Block:
    """Some consecutive events of one sample, from one seed."""

    sample: str
    process: str
    slice: str
    pt_low: float
    pt_high: float | None
    index: int
    first_event: int
    n_events: int
    seed: int
    particle_threshold: float
    file_format: str
    path: Path

    @property
    def run_number(self) -> int:
        """A number for the sample, the same whatever else is configured."""
        return int.from_bytes(hashlib.blake2b(self.sample.encode(), digest_size=4).digest()) >> 1

    @property
    def pythia_seed(self) -> int:
        """Seed for Pythia (1 to 900,000,000) from (seed, sample, block)."""
        key = f"{self.seed}/{self.sample}/{self.index}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) % 899_999_999 + 1


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Generate the samples of the targets."""
    plan = {target.name: _blocks(run, target) for target in targets}
    missing = [b for blocks in plan.values() for b in blocks if not b.path.exists()]
    left = {name: sum(not b.path.exists() for b in blocks) for name, blocks in plan.items()}
    by_name = {target.name: target for target in targets}

    def finish(name: str) -> None:
        _merge(plan[name], by_name[name].output)
        done(by_name[name])

    for name, count in left.items():
        if count == 0:
            finish(name)
    results = workers.map_ordered(write_block, missing, run.workers)
    try:
        with progress("generate", sum(b.n_events for b in missing)) as bar, closing(results):
            for block, _ in results:
                bar.advance(block.n_events)
                left[block.sample] -= 1
                if left[block.sample] == 0:
                    finish(block.sample)
    finally:
        for folder in {block.path.parent for block in missing}:
            files.remove_partials(folder)


def _blocks(run: Run, target: Target) -> list[Block]:
    config = run.config
    sample = config.sample(target.name)
    assert sample.events is not None
    assert sample.slice is not None
    limits = config.generation.slices[sample.slice]
    size = config.generation.block_size
    folder = target.output.parent / f".{target.name}.{target.fingerprint[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    files.remove_partials(folder)
    return [
        Block(
            sample=sample.name,
            process=sample.process,
            slice=sample.slice,
            pt_low=limits.low,
            pt_high=limits.high,
            index=index,
            first_event=first,
            n_events=min(size, sample.events - first),
            seed=config.seed,
            particle_threshold=config.generation.particle_threshold,
            file_format=config.generation.file_format,
            path=folder / f"block{index:05d}.root",
        )
        for index, first in enumerate(range(0, sample.events, size))
    ]


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
    )


class _Charges(dict[int, int]):
    """Electric charges by PDG code, in units of e, from Pythia's own particle data."""

    def __init__(self, generator: Any) -> None:
        self.data = generator.particleData

    def __missing__(self, pdg_id: int) -> int:
        charge: int = round(self.data.charge(pdg_id))
        self[pdg_id] = charge
        return charge


def write_block(block: Block) -> None:
    """Generate a block and write it whole, its `SampleInfo` within."""
    process = PROCESSES[block.process]
    generator = start_pythia(process, block.pt_low, block.pt_high, block.pythia_seed)
    charges = _Charges(generator)
    parts = [
        stable_particles(
            generator.nextBatch(min(BATCH, block.n_events - first)), process.boson, charges
        )
        for first in range(0, block.n_events, BATCH)
    ]
    particles = Particles(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])}
    )
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
    files.require_space(block.path, size)
    with files.whole(block.path) as partial:
        _snapshot(block, particles, partial)
        _write_info(partial, info)


def _snapshot(block: Block, particles: Particles, path: Path) -> None:
    """Cluster jets, find leptons and missing momentum from all particles; store those above the
    threshold."""
    helpers = declare_jets()
    root = load_root()
    offsets = np.concatenate([[0], np.cumsum(particles.counts)]).astype(np.int64)
    columns = ("pt", "eta", "phi", "energy", "pdg_id", "charge", "weight", "boson_pt")
    helpers.batch().set(offsets, *(getattr(particles, name) for name in columns))

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
        "jets": "monojet::cluster_jets(all_pt, all_eta, all_phi, all_energy, all_pdg_id,"
        f" all_charge, {JET_MIN_PT})",
        "missing": "monojet::missing_momentum(all_pt, all_eta, all_phi, all_pdg_id)",
        "met": "missing.pt",
        "met_phi": "missing.phi",
        "stored": "all_pt > stored_pt",
    }
    for flavour, pdg_id in (("electron", 11), ("muon", 13)):
        definitions[f"{flavour}s"] = (
            "monojet::dressed_leptons(all_pt, all_eta, all_phi, all_pdg_id, all_charge,"
            f" {pdg_id}, {LEPTON_MIN_PT})"
        )
        for part in ("pt", "eta", "phi", "charge"):
            definitions[f"{flavour}_{part}"] = f"{flavour}s.{part}"
    for part in ("pt", "eta", "phi", "mass", "width", "n_tracks"):
        definitions[f"jet_{part}"] = f"jets.{part}"
    for part in ("pt", "eta", "phi", "energy", "pdg_id", "charge"):
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
        raise OutputError(f"{block.path}: cannot write: {str(error).splitlines()[-1]}") from error


def _write_info(path: Path, info: SampleInfo) -> None:
    root = load_root()
    with root.TFile.Open(str(path), "UPDATE") as handle:
        handle.WriteObject(root.TNamed(INFO, info.to_json()), INFO)


def _read_info(path: Path) -> SampleInfo:
    with load_root().TFile.Open(str(path)) as handle:
        return SampleInfo.from_json(str(handle.Get(INFO).GetTitle()))


def _merge(blocks: Sequence[Block], output: Path) -> None:
    """Join the blocks, in their order, to the sample; then drop them."""
    root = load_root()
    info = combine([_read_info(block.path) for block in blocks])
    with files.whole(output) as partial:
        merger = root.TFileMerger(False)
        merger.SetPrintLevel(0)
        algorithm = root.RCompressionSetting.EAlgorithm.kZSTD
        ok = merger.OutputFile(str(partial), "RECREATE", int(algorithm) * 100 + 5)
        merger.AddObjectNames(TREE)
        for block in blocks:
            ok = ok and merger.AddFile(str(block.path), False)
        kept = root.TFileMerger.kAll | root.TFileMerger.kRegular | root.TFileMerger.kOnlyListed
        with quiet():  # ROOT calls the merging of RNTuples experimental; the tests compare events
            ok = ok and merger.PartialMerge(kept)
        if not ok:
            raise OutputError(f"{output}: cannot join its blocks (is the disk full?)")
        _write_info(partial, info)
        os.utime(partial)
    shutil.rmtree(blocks[0].path.parent, ignore_errors=True)
    log.info(
        "%s: %d events, sigma = (%.4g ± %.1g) pb",
        info.name,
        info.n_events,
        info.cross_section,
        info.cross_section_error,
    )
