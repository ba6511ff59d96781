"""The images without ROOT: uproot, awkward, numpy and h5py, one process, all in columns.

``python -m benchmarks.columnar EVENTS.root IMAGES.h5``. The competitor of the imaging stage, and an
independent check of it: from the same events come the same datasets, written by the same writer.
Operations run over all events of a step, or of a block where that fits the caches better.

Numbers are those of the C++: the sums of a cell run in double, in the order of the file, and are
rounded to float once; comparisons with numbers that are no floats (2.4, 2.8) are made in double.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import uproot

from analysis.images.image_file import (
    COMPRESSIONS,
    CROPS,
    N_COLUMNS,
    N_ROWS,
    ImageColumns,
    ImageWriter,
    Losses,
)

N_CELLS = N_ROWS * N_COLUMNS
CELLS_PER_UNIT, ETA_ORIGIN, PHI_ORIGIN = 20.0, 50, 63
LINES = 128  # no fewer than rows or columns
KEPT_LINES = 60
FOLD_KEY = 0x666F6C64
ELECTRON, MUON, PHOTON, PI0 = 11, 13, 22, 111

STEP = 10_000  # events read, compressed and written at once
MAX_STEP = 2**31 // N_CELLS - 1  # the keys of their cells have 31 bits
BLOCK = 500  # events filled at once: what is made of their particles stays near the processor

OBJECTS = {
    "particle": ("pt", "eta", "phi", "energy", "pdg_id", "charge"),
    "jet": ("pt", "eta", "phi", "width", "n_tracks"),
    "electron": ("pt", "eta", "phi"),
    "muon": ("pt", "eta", "phi"),
}
SCALARS = ("run_number", "event_number", "weight", "met", "met_phi")

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]


# --- Jagged arrays ---------------------------------------------------------------------


@dataclass(frozen=True)
class Objects:
    """Objects of consecutive events, flat: those of event i from ``offsets[i]`` to
    ``offsets[i + 1]``."""

    offsets: Indices
    quantities: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.quantities[name]

    @property
    def event(self) -> Indices:
        """The event of each object."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def of_events(self, first: int, last: int) -> Objects:
        """Those of some of the events; nothing is copied but offsets."""
        offsets = self.offsets[first : last + 1]
        flat = slice(offsets[0], offsets[-1])
        return Objects(offsets - offsets[0], {k: q[flat] for k, q in self.quantities.items()})


def sums(values: Doubles, offsets: Indices) -> Doubles:
    """The sum of each event's values, in any order: of transverse momenta that are floats of like
    size a sum in double is exact."""
    some = np.flatnonzero(np.diff(offsets))
    result = np.zeros(len(offsets) - 1)
    result[some] = np.add.reduceat(values, offsets[some])
    return result


def count(chosen: Bools) -> int:
    """How many are chosen."""
    return int(np.count_nonzero(chosen))


def kev(pt: Doubles) -> int:
    """The sum of transverse momenta that are rounded to keV event by event."""
    return int((np.clip(pt, 0, 1e9) * 1e6 + 0.5).astype(np.uint64).sum())


