"""Training with batches read from files: step rate relative to one batch in memory, and memory.

``python -m benchmarks.feeding [SIGNAL.h5 BACKGROUND.h5]``: two image files, by default those of a
tiny run made here; their events are repeated to 100,000 of each class. Both rates are measured in
alternating turns with one compiled network, so that other load on the machine affects them equally.
Pools have a quarter of their normal size, so that each turn of ``pfn`` reads one, at the same cost
per event. The memory is the peak resident memory of a process that reads all batches of an epoch
without training.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np

from benchmarks.measure import REPOSITORY
from common.schema.images import INPUT_FILES

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

EVENTS = 100_000  # per class
FOLDS, VALIDATION = 2, 0.1

MEMORY = """
import sys
from pathlib import Path
from training.data import batches, image_reader
from training.data.pools import Pools

def largest():
    (line,) = [x for x in open("/proc/self/status") if x.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

times, kind, *paths = sys.argv[1:]
paths, labels = [Path(p) for p in paths] * int(times), [0, 1] * int(times)
start = largest()
with image_reader.ImageFiles(paths, labels, "none" if kind == "cells" else "cell") as files:
    chosen = (files.fold != 0) & ~files.in_validation(0.1)
    means = batches.channel_means(files, chosen)
    pools = Pools(files, chosen, 1)
    for begin in range(0, len(pools), 64):
        for images, events in pools.read(begin, min(begin + 64, len(pools))):
            if kind == "cells":
                batches.cell_lists(images, events, means, 128)
            else:
                batches.dense(images, events, means, 60)
    print(len(files), largest(), start)
"""


def tiny_images(folder: Path) -> list[Path]:
    command = ["run_analysis.py", "--config", "analysis/configs/tiny.yaml", "--stage", "imaging"]
    subprocess.run([sys.executable, *command, "--output", folder, "-q"], cwd=REPOSITORY, check=True)
    return [folder / "images" / f"{process}_high.h5" for process in ("Znunu", "Wtaunu")]


def repeated(path: Path, target: Path) -> Path:
    """Copy an image file, repeating its events."""
    shutil.copy(path, target)
    with h5py.File(target, "r+") as file:
        times = -(-EVENTS // len(file["events/fold"]))

        def repeat(name: str, column: h5py.Dataset | h5py.Group) -> None:
            if isinstance(column, h5py.Dataset) and name != INPUT_FILES:
                values = column[:]
                if name == "cells/offsets":
                    starts = np.arange(times, dtype=values.dtype)[:, None] * values[-1]
                    more = np.append(starts + values[:-1], times * values[-1])
                else:
                    more = np.tile(values, (times, *(1 for _ in values.shape[1:])))
                column.resize(len(more), axis=0)
                column[:] = more

        file.visititems(repeat)
    return target


def rates(paths: list[Path], pairs: int, **options: object) -> None:
    import keras

    from analysis.config import parse_network
    from training.classifier.fold import build
    from training.classifier.keras_batches import Batches, SelectedEvents
    from training.data.batches import channel_means
    from training.data.image_reader import ImageFiles
    from training.data.pools import POOL_CELLS, Pools

    class Turn(keras.utils.PyDataset):
        """Consecutive batches of an epoch in each turn, or always the first one."""

        def __init__(self, batches: Batches, steps: int, ready: bool) -> None:
            super().__init__()
            self.batches, self.steps, self.first = batches, steps, 0
            self.ready = batches[0] if ready else None

        def __len__(self) -> int:
            return self.steps

        def __getitem__(self, index: int) -> object:
            full = len(self.batches) - 1  # the last batch of an epoch is short
            return self.ready or self.batches[(self.first + index) % full]

    spec = parse_network(options)
    with ImageFiles(paths, [0, 1], spec.compression) as files:
        chosen = (files.fold != 0) & ~files.in_validation(VALIDATION)
        means = channel_means(files, chosen)
        batches = Batches(SelectedEvents(files, chosen), means, spec, seed=1)
        pool = files.events_with(POOL_CELLS // 4)
        batches.pools = Pools(files, chosen, 1, pool=pool)
        model = build(spec, seed=1)
        steps = pool // spec.batch_size if spec.network == "pfn" else 2
        fed, ready = (Turn(batches, steps, ready) for ready in (False, True))
        model.fit(Turn(batches, 5, True), shuffle=False, verbose=0)
        found: dict[Turn, list[tuple[float, float]]] = {fed: [], ready: []}
        for i in range(pairs):
            for turn in (ready, fed) if i % 2 else (fed, ready):
                start = time.perf_counter(), time.process_time()
                model.fit(turn, shuffle=False, verbose=0)
                wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
                found[turn].append((wall, cpu))
            fed.first += steps
    wall, cpu = (
        [one[i] / other[i] for one, other in zip(found[ready], found[fed], strict=True)]
        for i in (0, 1)
    )
    step = statistics.median(seconds for seconds, _ in found[fed]) / steps
    low, middle, high = statistics.quantiles(wall, n=4)
    print(
        f"{spec.name}, batch {spec.batch_size}: a step of {1e3 * step:.1f} ms; rate relative to a "
        f"ready batch {middle:.3f} (target 0.95; quartiles {low:.3f} and {high:.3f} of {pairs} "
        f"pairs), by the CPU time of both {statistics.median(cpu):.3f}",
        flush=True,
    )


def memory(paths: list[Path], kind: str) -> None:
    peaks = []
    for times in (1, 10):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(times), kind, *map(str, paths)],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        )
        events, peak, start = (int(x) for x in done.stdout.split())
        peaks.append(peak)
        print(
            f"{kind}, {events} events: {peak / 1e6:.0f} MB, {start / 1e6:.0f} MB at the start",
            flush=True,
        )
    print(f"{kind}: peak memory with ten times the events {peaks[1] / peaks[0]:.3f} (target 1.1)")


def main(*given: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [Path(path) for path in given] or tiny_images(folder)
        paths = [repeated(path, folder / f"{i}.h5") for i, path in enumerate(sources)]
        for kind in ("cells", "images"):
            memory(paths, kind)
        flow = {"network": "pfn", "max_cells": 128, "xla": False}
        for batch_size in (64, 128):
            rates(paths, 25, **flow, batch_size=batch_size)
        strides = {"network": "strides", "compression": "cell", "crop_size": 60, "xla": False}
        rates(paths, 9, **strides, batch_size=64)


if __name__ == "__main__":
    main(*sys.argv[1:])
