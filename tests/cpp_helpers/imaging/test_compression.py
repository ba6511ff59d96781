"""The compressions, against the reference; and that none of them loses anything but by the crop."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import reference
from tests.cpp_helpers.bridge import compress
from tests.reference import Address, Image
from training.data.batches import dense
from training.data.sparse_images import Images

COMPRESSIONS = ("cell", "rowcol", "stochastic")
SIZE = 60
HASHES = st.integers(0, 2**64 - 1)

Cells = tuple[Address, ...]

AWKWARD: dict[str, Cells] = {
    "no cell": (),
    "one cell": ((57, 91),),
    "the corners": ((0, 0), (0, 125), (99, 0), (99, 125)),
    "one row": tuple((40, j) for j in range(126)),
    "one column": tuple((i, 40) for i in range(100)),
    "a diagonal of 60": tuple((i, i + 3) for i in range(60)),
    "61 rows": tuple((i, 7 * i % 60) for i in range(61)),
    "61 columns": tuple(sorted((7 * j % 60, j) for j in range(61))),
    "100 rows and columns": tuple((i, i) for i in range(100)),
    "every cell": tuple((i, j) for i in range(100) for j in range(126)),
}


@st.composite
def images(draw: st.DrawFn) -> Cells:
    """Non-empty cells of a few rows and columns, or of many."""
    if draw(st.booleans()):
        address = st.tuples(st.integers(0, 99), st.integers(0, 125))
        return tuple(sorted(draw(st.sets(address, max_size=20))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_rows, n_columns = draw(st.integers(1, 100)), draw(st.integers(1, 126))
    n_cells = draw(st.integers(1, min(400, n_rows * n_columns)))
    rows = rng.choice(100, n_rows, replace=False).tolist()
    columns = rng.choice(126, n_columns, replace=False).tolist()
    chosen = rng.choice(n_rows * n_columns, n_cells, replace=False).tolist()
    return tuple(sorted((rows[k // n_columns], columns[k % n_columns]) for k in chosen))


def _values(n: int) -> Image:
    """Channels that tell each cell from all others; some are 0, never all."""
    values = np.zeros((n, reference.N_CHANNELS))
    values[np.arange(n), np.arange(n) % reference.N_CHANNELS] = 1 + np.arange(n)
    values[:, reference.CHARGE] *= -1
    return values


@functools.lru_cache(maxsize=4)
def _t_init(cells: Cells) -> Image:
    return reference.with_coordinates(reference.scatter(cells, _values(len(cells))))


def _dense(name: str, cells: Cells, hash_of_event: int, size: int) -> Image:
    """The dense image of C++ addresses, made as for a network, with means of 1."""
    new = compress(name, cells, hash_of_event) if name != "none" else None
    addresses = new.cells if new else cells

    def lines(which: Sequence[Address], axis: int) -> Any:
        return np.array([cell[axis] for cell in which], np.uint8)

    one_event = Images(
        compression=name,
        offsets=np.array([0, len(cells)]),
        row=lines(cells, 0),
        column=lines(cells, 1),
        new_row=lines(addresses, 0),
        new_column=lines(addresses, 1),
        values=_values(len(cells)).astype(np.float32),
        run_number=np.ones(1, np.uint32),
        event_number=np.ones(1, np.uint64),
        fold=np.zeros(1, np.uint8),
        label=np.zeros(1, np.int8),
        weight=np.ones(1, np.float32),
        kept_rows=new.kept_rows[None] if new and name == "stochastic" else None,
        kept_columns=new.kept_columns[None] if new and name == "stochastic" else None,
    )
    means = np.ones(reference.N_CHANNELS, np.float32)
    batch = dense(one_event, np.zeros(1, np.int64), means, size)
    return np.asarray(batch[0], np.float64)


def _check(name: str, cells: Cells, hash_of_event: int) -> None:
    t = reference.compression(name, hash_of_event)(_t_init(cells))
    new = compress(name, cells, hash_of_event).cells
    scattered = reference.scatter(new, _values(len(cells)))
    np.testing.assert_array_equal(scattered, t[:, :, : reference.N_CHANNELS])
    expected = reference.crop(t, SIZE).astype(np.float32)
    np.testing.assert_array_equal(_dense(name, cells, hash_of_event, SIZE), expected)


@pytest.mark.parametrize("cells", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_awkward_image_is_compressed_and_cropped_as_by_the_reference(
    name: str, cells: Cells
) -> None:
    _check(name, cells, hash_of_event=12345)


@pytest.mark.parametrize("name", COMPRESSIONS)
@settings(max_examples=60, deadline=None)
@given(cells=images(), hash_of_event=HASHES)
@example(cells=AWKWARD["one cell"], hash_of_event=0)
@example(cells=AWKWARD["one cell"], hash_of_event=2**64 - 1)
def test_any_image_is_compressed_and_cropped_as_by_the_reference(
    name: str, cells: Cells, hash_of_event: int
) -> None:
    _check(name, cells, hash_of_event)


def _rebuilt(dense: Image) -> list[tuple[Address, list[float]]]:
    """The sparse image, from a dense one and its two coordinate channels alone."""
    found = []
    for cell in reference.non_empty(dense):
        eta, phi = dense[cell][reference.ETA], dense[cell][reference.PHI]
        old = reference.address_of(float(eta), float(phi))
        assert old is not None
        found.append((old, dense[cell][: reference.N_CHANNELS].tolist()))
    return sorted(found)


@pytest.mark.parametrize("name", [*COMPRESSIONS, "none"])
@settings(max_examples=60, deadline=None)
@given(cells=images(), hash_of_event=HASHES)
def test_sparse_image_is_rebuilt_from_the_dense_one_but_for_what_was_cropped(
    name: str, cells: Cells, hash_of_event: int
) -> None:
    rebuilt = _rebuilt(_dense(name, cells, hash_of_event, SIZE))
    original = list(zip(cells, _values(len(cells)).tolist(), strict=True))
    if name != "none":
        addresses = compress(name, cells, hash_of_event).cells
        original = [
            entry
            for entry, (row, column) in zip(original, addresses, strict=True)
            if row < SIZE and column < SIZE
        ]
    assert rebuilt == original


# --- The order of what is kept --------------------------------------------------------------


def test_cells_of_a_row_keep_their_order_and_empty_rows_vanish() -> None:
    cells = ((3, 9), (3, 20), (3, 125), (50, 0), (99, 60), (99, 61))
    assert compress("cell", cells).cells == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1)]


def test_only_empty_lines_vanish_and_the_others_keep_their_places() -> None:
    cells = ((3, 9), (3, 125), (50, 20), (99, 9))
    assert compress("rowcol", cells).cells == [(0, 0), (0, 2), (1, 1), (2, 0)]


# --- The draws of the stochastic compression ----------------------------------------------


@pytest.mark.parametrize(("n_filled", "n_kept"), [(0, 60), (1, 60), (59, 60), (60, 60), (61, 61)])
def test_lines_are_added_until_there_are_sixty(n_filled: int, n_kept: int) -> None:
    cells = [(i, i) for i in range(n_filled)]
    kept = compress("stochastic", cells, 99)
    assert (kept.kept_rows.sum(), kept.kept_columns.sum()) == (n_kept, n_kept)
    assert kept.kept_rows[:n_filled].all()
    assert kept.kept_columns[:n_filled].all()


def test_every_empty_line_is_kept_equally_often() -> None:
    n = 2000
    kept = [compress("stochastic", ((70, 70),), reference.event_hash(1, 2, i)) for i in range(n)]
    for lines, n_lines in (
        (sum(k.kept_rows.astype(int) for k in kept), 100),
        (sum(k.kept_columns.astype(int) for k in kept), 126),
    ):
        share = 59 / (n_lines - 1)
        expected = np.full(n_lines, n * share)
        expected[70] = n
        assert np.abs(lines - expected).max() < 5 * np.sqrt(n * share * (1 - share))


@settings(max_examples=100, deadline=None)
@given(seed=HASHES, run=st.integers(0, 2**32 - 1), event=HASHES)
def test_hash_of_an_event_is_splitmix64_of_its_identity(
    helpers: Any, seed: int, run: int, event: int
) -> None:
    assert helpers.event_hash(seed, run, event) == reference.event_hash(seed, run, event)


def test_splitmix64_gives_the_numbers_of_its_published_code(helpers: Any) -> None:
    """From state 1234567: the test vector of other implementations."""
    step = 0x9E3779B97F4A7C15
    states = [(1234567 + i * step) % 2**64 for i in range(3)]
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [helpers.mix(state) for state in states] == published
    assert [reference.splitmix64(state) for state in states] == published


def test_seed_run_and_event_each_change_the_kept_lines(helpers: Any) -> None:
    identities = [(1, 2, 3), (9, 2, 3), (1, 9, 3), (1, 2, 9), (2, 1, 3), (1, 3, 2)]
    kept = [compress("stochastic", ((0, 0),), helpers.event_hash(*i)) for i in identities]
    assert max(Counter(k.kept_rows.tobytes() for k in kept).values()) == 1
    assert max(Counter(k.kept_columns.tobytes() for k in kept).values()) == 1