# --- Reading ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Events:
    """The columns of some consecutive events."""

    scalars: dict[str, Array]
    objects: dict[str, Objects]

    def __len__(self) -> int:
        return len(self.scalars["weight"])

    def parts(self, size: int) -> Iterator[Events]:
        """The same events in equal parts of at most ``size``."""
        n_parts = -(-len(self) // size)
        edges = [len(self) * i // n_parts for i in range(n_parts + 1)]
        for begin, end in pairwise(edges):
            yield Events(
                {name: column[begin:end] for name, column in self.scalars.items()},
                {kind: some.of_events(begin, end) for kind, some in self.objects.items()},
            )


def read(source: Path, step: int) -> Iterator[Events]:
    """The events of an RNTuple or a TTree, about ``step`` at a time."""
    # Mapped, and nothing kept: each page is read once, where copies and threads do not help.
    options = {"handler": uproot.MemmapSource, "array_cache": None, "object_cache": None}
    with uproot.open(source, **options) as file:
        events = file["events"]
        is_ntuple = hasattr(events, "read_cluster_range")
        yield from (read_ntuple if is_ntuple else read_tree)(events, step)


def read_tree(tree: Any, step: int) -> Iterator[Events]:
    """The events of a TTree."""
    jagged = [f"{kind}_{name}" for kind, names in OBJECTS.items() for name in names]
    for chunk in tree.iterate(filter_name=[*SCALARS, *jagged], step_size=step):
        objects = {}
        for kind, names in OBJECTS.items():
            columns = {name: chunk[f"{kind}_{name}"] for name in names}
            offsets = np.append(0, np.cumsum(ak.num(columns["pt"]).to_numpy()))
            flat = {name: ak.flatten(column).to_numpy() for name, column in columns.items()}
            objects[kind] = Objects(offsets, flat)
        yield Events({name: chunk[name].to_numpy() for name in SCALARS}, objects)


def read_ntuple(ntuple: Any, step: int) -> Iterator[Events]:
    """The events of an RNTuple, in whole clusters, of about ``step`` events if they are smaller.

    ``iterate`` takes half as long again: it reads the offsets of every jagged column, of which one
    a kind of objects will do, and the clusters at the ends of a step twice.
    """
    fields = list(enumerate(ntuple.field_records))
    field = {record.field_name: i for i, record in fields if record.parent_field_id == i}
    item = {record.parent_field_id: i for i, record in fields if record.parent_field_id != i}
    column = {record.field_id: record.idx for record in reversed(ntuple.column_records)}

    ends = np.cumsum([cluster.num_entries for cluster in ntuple.cluster_summaries])
    steps = np.searchsorted(ends, np.arange(step, ends[-1] + step, step), side="right")
    for clusters in pairwise(np.unique([0, *steps, len(ends)])):

        def values(i: int, clusters: tuple[int, int] = clusters) -> Array:
            flat: Array = ntuple.read_cluster_range(column[i], *clusters)
            return flat

        yield Events(
            {name: values(field[name]) for name in SCALARS},
            {
                kind: Objects(
                    values(field[f"{kind}_pt"]).astype(np.int64),
                    {name: values(item[field[f"{kind}_{name}"]]) for name in names},
                )
                for kind, names in OBJECTS.items()
            },
        )


# --- Filling ---------------------------------------------------------------------------

_INVISIBLE = (12, 14, 16, 18, 39)  # and 51 to 60
_HEAVY_INVISIBLE = (
    *(1000012, 1000014, 1000016, 2000012, 2000014, 2000016),
    *(1000022, 1000023, 1000025, 1000035, 1000045, 1000039),
    *(5000039, 5100022, 5100039, 9000005),
    *(9900012, 9900014, 9900016, 9900112),
    *(4_900_000 + i for i in range(1000) if i not in (*range(1, 7), 11, 13, 15)),
)


def is_visible(code: npt.NDArray[np.int32]) -> Bools:
    """Whether an ideal detector sees a particle; ``code`` is without its sign."""
    low = np.minimum(code, 64).astype(np.uint8)  # bytes: 32 are compared at a time
    invisible: Bools = low - np.uint8(51) < 10
    for one in _INVISIBLE:
        invisible |= low == one
    if len(heavy := np.flatnonzero(code >= 1_000_000)):
        invisible[heavy] = np.isin(code[heavy], _HEAVY_INVISIBLE)
    return ~invisible


_CHARGED = (*range(1, 7), 11, 13, 15)
_LOW = 10_000


def is_known(code: int) -> bool:
    """Whether a particle is known to be seen, or to escape."""
    if not is_visible(np.array([code], np.int32))[0]:
        return True
    spin, q3, q2 = (code // 10**place % 10 for place in range(3))
    is_hadron = q3 * q2 > 0 and (spin > 0 or code in (130, 310))
    if code >= 1_000_000_000:
        return code < 1_100_000_000  # a nucleus
    match code // 1_000_000:
        case 0:
            return is_hadron or code in (*_CHARGED, 21, 22)
        case 1 | 2:
            return is_hadron or code % 1_000_000 in (*_CHARGED, 21, 24, 37)
        case 4:
            return code // 1000 == 4900
    return is_hadron and code // 1_000_000 == 9


_UNKNOWN = np.array([not is_known(code) for code in range(_LOW)] + [True])


def unknown(code: npt.NDArray[np.int32]) -> dict[str, int]:
    """Numbers of particles by code that is not known; ``code`` is without its sign."""
    suspects = code[_UNKNOWN[np.minimum(code, _LOW)]]
    found = zip(*np.unique(suspects, return_counts=True), strict=True)
    return {str(one): int(n) for one, n in found if not is_known(int(one))}


@dataclass(frozen=True)
class Cells:
    """Non-empty cells of consecutive events, in the order of events, rows and columns."""

    key: Keys  # (event * rows + row) * columns + column
    channels: Sequence[Floats]


def fill(
    particles: Objects, jets: Objects, particle_threshold: float, jet_threshold: float
) -> tuple[Cells, Losses]:
    """The cells of some events, and what is left out. Thresholds are not negative: then no cell
    that is entered is empty."""
    pt, eta, phi, energy = (particles[name] for name in ("pt", "eta", "phi", "energy"))
    code = np.abs(particles["pdg_id"])
    inside, key = addresses(particles)
    visible = is_visible(code)
    finite = np.isfinite(pt + eta + phi + energy)
    counted = visible & finite
    above = counted & (pt > np.float64(particle_threshold))
    below, outside = counted & ~above, above & ~inside
    entered = np.flatnonzero(above & inside)

    inside_jet, jet_key = addresses(jets)
    finite_jet = np.isfinite(jets["pt"] + jets["eta"] + jets["phi"] + jets["width"])
    above_jet = finite_jet & (jets["pt"] > np.float64(jet_threshold))
    entered_jets = np.flatnonzero(above_jet & inside_jet)

    finite_pt = np.where(finite, pt, np.float64(0))

    def pt_of(some: Bools) -> int:
        # A product, as `where` jumps: on most masks here it would guess wrong half the time.
        return kev(sums(finite_pt * some, particles.offsets))

    losses = Losses(
        particles=count(visible),
        particles_below_threshold=count(below),
        particles_outside_grid=count(outside),
        objects_not_finite=count(visible) - count(counted) + count(~finite_jet),
        jets_outside_grid=count(above_jet & ~inside_jet),
        pt_particles_kev=pt_of(counted),
        pt_below_threshold_kev=pt_of(below),
        pt_outside_grid_kev=pt_of(outside),
        unknown=unknown(code),
    )

    index = np.append(key[entered], jet_key[entered_jets]).astype(np.int64)
    cells = unique(index.astype(np.int32))  # half as wide, and sorted in half the time
    _slots[cells.astype(np.int64)] = np.arange(len(cells), dtype=np.int32)
    slot = _slots[index].astype(np.int64)
    of_particle, of_jet = slot[: len(entered)], slot[len(entered) :]
    pt, energy, code = pt[entered], energy[entered], code[entered]
    jet_pt = jets["pt"][entered_jets]
    electron = code == ELECTRON

    def total(slot: Indices, values: Array, some: Bools | None = None) -> Doubles:
        if some is not None:
            chosen = np.flatnonzero(some)
            slot, values = slot[chosen], values[chosen]
        return np.bincount(slot, values, minlength=len(cells)).astype(np.float64, copy=False)

    channels = (
        total(of_particle, pt),
        np.bincount(of_particle, minlength=len(cells)),
        total(of_particle, particles["charge"][entered]),
        total(of_particle, pt, code == MUON),
        total(of_particle, pt, electron),
        ratio(
            total(of_particle, energy, electron | (code == PHOTON) | (code == PI0)),
            total(of_particle, energy),
        ),
        total(of_jet, jet_pt),
        hardest(of_jet, jet_pt, jets["width"][entered_jets], len(cells)),
    )
    return Cells(cells, [channel.astype(np.float32) for channel in channels]), losses


# Where the sums of a cell are, by its key. Only what has been written is read: it need not be
# cleared; and memory used again costs no page faults, which fresh memory of this size does.
_slots = np.empty(BLOCK * N_CELLS, np.int32)


def addresses(objects: Objects) -> tuple[Bools, Doubles]:
    """Which objects are inside the grid, and the key of their cells. The products are exact in
    double: a value belongs to the cell whose lower edge it is not below. No float is 3.15, the
    upper edge of the last column."""
    row = objects["eta"].astype(np.float64)
    row *= CELLS_PER_UNIT
    np.floor(row, out=row)
    inside = (row >= -ETA_ORIGIN) & (row < N_ROWS - ETA_ORIGIN)
    column = objects["phi"].astype(np.float64)
    far = np.flatnonzero(np.abs(column) > PHI_ORIGIN / CELLS_PER_UNIT)
    column[far] = wrapped(column[far])
    column *= CELLS_PER_UNIT
    np.floor(column, out=column)
    key = row  # from here on all are whole numbers far below 2^53
    key *= N_COLUMNS
    key += column
    origin = np.arange(len(objects.offsets) - 1) * float(N_CELLS)
    origin += ETA_ORIGIN * N_COLUMNS + PHI_ORIGIN
    key += np.repeat(origin, np.diff(objects.offsets))
    return inside, key


def wrapped(angle: Doubles) -> Doubles:
    """The angle within half a turn of 0, exactly as IEEE's remainder."""
    within: Doubles = np.fmod(angle, 2 * np.pi)
    within -= np.copysign(2 * np.pi, within) * (np.abs(within) > np.pi)
    return within


def unique(key: Keys) -> Keys:
    """The different keys in increasing order; ``np.unique`` takes twice as long."""
    ordered = np.sort(key)
    return ordered[starts(ordered)]


def starts(ordered: Keys) -> Indices:
    """Where another value starts."""
    is_other = np.empty(len(ordered), np.bool_)
    is_other[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_other[1:])
    return np.flatnonzero(is_other)


def ratio(part: Doubles, whole: Doubles) -> Doubles:
    """Their ratio; 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def hardest(slot: Indices, pt: Floats, values: Floats, n: int) -> Doubles:
    """The value of the hardest jet in each of ``n`` cells; of equals, of the first."""
    most = np.zeros(n, np.float32)
    np.maximum.at(most, slot, pt)
    chosen = np.flatnonzero(pt == most[slot])[::-1]  # of several the last one written stays
    result = np.zeros(n)
    result[slot[chosen]] = values[chosen]
    return result


# --- Compressions ------------------------------------------------------------------------


@dataclass(frozen=True)
class Addresses:
    """Rows and columns of cells."""

    row: Bytes
    column: Bytes


def compress(
    key: Keys, offsets: Indices, hashes: Words
) -> tuple[dict[str, Addresses], dict[str, Bytes]]:
    """The addresses of cells by compression, and the bits of the lines that the stochastic
    compression keeps."""
    events = np.arange(len(hashes), dtype=np.int32)
    event = np.repeat(events, np.diff(offsets))
    line = key // N_COLUMNS  # event * rows + row
    column = key - line * N_COLUMNS
    row = line - event * N_ROWS
    of_row = (event * LINES + row).astype(np.int64)  # what indexes is quickest
    of_column = (event * LINES + column).astype(np.int64)
    rows = filled(of_row, len(hashes), N_ROWS)
    columns = filled(of_column, len(hashes), N_COLUMNS)

    start = starts(line)
    lengths = np.diff(start, append=len(line))
    # Differences modulo 256 will do.
    place = np.arange(len(line), dtype=np.int32).astype(np.uint8)
    place -= np.repeat(start.astype(np.uint8), lengths)
    row_rank, column_rank = ranks(rows)[of_row], ranks(columns)[of_column]
    state = keep_at_random(rows, N_ROWS, hashes)
    keep_at_random(columns, N_COLUMNS, state)
    new = {
        "none": Addresses(row.astype(np.uint8), column.astype(np.uint8)),
        "cell": Addresses(row_rank, place),
        "rowcol": Addresses(row_rank, column_rank),
        "stochastic": Addresses(ranks(rows)[of_row], ranks(columns)[of_column]),
    }
    kept = {"rows": rows[:, :N_ROWS], "columns": columns[:, :N_COLUMNS]}
    return new, {name: np.packbits(k, axis=1, bitorder="little") for name, k in kept.items()}


def filled(index: Indices, n_events: int, n_lines: int) -> Bools:
    """Which rows or columns of each event have cells. Each event has ``LINES`` of them, a whole
    number of words; those beyond the grid count as filled, where they are in nobody's way."""
    lines = np.zeros((n_events, LINES), np.bool_)
    lines[:, n_lines:] = True
    lines.ravel()[index] = True
    return lines


def ranks(kept: Bools) -> Bytes:
    """How many lines of an event are kept before each, flat; meant for those that are kept.

    A product sums the bytes of a word: each becomes the sum of itself and of those below it.
    """
    ones = np.uint64(0x0101010101010101)
    words = kept.view("<u8") * ones
    totals = words >> np.uint64(56)
    words += (np.cumsum(totals, axis=1) - totals) * ones
    counts = words.view(np.uint8).ravel()
    counts -= np.uint8(1)  # a line that is kept has counted itself
    return counts


def keep_at_random(kept: Bools, n_lines: int, state: Words) -> Words:
    """Keep random further lines until there are 60 in each event. Returns the state of each event's
    draws after its last.

    A draw takes, of the lines that are still empty, the one of index floor(draw / 2^64 * number).
    """
    empty = np.flatnonzero(~kept)
    n_empty = LINES - np.count_nonzero(kept, axis=1)
    first = np.cumsum(n_empty) - n_empty
    n_draws = np.maximum(n_empty - (n_lines - KEPT_LINES), 0)
    # Those with the most draws come first: the events still drawing are always the first ones.
    order = np.argsort(-n_draws, kind="stable")
    state, n_empty, first = state[order], n_empty[order].astype(np.uint64), first[order]
    drawing = len(kept) - np.cumsum(np.bincount(n_draws))[:-1]
    picks = np.empty((len(drawing), len(kept)), np.uint8)
    for k, n in enumerate(drawing):
        state[:n] = mix(state[:n])
        picks[k, :n] = scaled(state[:n], n_empty[:n] - np.uint64(k))
    # An index counts the lines still empty. Back through the draws before it: each had taken a line
    # away, and those from there on had moved up by one.
    for k in range(len(drawing) - 2, -1, -1):
        later = picks[k + 1 :, : drawing[k + 1]]
        later += later >= picks[k, : drawing[k + 1]]
    taken = np.zeros(len(empty), np.bool_)
    for k, n in enumerate(drawing):
        taken[first[:n] + picks[k, :n]] = True
    kept.ravel()[empty] = taken
    after = np.empty_like(state)
    after[order] = state
    return after


def mix(x: Words) -> Words:
    """splitmix64: Steele, Lea, Flood, doi:10.1145/2714064.2660195."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def scaled(x: Words, n: Words) -> Words:
    """floor(x * n / 2^64) for n below 2^32, in two halves."""
    low = (x & np.uint64(0xFFFFFFFF)) * n
    high = (x >> np.uint64(32)) * n
    return (high + (low >> np.uint64(32))) >> np.uint64(32)


def event_hash(seed: int, run: Array, event: Words) -> Words:
    """The hash of the events' identities."""
    return mix(mix(mix(np.array([seed], np.uint64)) ^ run.astype(np.uint64)) ^ event)


def count_crops(losses: Losses, name: str, cells: Addresses, pt: Doubles, offsets: Indices) -> None:
    """Count what the crops of a compression lose."""
    beyond = np.maximum(cells.row, cells.column)
    furthest = np.maximum.reduceat(beyond, offsets[np.flatnonzero(np.diff(offsets))])
    for crop in CROPS:
        lost = beyond >= crop
        key = f"{name}_{crop}"
        losses.cells_lost[key] = count(lost)
        losses.pt_lost_kev[key] = kev(sums(pt * lost, offsets))
        losses.events_cropped[key] = count(furthest >= crop)


# --- Selection ---------------------------------------------------------------------------


def pairs(left: Indices, event: Indices, right: Objects) -> tuple[Indices, Indices]:
    """Each object of ``left`` with all of ``right`` in its event."""
    first = right.offsets[event[left]]
    counts = right.offsets[event[left] + 1] - first
    begin = np.cumsum(counts) - counts
    return np.repeat(left, counts), np.arange(counts.sum()) + np.repeat(first - begin, counts)


def delta_r(left: Objects, i: Indices, right: Objects, j: Indices) -> Doubles:
    """The distances of pairs."""
    eta, phi = (
        left[name][i].astype(np.float64) - right[name][j].astype(np.float64)
        for name in ("eta", "phi")
    )
    return np.hypot(eta, wrapped(phi))


def candidates(objects: Objects, min_pt: float, max_eta: float) -> Bools:
    """Which objects are hard and central enough."""
    in_eta = np.abs(objects["eta"]) < np.float64(max_eta)
    passing: Bools = in_eta & (objects["pt"] > np.float64(min_pt))
    return passing


def remove_overlap(jets: Objects, electrons: Objects, muons: Objects) -> tuple[Bools, Bools, Bools]:
    """The jets, electrons and muons that remain of the candidates (arXiv:1711.03301, section 5)."""
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
    """The event quantities and the regions, by the names of their datasets."""
    jets, electrons, muons = (events.objects[kind] for kind in ("jet", "electron", "muon"))
    jet, electron, muon = remove_overlap(jets, electrons, muons)
    n_events = len(events)
    met, met_phi = events.scalars["met"], events.scalars["met_phi"]

    good = np.flatnonzero(jet & (jets["pt"] > 30))
    event = jets.event[good]
    n_jets = np.bincount(event, minlength=n_events)
    n_electrons = np.bincount(electrons.event[electron], minlength=n_events)
    n_muons = np.bincount(muons.event[muon], minlength=n_events)

    with_jets = np.flatnonzero(n_jets)
    first = (np.cumsum(n_jets) - n_jets)[with_jets]
    pt = jets["pt"][good]
    highest = np.repeat(np.maximum.reduceat(pt, first), n_jets[with_jets])
    leads = np.flatnonzero(pt == highest)[::-1]  # of equals the first is written last, and stays
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
    """The images of some events."""
    losses = Losses()
    keys, blocks = [], []
    begin = 0
    for block in events.parts(BLOCK):
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
    for name in COMPRESSIONS:
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
            for part in events.parts(min(step, MAX_STEP)):  # a cluster may have more
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
