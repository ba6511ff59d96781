"""The images without ROOT: uproot, awkward, numpy and h5py, in one process, on whole columns.

``python -m benchmarks.columnar EVENTS.root IMAGES.h5``. Serves as the competitor of the imaging
stage and as an independent check: it makes the same datasets from the same events, with the same
writer.
Operations run on all events of a step, or of a block where that fits the caches better.

The arithmetic is that of the C++ code: sums of a cell are in double precision, in the order of the
file, and are rounded to float once; comparisons with numbers that are not floats (2.4, 2.8) are in
double precision.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import uproot

from analysis.images.image_file import ImageColumns, ImageWriter
from analysis.images.losses import Losses
from benchmarks.columnar_cells import BLOCK, N_CELLS, fill, wrapped
from benchmarks.columnar_compressions import compress, count_crops, event_hash
from benchmarks.columnar_events import (
    Array,
    Bools,
    Doubles,
    Events,
    Indices,
    Objects,
    kev,
    read,
    sums,
)
from common.schema.images import STORED_COMPRESSIONS

FOLD_KEY = 0x666F6C64
STEP = 10_000  # events read, compressed and written at once
MAX_STEP = 2**31 // N_CELLS - 1  # the keys of their cells have 31 bits


# --- Selection ---------------------------------------------------------------------------


def pairs(left: Indices, event: Indices, right: Objects) -> tuple[Indices, Indices]:
    """Pair each object of ``left`` with all of ``right`` in the same event."""
    first = right.offsets[event[left]]
    counts = right.offsets[event[left] + 1] - first
    begin = np.cumsum(counts) - counts
    return np.repeat(left, counts), np.arange(counts.sum()) + np.repeat(first - begin, counts)


def delta_r(left: Objects, i: Indices, right: Objects, j: Indices) -> Doubles:
    """Return Delta R of pairs of objects."""
    eta, phi = (
        left[name][i].astype(np.float64) - right[name][j].astype(np.float64)
        for name in ("eta", "phi")
    )
    return np.hypot(eta, wrapped(phi))


def candidates(objects: Objects, min_pt: float, max_eta: float) -> Bools:
    """Return which objects pass the cuts on pT and absolute eta."""
    in_eta = np.abs(objects["eta"]) < np.float64(max_eta)
    passing: Bools = in_eta & (objects["pt"] > np.float64(min_pt))
    return passing


def remove_overlap(jets: Objects, electrons: Objects, muons: Objects) -> tuple[Bools, Bools, Bools]:
    """Return the jets, electrons and muons after overlap removal (arXiv:1711.03301, section 5)."""
    jet = candidates(jets, 20, 2.8)
    electron = candidates(electrons, 20, 2.47)
    muon = candidates(muons, 10, 2.5)

    e, j = pairs(np.flatnonzero(electron), electrons.event, jets)
    e, j = e[jet[j]], j[jet[j]]
    distance = delta_r(jets, j, electrons, e)
    jet[j[distance < 0.2]] = False
    electron[e[(distance < 0.4) & jet[j]]] = False

    m, j = pairs(np.flatnonzero(muon), muons.event, jets)
    m, j = m[jet[j]], j[jet[j]]
    near = delta_r(jets, j, muons, m) < 0.4
    jet[j[near & (jets["n_tracks"][j] < 3)]] = False
    muon[m[near & jet[j]]] = False
    return jet, electron, muon


def summary(events: Events) -> dict[str, Array]:
    """Return event quantities and regions by the names of their datasets."""
    jets, electrons, muons = (events.objects[kind] for kind in ("jet", "electron", "muon"))
    jet, electron, muon = remove_overlap(jets, electrons, muons)
    n_events = len(events)
    met, met_phi = events.scalars["met_no_muons"], events.scalars["met_no_muons_phi"]

    good = np.flatnonzero(jet & (jets["pt"] > 30))
    event = jets.event[good]
    n_jets = np.bincount(event, minlength=n_events)
    n_electrons = np.bincount(electrons.event[electron], minlength=n_events)
    n_muons = np.bincount(muons.event[muon], minlength=n_events)

    with_jets = np.flatnonzero(n_jets)
    first = (np.cumsum(n_jets) - n_jets)[with_jets]
    pt = jets["pt"][good]
    highest = np.repeat(np.maximum.reduceat(pt, first), n_jets[with_jets])
    leads = np.flatnonzero(pt == highest)[::-1]  # of equal jets the first is written last
    leading = np.empty(n_events, np.int64)
    leading[event[leads]] = good[leads]
    leading_jet = {}
    for name, without in (("pt", -1), ("eta", 0), ("phi", 0)):
        leading_jet[name] = np.full(n_events, without, np.float32)
        leading_jet[name][with_jets] = jets[name][leading[with_jets]]

    away = np.abs(wrapped(jets["phi"][good].astype(np.float64) - met_phi[event]))
    smallest = np.full(n_events, np.pi)
    smallest[with_jets] = np.fmin(np.pi, np.fmin.reduceat(away, first))
    min_delta_phi = smallest.astype(np.float32)

    topology = (met > 250) & (leading_jet["pt"] > 250)
    topology &= np.abs(leading_jet["eta"]) < np.float64(2.4)
    topology &= (n_jets <= 4) & (min_delta_phi > np.float64(0.4))
    return {
        "events/met": met,
        "events/met_phi": met_phi,
        "events/n_jets": n_jets.astype(np.float32),
        **{f"events/leading_jet_{name}": values for name, values in leading_jet.items()},
        "events/min_delta_phi": min_delta_phi,
        "events/n_electrons": n_electrons.astype(np.float32),
        "events/n_muons": n_muons.astype(np.float32),
        "events/pass_SR": topology & (n_electrons == 0) & (n_muons == 0),
        "events/pass_SR_no_veto": topology,
    }


# --- All together --------------------------------------------------------------------------


def images(
    events: Events, particle_threshold: float, jet_threshold: float, seed: int, folds: int
) -> ImageColumns:
    """Return the images of events."""
    losses = Losses()
    keys, blocks = [], []
    begin = 0
    for block in events.blocks(BLOCK):
        particles, jets = block.objects["particle"], block.objects["jet"]
        cells, lost = fill(particles, jets, particle_threshold, jet_threshold)
        losses.add(lost)
        keys.append(cells.key + np.int32(begin * N_CELLS))
        blocks.append(cells.channels)
        begin += len(block)
    channels = [np.concatenate(channel) for channel in zip(*blocks, strict=True)]

    run, number = events.scalars["run_number"], events.scalars["event_number"]
    hashes = event_hash(seed, run, number)
    key = np.concatenate(keys)
    offsets = np.searchsorted(key, np.arange(len(events) + 1, dtype=key.dtype) * N_CELLS)
    new, bits = compress(key, offsets, hashes)
    losses.cells = len(channels[0])
    pt = channels[0].astype(np.float64)
    losses.pt_cells_kev = kev(sums(pt, offsets))
    for name in STORED_COMPRESSIONS:
        count_crops(losses, name, new[name], pt, offsets)

    columns = {
        "events/run_number": run,
        "events/event_number": number,
        "events/weight": events.scalars["weight"],
        "events/fold": (event_hash(FOLD_KEY, run, number) % np.uint64(folds)).astype(np.uint8),
        **summary(events),
    }
    for name, cell in new.items():
        folder = "cells" if name == "none" else f"compression/{name}"
        columns |= {f"{folder}/row": cell.row, f"{folder}/column": cell.column}
    columns |= {f"compression/stochastic/kept_{lines}": kept for lines, kept in bits.items()}
    return ImageColumns(offsets.astype(np.uint64), columns, channels, losses)


def make_images(
    source: Path,
    output: Path,
    *,
    particle_threshold: float = 1.0,
    jet_threshold: float = 20.0,
    seed: int,
    folds: int = 2,
    step: int = STEP,
) -> None:
    """Write the image file of an events file."""
    attributes = {
        "particle_threshold_GeV": particle_threshold,
        "jet_threshold_GeV": jet_threshold,
        "folds": folds,
    }
    with ImageWriter(output) as writer, np.errstate(over="ignore", invalid="ignore"):
        writer.attributes = attributes
        for events in read(source, step):
            for part in events.blocks(min(step, MAX_STEP)):  # a cluster may have more events
                writer.append(images(part, particle_threshold, jet_threshold, seed, folds))


def main(source: str, output: str) -> None:
    with uproot.open(source) as file:
        n_events = file["events"].num_entries
    start, cpu = time.perf_counter(), time.process_time()
    make_images(Path(source), Path(output), seed=1)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{n_events} events: {n_events / cpu:.0f} /s of CPU time, {n_events / wall:.0f} /s")


if __name__ == "__main__":
    main(*sys.argv[1:])
