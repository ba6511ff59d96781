"""Conversion of HepMC files relative to a bare loop over their events, and memory by file size.

``python -m benchmarks.conversion [events]``. The events are generated with Pythia; one file
contains them twice, another, for the memory, ten times. Both loops alternate in separate processes.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import tempfile
from pathlib import Path

from analysis.processes import PROCESSES
from analysis.simulation import generate
from benchmarks.measure import timed
from tests.analysis.hepmc_events import of_pythia, write

BARE = """
import sys, pyhepmc
with pyhepmc.open(sys.argv[1]) as file:
    print(sum(1 for event in file))
"""


def written(folder: Path, n_events: int) -> tuple[Path, Path]:
    """Return two files of ttbar events: each event twice, and ten times."""
    process = PROCESSES["ttbar"]
    generator = generate.start_pythia(process, 0, None, 1)
    once = write(folder / "once.hepmc", (of_pythia(generator, i + 1) for i in range(n_events)))
    lines = once.read_bytes().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith(b"E "))
    head, events, foot = b"".join(lines[:first]), b"".join(lines[first:-1]), lines[-1]
    if not foot.startswith(b"HepMC::"):  # an empty line may follow the closing one
        events, foot = b"".join(lines[first:-2]), b"".join(lines[-2:])
    files = []
    for times in (2, 10):
        files.append(folder / f"{times}_times.hepmc.gz")
        with gzip.open(files[-1], "wb", compresslevel=1) as file:
            file.write(head + events * times + foot)
    return files[0], files[1]


def convert(path: Path, folder: Path) -> tuple[float, float]:
    """Return wall-clock seconds and peak memory of the stage with one worker."""
    options = ["--stage", "convert", "--process", "ttbar", "--workers", "1", "--force"]
    options += ["--input", str(path), "--output", str(folder / "run")]
    return timed(sys.executable, "run_analysis.py", *options)


def main(n_events: int = 300, pairs: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = written(folder, n_events)
        ratios, peaks = [], []
        for _ in range(pairs):
            bare = [timed(sys.executable, "-c", BARE, str(path))[0] for path in (few, many)]
            ours = [convert(path, folder) for path in (few, many)]
            reading, converting = bare[1] - bare[0], ours[1][0] - ours[0][0]  # without start-up
            ratios.append(converting / reading)
            peaks.append([peak for _, peak in ours])
            rates = [8 * n_events / seconds for seconds in (reading, converting)]
            print(f"bare {rates[0]:.0f}/s, converted {rates[1]:.0f}/s, peak memory {peaks[-1]} MB")
        memory = statistics.median(many / few for few, many in peaks)
        size = few.stat().st_size / 2 / n_events / 1000
        print(
            f"converting / reading = {statistics.median(ratios):.2f}; memory with five times the "
            f"events {memory:.2f}; {size:.0f} kB per event, gzipped"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
