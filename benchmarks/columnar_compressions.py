"""The compressions of images with numpy (`benchmarks.columnar`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.images.losses import Losses
from benchmarks.columnar_cells import starts
from benchmarks.columnar_events import (
    Array,
    Bools,
    Bytes,
    Doubles,
    Indices,
    Keys,
    Words,
    count,
    kev,
    sums,
)
from common.schema.images import CROP_SIZES, N_COLUMNS, N_ROWS

LINES = 128  # no fewer than rows or columns
KEPT_LINES = 60


@dataclass(frozen=True)
class Addresses:
    """Rows and columns of cells."""

    row: Bytes
    column: Bytes


def compress(
    key: Keys, offsets: Indices, hashes: Words
) -> tuple[dict[str, Addresses], dict[str, Bytes]]:
    """Return the addresses of cells by compression, and the bits of the lines that the stochastic
    compression keeps."""
    events = np.arange(len(hashes), dtype=np.int32)
    event = np.repeat(events, np.diff(offsets))
    line = key // N_COLUMNS  # event * rows + row
    column = key - line * N_COLUMNS
    row = line - event * N_ROWS
    of_row = (event * LINES + row).astype(np.int64)  # the fastest type for indices
    of_column = (event * LINES + column).astype(np.int64)
    rows = filled(of_row, len(hashes), N_ROWS)
    columns = filled(of_column, len(hashes), N_COLUMNS)

    start = starts(line)
    lengths = np.diff(start, append=len(line))
    # Differences modulo 256 suffice.
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
    """Return which rows or columns of each event have cells, shape (events, ``LINES``).

    ``LINES`` is a whole number of words; lines beyond the grid count as filled.
    """
    lines = np.zeros((n_events, LINES), np.bool_)
    lines[:, n_lines:] = True
    lines.ravel()[index] = True
    return lines


def ranks(kept: Bools) -> Bytes:
    """Return for each kept line the number of kept lines of the event before it, flattened.

    A product sums the bytes of a word: each becomes the sum of itself and of those below it.
    """
    ones = np.uint64(0x0101010101010101)
    words = kept.view("<u8") * ones
    totals = words >> np.uint64(56)
    words += (np.cumsum(totals, axis=1) - totals) * ones
    counts = words.view(np.uint8).ravel()
    counts -= np.uint8(1)  # a kept line is included in its own count
    return counts


def keep_at_random(kept: Bools, n_lines: int, state: Words) -> Words:
    """Keep further random lines up to 60 in each event; return the final random states.

    A draw selects, of the remaining empty lines, that with index floor(draw / 2^64 * number).
    """
    empty = np.flatnonzero(~kept)
    n_empty = LINES - np.count_nonzero(kept, axis=1)
    first = np.cumsum(n_empty) - n_empty
    n_draws = np.maximum(n_empty - (n_lines - KEPT_LINES), 0)
    # Events with the most draws come first, so that the events still drawing are the first ones.
    order = np.argsort(-n_draws, kind="stable")
    state, n_empty, first = state[order], n_empty[order].astype(np.uint64), first[order]
    drawing = len(kept) - np.cumsum(np.bincount(n_draws))[:-1]
    picks = np.empty((len(drawing), len(kept)), np.uint8)
    for k, n in enumerate(drawing):
        state[:n] = mix(state[:n])
        picks[k, :n] = scaled(state[:n], n_empty[:n] - np.uint64(k))
    # An index counts the remaining empty lines. Going back through the earlier draws: each removed
    # a line and shifted those after it by one.
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
    """Return the next splitmix64 number (Steele, Lea, Flood, doi:10.1145/2714064.2660195)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def scaled(x: Words, n: Words) -> Words:
    """Return floor(x * n / 2^64) for n below 2^32, computed in two halves."""
    low = (x & np.uint64(0xFFFFFFFF)) * n
    high = (x >> np.uint64(32)) * n
    return (high + (low >> np.uint64(32))) >> np.uint64(32)


def event_hash(seed: int, run: Array, event: Words) -> Words:
    """Return a hash of the seed, run and event number of each event."""
    return mix(mix(mix(np.array([seed], np.uint64)) ^ run.astype(np.uint64)) ^ event)


def count_crops(losses: Losses, name: str, cells: Addresses, pt: Doubles, offsets: Indices) -> None:
    """Count the losses of the crops of a compression."""
    beyond = np.maximum(cells.row, cells.column)
    furthest = np.maximum.reduceat(beyond, offsets[np.flatnonzero(np.diff(offsets))])
    for crop in CROP_SIZES:
        lost = beyond >= crop
        key = f"{name}_{crop}"
        losses.cells_lost[key] = count(lost)
        losses.pt_lost_kev[key] = kev(sums(pt * lost, offsets))
        losses.events_cropped[key] = count(furthest >= crop)
