"""Time and memory of functions and of processes, for the benchmarks."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
QUICKSTART = REPOSITORY / "analysis" / "configs" / "quickstart.yaml"


def cpu() -> float:
    """Return the CPU seconds used by this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    start = cpu()
    work()
    return cpu() - start


def wall_seconds(work: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median as text, with minimum and maximum in brackets."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def resident_memory(pid: int | str = "self") -> float:
    """Return the resident memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_memory(pid: int | str = "self") -> float:
    """Return the peak resident memory of a process so far, in MB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(x.split()[1]) / 1000 for x in lines if x.startswith("VmHWM")), 0.0)


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    try:
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def timed(*command: str) -> tuple[float, float]:
    """Return the wall-clock seconds of a command and the peak memory (MB) of its largest process.

    Raises:
        RuntimeError: the command fails.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=errors
        )
        peaks = [0.0]
        while process.poll() is None:
            peaks += [peak_memory(pid) for pid in (process.pid, *children(process.pid))]
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed: {errors.read().strip()}")
    return seconds, max(peaks)


def in_process(module: str, function: str, *arguments: object) -> dict[str, float]:
    """Return the JSON that a function of a module prints, called in a process of its own."""
    code = f"import {module} as m; m.{function}(*{[str(a) for a in arguments]})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
