"""Work in parts: the plan, the cost of a task, memory, workers, ROOT's distributed RDataFrame.

``python -m benchmarks.batch [--events N] [--input FILE.root] [--rounds N] [PART ...]``

Parts (default: all):

``plan``         a sample of a million remote files, and one of 100,000 local files, from a list:
                 time and memory to make the tasks, their keys and the fingerprint of the target,
                 and the time of ``--dry-run``; no file is opened.
``overhead``     10,000 tasks that do nothing on two local Dask workers, and 10,000 that write a
                 part of some bytes, merged by the driver: milliseconds per task.
``memory``       resident memory of the driver, including Dask's scheduler, by number of tasks; and
                 of a table of scores as each worker of the cut-flow holds it.
``workers``      imaging by two workers relative to one, alternating, with and without start-up, and
                 the gain of two independent processes on this machine; the merging of the parts
                 only; the start-up of a worker, measured inside its tasks.
``distributed``  a histogram after the signal-region selection: plain tasks and ROOT's distributed
                 RDataFrame on the same two workers, and their contents.

Without ``--input``, events are generated for the last two, as in `benchmarks.imaging`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.batch_tasks import memory_by_tasks, overhead, planning
from benchmarks.batch_workers import distributed, workers
from benchmarks.event_files import generate, repeat

PARTS = ("plan", "overhead", "memory", "workers", "distributed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_200_000)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    options: Any = parser.parse_args()
    parts = options.parts or PARTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "plan" in parts:
            planning(folder)
        if "overhead" in parts:
            overhead(folder, options.rounds)
        if "memory" in parts:
            memory_by_tasks(folder)
        if not {"workers", "distributed"} & set(parts):
            return
        path = folder / "events.root"
        repeat([options.input] if options.input else generate(folder), options.events, path)
        if "workers" in parts:
            workers(path, folder, options.rounds)
        if "distributed" in parts:
            distributed(path, folder, options.rounds)


if __name__ == "__main__":
    main()
