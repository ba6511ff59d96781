"""The filling of image cells with numpy (`benchmarks.columnar`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.images.losses import Losses
from benchmarks.columnar_events import (
    Array,
    Bools,
    Doubles,
    Floats,
    Indices,
    Keys,
    Objects,
    count,
    kev,
    sums,
)
from common.schema.images import N_COLUMNS, N_ROWS

BLOCK = 500  # events filled at once, so that the arrays of their particles stay in the cache
N_CELLS = N_ROWS * N_COLUMNS
CELLS_PER_UNIT, ETA_ORIGIN, PHI_ORIGIN = 20.0, 50, 63
ELECTRON, MUON, PHOTON, PI0 = 11, 13, 22, 111

_INVISIBLE = (12, 14, 16, 18, 39)  # and 51 to 60
_HEAVY_INVISIBLE = (
    *(1000012, 1000014, 1000016, 2000012, 2000014, 2000016),
    *(1000022, 1000023, 1000025, 1000035, 1000045, 1000039),
    *(5000039, 5100022, 5100039, 9000005),
    *(9900012, 9900014, 9900016, 9900112),
    *(4_900_000 + i for i in range(1000) if i not in (*range(1, 7), 11, 13, 15)),
)


def is_visible(code: npt.NDArray[np.int32]) -> Bools:
    """Return which particles are visible; ``code`` is the absolute PDG code."""
    low = np.minimum(code, 64).astype(np.uint8)  # bytes: 32 are compared at once
    invisible: Bools = low - np.uint8(51) < 10
    for one in _INVISIBLE:
        invisible |= low == one
    if len(heavy := np.flatnonzero(code >= 1_000_000)):
        invisible[heavy] = np.isin(code[heavy], _HEAVY_INVISIBLE)
    return ~invisible


_CHARGED = (*range(1, 7), 11, 13, 15)
_LOW = 10_000


def is_known(code: int) -> bool:
    """Return whether a particle is known to be visible or invisible."""
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
    """Return the number of particles of each unknown code; ``code`` is the absolute PDG code."""
    suspects = code[_UNKNOWN[np.minimum(code, _LOW)]]
    found = zip(*np.unique(suspects, return_counts=True), strict=True)
    return {str(one): int(n) for one, n in found if not is_known(int(one))}


@dataclass(frozen=True)
class Cells:
    """Non-empty cells of consecutive events, ordered by event, row and column."""

    key: Keys  # (event * rows + row) * columns + column
    channels: Sequence[Floats]


def fill(
    particles: Objects, jets: Objects, particle_threshold: float, jet_threshold: float
) -> tuple[Cells, Losses]:
    """Return the cells of events, and the losses.

    Thresholds must not be negative, so that each filled cell is non-empty.
    """
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
        # A product, because `where` branches, which most of these masks make unpredictable.
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
    cells = unique(index.astype(np.int32))  # half the width, sorted in half the time
    _slots[cells.astype(np.int64)] = np.arange(len(cells), dtype=np.int32)
    slot = _slots[index].astype(np.int64)
    of_particle, of_jet = slot[: len(entered)], slot[len(entered) :]
    channels = _channels(
        {name: particles[name][entered] for name in ("pt", "energy", "charge")}
        | {"code": code[entered]},
        of_particle,
        {name: jets[name][entered_jets] for name in ("pt", "width")},
        of_jet,
        len(cells),
    )
    return Cells(cells, [channel.astype(np.float32) for channel in channels]), losses


def _channels(
    particle: dict[str, Array],
    of_particle: Indices,
    jet: dict[str, Array],
    of_jet: Indices,
    n_cells: int,
) -> tuple[Array, ...]:
    """Return the channels of cells, given their particles and jets and the cell of each one."""
    pt, energy, code = particle["pt"], particle["energy"], particle["code"]
    electron = code == ELECTRON

    def total(slot: Indices, values: Array, some: Bools | None = None) -> Doubles:
        if some is not None:
            chosen = np.flatnonzero(some)
            slot, values = slot[chosen], values[chosen]
        return np.bincount(slot, values, minlength=n_cells).astype(np.float64, copy=False)

    return (
        total(of_particle, pt),
        np.bincount(of_particle, minlength=n_cells),
        total(of_particle, particle["charge"]),
        total(of_particle, pt, code == MUON),
        total(of_particle, pt, electron),
        ratio(
            total(of_particle, energy, electron | (code == PHOTON) | (code == PI0)),
            total(of_particle, energy),
        ),
        total(of_jet, jet["pt"]),
        hardest(of_jet, jet["pt"], jet["width"], n_cells),
    )


# Index of the sums of a cell, by its key. Only written elements are read, so it is not cleared;
# memory that is reused causes no page faults, unlike new memory of this size.
_slots = np.empty(BLOCK * N_CELLS, np.int32)


def addresses(objects: Objects) -> tuple[Bools, Doubles]:
    """Return which objects are inside the grid, and the keys of their cells.

    The products are exact in double precision: a value belongs to the cell whose lower edge it
    equals or exceeds. No float equals 3.15, the upper edge of the last column.
    """
    row = objects["eta"].astype(np.float64)
    row *= CELLS_PER_UNIT
    np.floor(row, out=row)
    inside = (row >= -ETA_ORIGIN) & (row < N_ROWS - ETA_ORIGIN)
    column = objects["phi"].astype(np.float64)
    far = np.flatnonzero(np.abs(column) > PHI_ORIGIN / CELLS_PER_UNIT)
    column[far] = wrapped(column[far])
    column *= CELLS_PER_UNIT
    np.floor(column, out=column)
    key = row  # from here on all values are integers far below 2^53
    key *= N_COLUMNS
    key += column
    origin = np.arange(len(objects.offsets) - 1) * float(N_CELLS)
    origin += ETA_ORIGIN * N_COLUMNS + PHI_ORIGIN
    key += np.repeat(origin, np.diff(objects.offsets))
    return inside, key


def wrapped(angle: Doubles) -> Doubles:
    """Return the angles in [-pi, pi], exactly as the IEEE remainder."""
    within: Doubles = np.fmod(angle, 2 * np.pi)
    within -= np.copysign(2 * np.pi, within) * (np.abs(within) > np.pi)
    return within


def unique(key: Keys) -> Keys:
    """Return the sorted unique keys; ``np.unique`` takes twice as long."""
    ordered = np.sort(key)
    return ordered[starts(ordered)]


def starts(ordered: Keys) -> Indices:
    """Return the indices at which a new value starts."""
    is_other = np.empty(len(ordered), np.bool_)
    is_other[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_other[1:])
    return np.flatnonzero(is_other)


def ratio(part: Doubles, whole: Doubles) -> Doubles:
    """Return part / whole; 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def hardest(slot: Indices, pt: Floats, values: Floats, n: int) -> Doubles:
    """Return the value of the hardest jet in each of ``n`` cells; of equal jets, of the first."""
    most = np.zeros(n, np.float32)
    np.maximum.at(most, slot, pt)
    chosen = np.flatnonzero(pt == most[slot])[::-1]  # the last one written remains
    result = np.zeros(n)
    result[slot[chosen]] = values[chosen]
    return result
