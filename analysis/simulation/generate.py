"""Simulated collisions: Pythia 8 events with FastJet jets, written with the canonical columns.

A sample consists of blocks of equal size, each from a generator seeded by (seed, sample, block), so
that the events do not depend on the number of workers and a stopped run resumes with the missing
blocks.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.config import Config
from analysis.inputs.invisible import set_invisible
from analysis.inputs.particles import ByCode, Decayed, Indices, Momenta, Particles
from analysis.inputs.sample_info import SampleInfo, combine, run_number_of
from analysis.processes import PROCESSES, Process
from analysis.simulation import event_file
from analysis.simulation.event_file import Storage
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime.errors import ConfigError
from common.tasks import Range, Task

log = logging.getLogger("monojet")

BATCH = 100  # events generated at once, whose full records are in memory
MILLIBARN = 1e9  # pb


@dataclass(frozen=True)
class EventBlock:
    """Consecutive events of one sample, generated from one seed."""

    sample: str
    process: str
    slice: str | None
    pt_low: float
    pt_high: float | None
    index: int
    first_event: int
    n_events: int
    seed: int
    stored_particle_min_pt: float
    file_format: str

    @classmethod
    def of(cls, config: Config, task: Task) -> EventBlock:
        """Return the block of a task."""
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
            stored_particle_min_pt=config.generation.stored_particle_min_pt,
            file_format=config.generation.file_format,
        )

    @property
    def run_number(self) -> int:
        """Return the run number of the sample."""
        return run_number_of(self.sample)

    @property
    def pythia_seed(self) -> int:
        """Return the seed for Pythia (1 to 900,000,000) from (seed, sample, block)."""
        key = f"{self.seed}/{self.sample}/{self.index}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) % 899_999_999 + 1


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """Yield the blocks of a sample."""
    n_events, size = run.config.sample(target.name).events, run.config.generation.block_size
    assert n_events is not None
    for first in range(0, n_events, size):
        yield Range(target.name, target.name, first, min(first + size, n_events))


def make_part(run: Run, task: Task, path: Path) -> int:
    """Generate a block; return its number of events."""
    set_invisible(run.config.invisible)
    block = EventBlock.of(run.config, task)
    write_block(block, path, event_file.origin_of(task, block.first_event + block.n_events))
    return block.n_events


provenance = event_file.provenance


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the blocks of a sample."""
    blocks = [part.path for part in parts]
    info = combine([event_file.info_of(block) for block in blocks])
    event_file.merge(blocks, target.output, info)
    log.info(
        "%s: %d events, sigma = (%.4g ± %.1g) pb",
        info.name,
        info.n_events,
        info.cross_section,
        info.cross_section_error,
    )


def start_pythia(process: Process, pt_low: float, pt_high: float | None, seed: int) -> Any:
    """Return an initialised Pythia generator.

    Raises:
        ConfigError: Pythia rejects a setting or cannot be initialised.
    """
    import pythia8mc

    generator = pythia8mc.Pythia("", False)
    seeding = ("Random:setSeed = on", f"Random:seed = {seed}")
    for setting in (*generator_settings(process, pt_low, pt_high), *seeding):
        if not generator.readString(setting):
            raise ConfigError(f"process '{process.name}': Pythia rejects '{setting}'")
    if not generator.init():
        raise ConfigError(f"process '{process.name}': Pythia cannot be initialised")
    return generator


def generator_settings(process: Process, pt_low: float, pt_high: float | None) -> tuple[str, ...]:
    """Return all settings of Pythia (GeV) except the seed."""
    return (
        "Print:quiet = on",
        "Beams:eCM = 13000",
        f"PhaseSpace:pTHatMin = {pt_low:g}",
        f"PhaseSpace:pTHatMax = {-1 if pt_high is None else pt_high:g}",
        *process.settings,
    )


def stable_particles(events: Any, boson: int, charge_of: dict[int, int]) -> Particles:
    """Return the stable particles with |eta| < 4.9 of a batch from ``Pythia.nextBatch``.

    ``boson_pt`` is the pT of the last copy of the boson in the record, after initial-state
    radiation.
    """
    import awkward as ak

    record = events.prt
    per_event = ak.to_numpy(ak.num(record))
    flat = ak.flatten(record)
    momenta = _momenta(flat)
    pdg_id = ak.to_numpy(flat.id)
    event = np.repeat(np.arange(len(per_event)), per_event)

    is_boson = np.flatnonzero(np.abs(pdg_id) == boson)
    boson_pt = np.full(len(per_event), np.nan)
    boson_pt[event[is_boson]] = momenta.pt[is_boson]  # for repeated indices the last value is kept

    stable = np.flatnonzero(ak.to_numpy(flat.status) > 0)

    def vertices_of(chosen: Indices) -> tuple[Any, ...]:
        produced = flat.vProd[stable[chosen]]
        # particles of the collision itself have no vertex
        return tuple(ak.to_numpy(ak.fill_none(produced[c], 0.0)) for c in ("px", "py", "pz"))

    return Particles.of(
        event[stable],
        momenta[stable],
        pdg_id[stable],
        charge_of,
        vertices_of,
        weight=ak.to_numpy(events.info.weights[:, 0]).astype(np.float64),
        boson_pt=boson_pt,
    )


def _momenta(record: Any) -> Momenta:
    import awkward as ak

    return Momenta(*(ak.to_numpy(record.p[c]) for c in ("px", "py", "pz", "e")))


def decayed_particles(events: Any, heaviest_quark: Mapping[int, int]) -> Decayed:
    """Return the b hadrons of pT > 5 GeV that do not decay to another b hadron, and the hadronic
    taus of visible pT > 10 GeV, of a batch from ``Pythia.nextBatch``; |eta| < 4.9."""
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
    momenta = _momenta(flat)
    visible, lost = momenta[which], momenta[neutrinos]
    for name, values in vars(visible).items():
        values[len(b_hadrons) :] -= getattr(lost, name)
    return Decayed.of(event[which], visible, pdg_id[which], len(per_event))


def heaviest_quarks(generator: Any) -> ByCode:
    """Return the heaviest quark in hadrons from Pythia's particle data; 0 for other particles."""
    data = generator.particleData
    return ByCode(lambda code: abs(data.heaviestQuark(code)) if data.isHadron(code) else 0)


def charges(generator: Any) -> ByCode:
    """Return electric charges in units of e from Pythia's particle data."""
    return ByCode(lambda code: round(generator.particleData.charge(code)))


def write_block(block: EventBlock, path: Path, origin: str = "") -> None:
    """Generate a block and write it with its `SampleInfo` and ``origin``."""
    process = PROCESSES[block.process]
    generator = start_pythia(process, block.pt_low, block.pt_high, block.pythia_seed)
    charge_of, heaviest_quark = charges(generator), heaviest_quarks(generator)
    stable, decays = [], []
    for first in range(0, block.n_events, BATCH):
        batch = generator.nextBatch(min(BATCH, block.n_events - first))
        stable.append(stable_particles(batch, process.boson, charge_of))
        decays.append(decayed_particles(batch, heaviest_quark))
    particles, decayed = Particles.concatenated(stable), Decayed.concatenated(decays)
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
    first = block.first_event + 1
    numbers = np.arange(first, first + block.n_events, dtype=np.uint64)
    storage = Storage(block.run_number, block.stored_particle_min_pt, block.file_format)
    event_file.write(path, numbers, particles, decayed, storage, info, origin)


WORK = PartitionedWork(
    ranges=ranges,
    make_part=make_part,
    provenance=provenance,
    merge=merge,
    suffix=".root",
    prepare=event_file.prepare,
)
