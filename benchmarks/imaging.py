"""Imaging against a bare read, against columnar Python, over workers, and in memory.

``python -m benchmarks.imaging [--events N] [--input FILE.root] [--rounds N] [PART ...]``

Without ``--input`` real events are generated first (several minutes) and repeated to at least
``--events``. Parts (all by default):

``read``      imaging end to end, HDF5 file written, against a bare RDataFrame loop over the same
              branches; on the RNTuple and on a zlib TTree of it; one thread, CPU time, start-up
              apart, alternating in one process; the median of the ratios.
``columnar``  the same against ``benchmarks.columnar`` (uproot, awkward, numpy), events per second.
``checks``    the same against imaging that does not check whether the columns of an object are of
              one length.
``workers``   two workers against one: the time that three times more events take longer.
``threads``   two threads in one worker against one, likewise.
``memory``    peak resident memory of a run over one and over ten times the events.
"""

from __future__ import annotations

import argparse
import functools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from analysis.config import Config, load
from analysis.formats.native import TREE
from analysis.images import imaging
from analysis.images.image_file import ImageWriter
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import ranges
from cpp_helpers import declare, load_root

REPOSITORY = Path(__file__).parent.parent
QUICKSTART = REPOSITORY / "analysis" / "configs" / "quickstart.yaml"
PARTS = ("read", "columnar", "checks", "workers", "threads", "memory")

NUMBERS = ("run_number", "event_number", "weight", "met", "met_phi")
VECTORS = (
    *(f"particle_{x}" for x in ("pt", "eta", "phi", "energy", "pdg_id", "charge")),
    *(f"jet_{x}" for x in ("pt", "eta", "phi", "width", "n_tracks")),
    *(f"{lepton}_{x}" for lepton in ("electron", "muon") for x in ("pt", "eta", "phi")),
)


def cpu() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = cpu()
    work()
    return cpu() - start


