"""Events in a random order: each once, the same again by seed and epoch, in constant memory."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.runtime.errors import InputError
from tests.training.image_files import flip_a_bit, image_columns, write_columns, write_images
from training.data import batches
from training.data.image_reader import ImageFiles
from training.data.pools import Pools
from training.data.sparse_images import Floats, Mask

SIZES = (45, 8, 61)  # of three files
N_EVENTS = sum(SIZES)
MEANS = np.array([8, 2, 0.5, 32, 1, 0.25, 64, 0.125], np.float32)

Numbers = list[int]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pools")
    return [write_images(folder / f"{run}.h5", n, run) for run, n in enumerate(SIZES)]


@pytest.fixture(scope="module")
def files(paths: list[Path]) -> Iterator[ImageFiles]:
    with ImageFiles(paths, [1, 0, 1], "cell") as files:
        yield files


def inputs(
    pools: Pools, batch: int, begin: int = 0, end: int | None = None, epoch: int = 0
) -> tuple[Numbers, Floats, Floats]:
    """Of the events at these places: their number among all files, dense image, cell list."""
    starts = np.cumsum([0, *SIZES])
    number, images, lists = [], [], []
    end = len(pools) if end is None else min(end, len(pools))
    for first in range(begin, end, batch):
        for part, events in pools.read(first, min(first + batch, end), epoch):
            number += (starts[part.run_number[events]] + part.event_number[events]).tolist()
            images.append(batches.dense(part, events, MEANS, 30))
            lists.append(batches.cell_lists(part, events, MEANS, 20))
    return [int(x) for x in number], np.concatenate(images), np.concatenate(lists)


def order(pools: Pools, epoch: int = 0) -> Numbers:
    """The order of an epoch."""
    return inputs(pools, 10, epoch=epoch)[0]


def chosen_by(seed: int, share: float = 0.7) -> Mask:
    """Some events."""
    found: npt.NDArray[np.bool_] = np.random.default_rng(seed).random(N_EVENTS) < share
    found[0] = True
    return found


@settings(max_examples=40, deadline=None)
@given(
    block=st.integers(1, 70),
    pool=st.integers(1, 150),
    batch=st.integers(1, 40),
    seed=st.one_of(st.none(), st.integers(0, 2**40)),
    epoch=st.integers(0, 3),
    chosen=st.builds(chosen_by, st.integers(0, 5), st.sampled_from([0.0, 0.1, 0.7, 1.0])),
)
def test_an_epoch_holds_each_chosen_event_once_as_it_is_in_the_file(
    files: ImageFiles,
    block: int,
    pool: int,
    batch: int,
    seed: int | None,
    epoch: int,
    chosen: Mask,
) -> None:
    pools = Pools(files, chosen, seed, block=block, pool=pool)
    number, images, lists = inputs(pools, batch, epoch=epoch)
    assert len(pools) == chosen.sum()
    assert sorted(number) == np.flatnonzero(chosen).tolist()
    if seed is None:
        assert number == sorted(number)
    whole = files.read_selected([(r, np.arange(r.end - r.begin)) for r in files.ranges()])
    np.testing.assert_array_equal(images, batches.dense(whole, np.array(number), MEANS, 30))
    np.testing.assert_array_equal(lists, batches.cell_lists(whole, np.array(number), MEANS, 20))


def test_nothing_chosen_is_nothing(files: ImageFiles) -> None:
    pools = Pools(files, np.zeros(N_EVENTS, bool), 1)
    assert len(pools) == 0
    assert pools.read(0, 0) == []


@pytest.mark.parametrize("fold", [0, 1])
def test_no_event_that_is_held_out_is_seen(files: ImageFiles, fold: int) -> None:
    watched = files.in_validation(0.3)
    train, validate = (
        Pools(files, (files.fold != fold) & which, 1, block=5, pool=20)
        for which in (~watched, watched)
    )
    seen = set(order(train)) | set(order(train, 1)), set(order(validate))
    held_out = set(np.flatnonzero(files.fold == fold).tolist())
    assert not seen[0] & held_out
    assert not seen[1] & held_out
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1] | held_out) == N_EVENTS


# --- The order ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [25, 1000])
def test_the_order_is_set_by_the_seed_and_the_epoch_alone(paths: list[Path], pool: int) -> None:
    def make(files: ImageFiles, seed: int) -> Pools:
        return Pools(files, chosen_by(1), seed, block=7, pool=pool)

    with (
        ImageFiles(paths, [1, 0, 1], "cell") as files,
        ImageFiles(paths, [1, 0, 1], "none") as same,
    ):
        pools, again = make(files, 3), make(same, 3)
        expected = [order(pools, epoch) for epoch in range(4)]
        assert [order(again, epoch) for epoch in (2, 0, 3)] == [expected[i] for i in (2, 0, 3)]
        assert order(pools, 1) == expected[1]
        others = [*expected, order(make(files, 4)), order(make(files, 2**40 + 3))]
    assert all(a != b for a, b in itertools.combinations(others, 2))


def test_any_batch_can_be_asked_for(files: ImageFiles) -> None:
    pools = Pools(files, chosen_by(2), 5, block=7, pool=25)
    expected = order(pools)
    for begin in (60, 0, 30, 31, 3, 71):
        assert inputs(pools, 10, begin)[0] == expected[begin:]


def _ranks_far_from(numbers: Numbers) -> float:
    """Correlation of the order with that of the files."""
    return float(np.corrcoef(numbers, np.arange(len(numbers)))[0, 1])


def test_what_fits_in_a_pool_is_shuffled_perfectly(files: ImageFiles) -> None:
    """Every event comes to every part of the epoch, whatever its block."""
    pools = Pools(files, np.ones(N_EVENTS, bool), 1, block=10)
    orders = np.array([order(pools, epoch) for epoch in range(200)])
    place = np.argsort(orders, axis=1)  # (epoch, event): uniform in [0, 114)
    error = (N_EVENTS - 1) / np.sqrt(12 * len(orders))
    assert abs(place.mean(axis=0) - (N_EVENTS - 1) / 2).max() < 4.5 * error
    neighbours = np.abs(np.diff(place, axis=1)).mean()
    assert neighbours == pytest.approx(N_EVENTS / 3, rel=0.03)
    assert abs(np.mean([_ranks_far_from(numbers) for numbers in orders])) < 0.03


def test_every_pool_has_its_share_of_every_file(tmp_path: Path) -> None:
    """So that a batch is not of one class, though a file is."""
    sizes = (300, 100)
    made = [write_images(tmp_path / f"{i}.h5", n, i, most_cells=2) for i, n in enumerate(sizes)]
    with ImageFiles(made, [1, 0], "none") as files:
        pools = Pools(files, np.ones(400, bool), 1, block=5, pool=40)
        for epoch, begin in itertools.product(range(4), range(0, 400, 40)):
            parts = pools.read(begin, begin + 40, epoch)
            signal = sum(int(part.label[events].sum()) for part, events in parts)
            assert abs(signal - 30) <= 10  # at most a block or two of five


# --- Threads, memory, damage ----------------------------------------------------------------------


def test_threads_may_read_at_once(files: ImageFiles) -> None:
    pools = Pools(files, chosen_by(3), 5, block=7, pool=25)

    def batch(begin: int) -> tuple[Numbers, Floats, Floats]:
        return inputs(pools, 5, begin, begin + 5)

    expected = {begin: batch(begin) for begin in range(0, len(pools), 5)}
    wanted = np.random.default_rng(1).permutation(list(expected) * 4).tolist()
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(batch, wanted))
    for begin, (number, images, lists) in zip(wanted, found, strict=True):
        assert number == expected[begin][0]
        np.testing.assert_array_equal(images, expected[begin][1])
        np.testing.assert_array_equal(lists, expected[begin][2])


def _peak(path: Path) -> int:
    """Bytes of memory at most, to make the lists of an epoch."""
    tracemalloc.start()
    with ImageFiles([path], [1], "none") as files:
        chosen = ~files.in_validation(0.1)
        means = batches.channel_means(files, chosen)
        pools = Pools(files, chosen, 1)
        for begin in range(0, len(pools), 64):
            for part, events in pools.read(begin, min(begin + 64, len(pools))):
                batches.cell_lists(part, events, means, 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, cells in (("image_reader.RANGE", 2000), ("pools.BLOCK", 1000), ("pools.POOL", 3000)):
        monkeypatch.setattr(f"training.data.{name}_CELLS", cells)
    block = image_columns(600)
    once = write_columns(tmp_path / "once.h5", block)
    tenfold = write_columns(tmp_path / "tenfold.h5", *[block] * 10)
    _peak(once)  # what is set up once
    more_events = 9 * 600
    assert _peak(tenfold) - _peak(once) < 30 * more_events  # bytes; an image has 700


def test_damage_is_told_to_who_reads(tmp_path: Path) -> None:
    path = write_images(tmp_path / "copy.h5", 30)
    flip_a_bit(path, "compression/rowcol/column")
    with ImageFiles([path], [1], "rowcol") as files:
        pools = Pools(files, np.ones(30, bool), 1)
        for _ in range(2):
            with pytest.raises(InputError, match=r"copy\.h5: damaged or incomplete"):
                pools.read(0, 10)
