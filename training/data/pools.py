"""Shuffle events of image files with memory that does not grow with their number.

Blocks of consecutive events are drawn in an order that mixes all files; several blocks make a
*pool*, which is read as a whole and shuffled. Two pools are in memory: the current one, and the
next one, which a thread reads in advance. Events that fit in one pool are shuffled perfectly and
read only once.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from training.data.image_reader import ImageFiles
from training.data.sparse_images import Images, Indices, Mask

# Cells of a block: two chunks of the file, as reading any cell decompresses its whole chunk.
BLOCK_CELLS = 1 << 17
POOL_CELLS = 1 << 20  # 40 MB, some 16,000 events


@dataclass(frozen=True)
class _EpochPlan:
    """The pools of an epoch: the blocks of each, and the number of events before it."""

    epoch: int
    pools: tuple[tuple[int, ...], ...]
    starts: Indices


class Pools:
    """Chosen events of image files, in a separate order for each epoch.

    The order depends only on the seed and the number of the epoch; without a seed it is that of the
    files. ``block`` and ``pool`` are the numbers of events of each (default: events with about
    `BLOCK_CELLS` and `POOL_CELLS` cells). Any thread may read.
    """

    def __init__(
        self,
        files: ImageFiles,
        chosen: Mask,
        seed: int | None = None,
        *,
        block: int | None = None,
        pool: int | None = None,
    ) -> None:
        self.files, self.chosen, self.seed = files, chosen, seed
        blocks = files.ranges(block or files.events_with(BLOCK_CELLS))
        counts = np.array([np.count_nonzero(events.view(chosen)) for events in blocks], np.int64)
        self._blocks = [events for events, n in zip(blocks, counts, strict=True) if n]
        self._counts = counts[counts > 0]
        self._pool = pool or files.events_with(POOL_CELLS)
        self._plan_of = functools.lru_cache(maxsize=3)(self._draw)
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, "pools")
        self._pools: dict[tuple[int, ...], Future[Images]] = {}

    def __len__(self) -> int:
        return int(self._counts.sum())

    def read(self, begin: int, end: int, epoch: int = 0) -> list[tuple[Images, Indices]]:
        """Return events [begin, end) in the order of an epoch, as images and indices into these.

        Raises:
            InputError: a file is damaged.
        """
        plan = self._plan_of(epoch)
        pieces = []
        pool = int(np.searchsorted(plan.starts, begin, "right")) - 1
        while begin < end:
            images, order = self._shuffled(plan, pool)
            first, last = int(plan.starts[pool]), int(plan.starts[pool + 1])
            pieces.append((images, order[begin - first : end - first]))
            begin, pool = last, pool + 1
        return pieces

    def _draw(self, epoch: int) -> _EpochPlan:
        order = np.arange(len(self._blocks))
        if self.seed is not None:
            rng = np.random.default_rng((self.seed, epoch))
            # Spread the blocks of each file evenly, so that every pool has events of all files.
            place = np.empty(len(order))
            file_of = np.array([events.file for events in self._blocks], np.int64)
            for file in np.unique(file_of):
                (mine,) = np.nonzero(file_of == file)
                n = len(mine)
                place[rng.permutation(mine)] = (np.arange(n) + rng.random(n)) / n
            order = np.argsort(place)
        counts = self._counts[order]
        starts = np.cumsum(counts) - counts
        n_pools = -(-len(self) // self._pool)  # rounded up; pools have about equal sizes
        (cuts,) = np.nonzero(np.diff(starts * n_pools // max(1, len(self)), prepend=-1))
        pools = tuple(tuple(sorted(blocks.tolist())) for blocks in np.split(order, cuts)[1:])
        return _EpochPlan(epoch, pools, np.append(starts[cuts], len(self)))

    def _shuffled(self, plan: _EpochPlan, pool: int) -> tuple[Images, Indices]:
        """Return the images of a pool, and their order."""
        blocks = plan.pools[pool]
        last = pool + 1 == len(plan.pools)
        following = self._plan_of(plan.epoch + 1).pools[0] if last else plan.pools[pool + 1]
        with self._lock:
            self._pools = {
                wanted: self._pools.get(wanted) or self._reader.submit(self._read, wanted)
                for wanted in (blocks, following)
            }
            future = self._pools[blocks]
        images = future.result()
        if self.seed is None:
            return images, np.arange(len(images))
        return images, _permutation(self.seed, plan.epoch, pool, len(images))

    def _read(self, blocks: tuple[int, ...]) -> Images:
        ranges = [self._blocks[block] for block in blocks]
        return self.files.read_selected([(r, np.flatnonzero(r.view(self.chosen))) for r in ranges])


@functools.lru_cache(maxsize=8)
def _permutation(seed: int, epoch: int, pool: int, n: int) -> Indices:
    """Return the order of the events of a pool, read-only as it is cached."""
    order = np.random.default_rng((seed, epoch, pool + 1)).permutation(n)
    order.flags.writeable = False
    return order