def generate(folder: Path) -> list[Path]:
    """Real events of all processes and slices of the quickstart."""
    command = [sys.executable, "run_analysis.py", "--config", str(QUICKSTART)]
    command += ["--stage", "generate", "--events", "700", "--output", str(folder), "-q"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return sorted(folder.glob("samples/*.root"))


def repeat(sources: list[Path], events: int, output: Path) -> None:
    """One RNTuple of all sources, as many times as are needed for ``events``."""
    root = load_root()
    once = sum(reader.inspect(str(path)).n_events for path in sources)
    merger = root.TFileMerger(False)
    merger.SetPrintLevel(0)
    zstd = int(root.RCompressionSetting.EAlgorithm.kZSTD)
    merger.OutputFile(str(output), "RECREATE", zstd * 100 + 5)
    merger.AddObjectNames(TREE)
    for _ in range(-(-events // once)):
        for path in sources:
            merger.AddFile(str(path), False)
    kept = root.TFileMerger.kAll | root.TFileMerger.kRegular | root.TFileMerger.kOnlyListed
    with reader.quiet():
        merger.PartialMerge(kept)


def to_tree(source: Path, output: Path) -> None:
    """The same events as a zlib TTree."""
    root = load_root()
    df = root.RDataFrame(TREE, str(source))
    df = df.Redefine("event_number", "(ULong64_t)event_number")  # as the columns of a tree are
    df = df.Redefine("run_number", "(UInt_t)run_number")
    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kTTree
    options.fCompressionAlgorithm = root.RCompressionSetting.EAlgorithm.kZLIB
    options.fCompressionLevel = 1
    df.Snapshot(TREE, str(output), [*NUMBERS, *VECTORS], options)


def bare_read(path: Path) -> None:
    """A loop that touches every branch that imaging reads, and does nothing else."""
    sizes = [f"{name}.size()" for name in VECTORS]
    expression = " + ".join((*NUMBERS, *sizes))
    df = load_root().RDataFrame(TREE, str(path)).Define("touched", f"double({expression})")
    df.Sum["double"]("touched").GetValue()


def make_images(path: Path, output: Path, config: Config) -> None:
    """What one worker and the parent do for a file."""
    file = reader.inspect(str(path))
    with ImageWriter(output) as writer:
        for begin, end in ranges(file.cluster_ends, config.imaging.block_size):
            writer.append(imaging.make_images(file, begin, end, config))


def against_bare_read(paths: dict[str, Path], folder: Path, rounds: int) -> None:
    config = load(QUICKSTART)
    targets = {"RNTuple": 2.0, "TTree": 1.3}
    for name, path in paths.items():
        output = folder / "images.h5"
        n_events = reader.inspect(str(path)).n_events
        read = functools.partial(bare_read, path)
        make = functools.partial(make_images, path, output, config)
        read()
        make()
        bare, images = [], []
        for _ in range(rounds):
            bare.append(seconds(read))
            output.unlink()
            images.append(seconds(make))
        ratio = statistics.median(i / b for i, b in zip(images, bare, strict=True))
        print(
            f"{name}: imaging / bare read = {ratio:.2f} (target {targets[name]}); "
            f"{n_events / statistics.median(images):.0f} and "
            f"{n_events / statistics.median(bare):.0f} events/s; "
            f"{output.stat().st_size / n_events / 1000:.2f} kB an event (target 1.3)"
        )


def against_columnar(paths: dict[str, Path], folder: Path, rounds: int) -> None:
    from benchmarks import columnar

    config = load(QUICKSTART)
    targets = {"RNTuple": 5, "TTree": 2}
    for name, path in paths.items():
        output, other = folder / "images.h5", folder / "columnar.h5"
        make = functools.partial(make_images, path, output, config)
        by_columns = functools.partial(
            columnar.make_images, path, other, seed=config.seed, folds=config.training.folds
        )
        make()
        ratios = []
        for _ in range(rounds):
            output.unlink()
            other.unlink(missing_ok=True)
            ours, theirs = seconds(make), seconds(by_columns)
            ratios.append(theirs / ours)
        print(
            f"{name}: {statistics.median(ratios):.1f} times as fast as columnar Python "
            f"(target {targets[name]}), which makes "
            f"{reader.inspect(str(path)).n_events / theirs:.0f} events/s"
        )


def against_unchecked(paths: dict[str, Path], folder: Path, rounds: int) -> None:
    config = load(QUICKSTART)
    for name, path in paths.items():
        output = folder / "images.h5"
        make = functools.partial(make_images, path, output, config)
        ratios = []
        for number in range(rounds + 1):
            output.unlink(missing_ok=True)
            checked = seconds(make)
            output.unlink()
            with mock.patch.object(reader, "_of_one_length", lambda df, *_: df):
                unchecked = seconds(make)
            if number:  # the first compiles
                ratios.append(checked / unchecked)
        print(f"{name}: with checks of lengths / without = {statistics.median(ratios):.3f}")


def run_stage(inputs: list[Path], folder: Path, *options: str) -> tuple[float, float]:
    """Wall seconds of an imaging run in processes of its own, and the largest peak memory (MB) of
    any of them."""
    arguments = ["--stage", "imaging", "--output", str(folder / "run"), "--process", "Znunu", "-q"]
    files = [part for path in inputs for part in ("--input", str(path))]
    return timed(sys.executable, "run_analysis.py", *arguments, "--force", *files, *options)


def timed(*command: str) -> tuple[float, float]:
    """Wall seconds of a command, and the largest peak memory (MB) of any of its processes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peaks = [0.0]
    while process.poll() is None:
        peaks += [peak_memory(pid) for pid in (process.pid, *children(process.pid))]
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return time.perf_counter() - start, max(peaks)


def peak_memory(pid: int) -> float:
    """Peak resident memory of a process so far, in MB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(x.split()[1]) / 1000 for x in lines if x.startswith("VmHWM")), 0.0)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def slope(path: Path, folder: Path, *options: str) -> float:
    """Wall seconds of further reading of the file, start-up apart."""
    paths = [folder / f"{path.stem}_{i}.root" for i in range(4)]
    for again in paths:
        if not again.exists():
            again.symlink_to(path)
    return (run_stage(paths, folder, *options)[0] - run_stage(paths[:1], folder, *options)[0]) / 3


def speed_up(path: Path, folder: Path, rounds: int, one: list[str], two: list[str]) -> float:
    return statistics.median(
        slope(path, folder, *one) / slope(path, folder, *two) for _ in range(rounds)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    options: Any = parser.parse_args()
    parts = options.parts or PARTS
    declare()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {"RNTuple": folder / "rntuple.root", "TTree": folder / "ttree.root"}
        sources = [options.input] if options.input else generate(folder)
        repeat(sources, options.events, paths["RNTuple"])
        to_tree(paths["RNTuple"], paths["TTree"])
        if "read" in parts:
            against_bare_read(paths, folder, options.rounds)
        if "columnar" in parts:
            against_columnar(paths, folder, min(options.rounds, 3))
        if "checks" in parts:
            against_unchecked(paths, folder, options.rounds)
        for part in ("workers", "threads"):
            if part in parts:
                other = {"workers": "threads", "threads": "workers"}[part]
                one, two = ([f"--{part}", n, f"--{other}", "1"] for n in ("1", "2"))
                ratio = speed_up(paths["RNTuple"], folder, min(options.rounds, 3), one, two)
                target = " (target 1.8)" if part == "workers" else ""
                print(f"two {part} / one = {ratio:.2f}{target}")
        if "memory" in parts:
            for workers in ("1", "2"):
                few, many = (
                    run_stage([paths["RNTuple"]] * n, folder, "--workers", workers)[1]
                    for n in (1, 10)
                )
                print(
                    f"peak memory, {workers} worker(s): {few:.0f} MB, with ten times the events "
                    f"{many:.0f} MB: {many / few:.2f} (target 1.1)"
                )


if __name__ == "__main__":
    main()
