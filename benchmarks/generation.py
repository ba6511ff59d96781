"""Rate of writing generated blocks against a bare ``nextBatch`` loop with the same settings.

``python -m benchmarks.generation [events]``. Pairs are taken in turn in one process, so that other
load on the machine hits both alike; the first pair warms up (JIT) and is left out.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from analysis.processes import PROCESSES
from analysis.simulation import generate


def bare(block: generate.Block) -> float:
    start = time.perf_counter()
    generator = generate.start_pythia(
        PROCESSES[block.process], block.pt_low, block.pt_high, block.pythia_seed
    )
    for first in range(0, block.n_events, generate.BATCH):
        generator.nextBatch(min(generate.BATCH, block.n_events - first))
    return time.perf_counter() - start


def whole(block: generate.Block) -> float:
    start = time.perf_counter()
    generate.write_block(block)
    return time.perf_counter() - start


def main(n_events: int = 500, pairs: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ratios = []
        for i in range(pairs + 1):
            block = generate.Block(
                "Wtaunu_high",
                "Wtaunu",
                "high",
                1000,
                None,
                i,
                0,
                n_events,
                1,
                0.5,
                "rntuple",
                Path(folder) / f"{i}.root",
            )
            seconds = bare(block), whole(block)
            if i:
                ratios.append(seconds[0] / seconds[1])
                print(f"bare {n_events / seconds[0]:.0f}/s, written {n_events / seconds[1]:.0f}/s")
            else:
                print(f"first block in a process: {seconds[1] - seconds[0]:.1f} s of start-up")
    print(f"rate relative to bare nextBatch: {statistics.median(ratios):.3f} (target 0.90)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
