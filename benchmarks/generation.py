"""Rate of generating and writing blocks relative to a bare ``nextBatch`` loop with equal settings.

``python -m benchmarks.generation [events]``. Both alternate in one process, so that other load on
the machine affects them equally; the first pair includes the JIT compilation and is omitted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from analysis.processes import PROCESSES
from analysis.simulation import generate


def bare(block: generate.EventBlock) -> float:
    start = time.perf_counter()
    generator = generate.start_pythia(
        PROCESSES[block.process], block.pt_low, block.pt_high, block.pythia_seed
    )
    for first in range(0, block.n_events, generate.BATCH):
        generator.nextBatch(min(generate.BATCH, block.n_events - first))
    return time.perf_counter() - start


def whole(block: generate.EventBlock, path: Path) -> float:
    start = time.perf_counter()
    generate.write_block(block, path)
    return time.perf_counter() - start


def main(n_events: int = 500, pairs: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ratios = []
        for i in range(pairs + 1):
            block = generate.EventBlock(
                sample="Wtaunu_high",
                process="Wtaunu",
                slice="high",
                pt_low=1000,
                pt_high=None,
                index=i,
                first_event=0,
                n_events=n_events,
                seed=1,
                stored_particle_min_pt=0.5,
                file_format="rntuple",
            )
            seconds = bare(block), whole(block, Path(folder) / f"{i}.root")
            if i:
                ratios.append(seconds[0] / seconds[1])
                print(f"bare {n_events / seconds[0]:.0f}/s, written {n_events / seconds[1]:.0f}/s")
            else:
                print(f"first block in a process: {seconds[1] - seconds[0]:.1f} s of start-up")
    print(f"rate relative to bare nextBatch: {statistics.median(ratios):.3f} (target 0.90)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
