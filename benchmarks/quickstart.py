"""Wall-clock time and memory of a complete quickstart in a temporary folder.

``python -m benchmarks.quickstart``. The memory is the maximum of the sum of the proportional set
sizes of all processes of the run (shared pages are counted once), sampled twice per second.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import REPOSITORY


def descendants(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += descendants(int(child))
    return found


def proportional_size(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, "run_analysis.py", "--output", folder]
        process = subprocess.Popen(command, cwd=REPOSITORY)
        peak = 0
        while process.poll() is None:
            with contextlib.suppress(OSError):  # a process ended in the meantime
                peak = max(peak, sum(proportional_size(pid) for pid in descendants(process.pid)))
            time.sleep(0.5)
        seconds = time.perf_counter() - start
    print(f"exit code {process.returncode}")
    print(f"wall time {seconds:.0f} s (target 240), peak memory {peak / 1e9:.2f} GB (target 4)")


if __name__ == "__main__":
    main()
