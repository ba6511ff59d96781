"""Start-up of the command line and of the imaging stage (imports, helpers, JIT compilation).

``python -m benchmarks.startup``. Each number is the median of five new processes. The start-up of
imaging ends with a first block of ten events: it includes the imports, the declaration of the
helpers and the JIT compilation.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import REPOSITORY

IMAGING = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from analysis.images import imaging
from analysis.config import load
from analysis.inputs import reader
from cpp_helpers import declare, load_root
load_root().TFile
config = load(Path("analysis/configs/tiny.yaml"))
imports = time.perf_counter()
declare()
file = reader.inspect(sys.argv[1])
imaging.make_images(file, 0, 10, config)
first = time.perf_counter()
imaging.make_images(file, 0, 10, config)
print(imports - start, first - imports, time.perf_counter() - first)
"""


def seconds_of(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    for option in ("--help", "--list"):
        times = [seconds_of("run_analysis.py", option) for _ in range(5)]
        print(f"{option}: {statistics.median(times):.2f} s (target 0.5)")
    with tempfile.TemporaryDirectory() as folder:
        make = ["run_analysis.py", "--config", "analysis/configs/tiny.yaml", "--output", folder]
        seconds_of(*make, "--stage", "generate", "--events", "50", "-q")
        sample = str(next(Path(folder).glob("samples/*.root")))
        found = []
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, "-c", IMAGING, sample],
                cwd=REPOSITORY,
                check=True,
                capture_output=True,
                text=True,
            )
            found.append([float(x) for x in done.stdout.split()])
    imports, first, further = (statistics.median(x) for x in zip(*found, strict=True))
    print(f"imaging, imports: {imports:.2f} s")
    print(f"imaging, declaration and compilation: {first:.2f} s (target 3)")
    print(f"imaging, total start-up: {imports + first:.2f} s (target 4)")
    print(f"imaging, each further block: {further:.3f} s (target 0.1)")


if __name__ == "__main__":
    main()
