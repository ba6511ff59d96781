"""Start-up of the command line, of stages that read events, and of workers, in CPU seconds.

``python -m benchmarks.startup [file ...]``. The files may be of any known format; without any, a
few events are generated. Each time is that of new processes and their children: of the first call,
which compiles a new selection, and the median of five further ones. ``import ROOT``, in the same
run, is the measure of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from analysis.inputs import reader
from benchmarks.measure import REPOSITORY

ROUNDS = 5
STAGES = ("cutflow", "imaging", "skim")
TARGETS = {"first": 20.0, "further": 3.0, "task": 1.0, "file": 0.05, "memory": 450.0}

WORKER = """
import json, resource, sys, time
start = time.process_time()
from pathlib import Path
from analysis.config import load
from analysis.images import imaging
from analysis.inputs import reader
from analysis.yields import cutflow
from cpp_helpers import calls
config, first, second = load(Path(sys.argv[1])), *sys.argv[2:]
calls.start()
imported = time.process_time()

def task(path):
    file = reader.inspect(path)
    graph = cutflow.Graph(
        cutflow.defined(reader.open_events(file, 0, file.n_events), config.selection.resolved),
        config.selection.resolved,
        "weight",
    )
    for name in config.selection.resolved.used:
        graph.book(config.selection.resolved.regions[name], {})
    graph.events.loop.run()

task(first)
done = time.process_time()
task(second)
print(json.dumps({
    "imports": imported - start,
    "task": done - imported,
    "file": time.process_time() - done,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
}))
"""


def cpu_of(*arguments: str) -> float:
    """Return the CPU seconds of a Python process and its children.

    Raises:
        RuntimeError: it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed: {done.stderr.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def configuration(folder: Path, path: Path, number: int) -> Path:
    """Write a configuration with a file as its only sample and a selection of its own."""
    settings = {
        "name": "startup",
        "samples": [
            {"process": "Znunu", "files": [str(path)], "cross_section": 1, "sum_of_weights": 1}
        ],
        "training": {"networks": []},
        "skim": {"region": "SR", "columns": ["met"]},
        # a column that no earlier run has, so that the first call compiles
        "selection": {
            "extends": "monojet36",
            "define": {f"met_{number}": "met + 1"},
            "regions": {"SR_new": {"extends": "SR", "add": {"new": f"met_{number} > 0"}}},
            "use": ["SR", "SR_new"],
        },
    }
    made = folder / f"{path.stem}.yaml"
    made.write_text(yaml.safe_dump(settings))
    return made


def measure_stages(folder: Path, path: Path, config: Path) -> None:
    """Print the CPU seconds of stages on a file: first call, and further ones."""
    for stage in STAGES:
        command = ["run_analysis.py", "--config", str(config), "--stage", stage, "--workers", "1"]
        times = []
        for _ in range(1 + ROUNDS):
            output = folder / "output"
            shutil.rmtree(output, ignore_errors=True)
            try:
                times.append(cpu_of(*command, "-q", "--output", str(output)))
            except RuntimeError as error:
                print(f"  {stage}: {str(error).splitlines()[-1][:150]}")
                break
        else:
            first, *further = times
            print(
                f"  {stage}: first call {first:.1f} s (target {TARGETS['first']:g}), further "
                f"{statistics.median(further):.2f} s (target {TARGETS['further']:g})"
            )


def measure_worker(folder: Path, path: Path, config: Path) -> None:
    """Print the CPU seconds of a worker's tasks, and its memory."""
    copy = folder / f"copy{path.suffix}"
    shutil.copy(path, copy)
    found = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", WORKER, str(config), str(path), str(copy)]
        done = subprocess.run(
            command, cwd=REPOSITORY, check=True, capture_output=True, text=True
        ).stdout
        found.append(json.loads(done.splitlines()[-1]))
    values = {key: statistics.median(one[key] for one in found) for key in found[0]}
    print(
        f"  worker: imports and start of ROOT {values['imports']:.2f} s, first task "
        f"{values['task']:.2f} s (target {TARGETS['task']:g}), further file {values['file']:.3f} s "
        f"(target {TARGETS['file']:g}), memory {values['memory']:.0f} MB (target "
        f"{TARGETS['memory']:g})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*")
    options = parser.parse_args()
    for option in ("--help", "--list"):
        times = [cpu_of("run_analysis.py", option) for _ in range(ROUNDS)]
        print(f"{option}: {statistics.median(times):.2f} s (target 0.5)")
    root = [cpu_of("-c", "import ROOT; ROOT.TFile") for _ in range(ROUNDS)]
    print(f"import ROOT: {statistics.median(root):.2f} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [path.absolute() for path in options.files]
        if not files:
            make = ["run_analysis.py", "--config", "analysis/configs/tiny.yaml", "-q"]
            make += ["--output", name, "--stage", "generate", "--events", "100"]
            cpu_of(*make)
            files = [next(folder.glob("samples/*.root"))]
        for number, path in enumerate(files, start=os.getpid()):
            file = reader.inspect(str(path))
            print(f"{path.name} ({file.format.name}, {file.n_events} events):")
            config = configuration(folder, path, number)
            measure_stages(folder, path, config)
            measure_worker(folder, path, config)


if __name__ == "__main__":
    main()
