"""Imaging by Dask workers, and ROOT's distributed RDataFrame on them (`benchmarks.batch`)."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from analysis.batch.driver import carry_out
from analysis.batch.engines import Engines
from analysis.batch.worker import Setup
from analysis.formats.columns import own, renamed
from analysis.formats.native import TREE
from analysis.images import imaging
from analysis.images.image_file import ImageWriter
from analysis.images.image_links import ImageLinker
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import ranges as cut
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from benchmarks.event_files import config_of, quickstart, run_imaging
from benchmarks.measure import REPOSITORY, cpu, in_process, spread, wall_seconds
from common.runtime import files
from common.tasks import Range, Task
from cpp_helpers import declare, load_root
from selections import monojet36
from selections.cuts import Definition

Merge = Literal["copy", "link"]


# --- Workers -----------------------------------------------------------------------------


def workers(path: Path, folder: Path, rounds: int) -> None:
    report_machine(path, folder, rounds)
    n_events = reader.inspect(str(path)).n_events
    config = config_of([path])
    merges: tuple[Merge, ...] = ("copy", "link")
    one, two = ({m: Run(config, folder / "out", n, merge=m) for m in merges} for n in (1, 2))
    with Engines(one["copy"]) as of_one, Engines(two["copy"]) as of_two:
        image(of_one, one["copy"])  # compiles everything
        image(of_two, two["copy"])
        for merge in merges:
            pairs = [(image(of_one, one[merge]), image(of_two, two[merge])) for _ in range(rounds)]
            rates = [n_events / second / 1000 for _, second in pairs]
            print(
                f"--merge {merge}, without start-up: two workers / one = "
                f"{spread([a / b for a, b in pairs])} (target 1.8); two: {spread(rates, 1)} "
                "thousand events/s"
            )
        report_merging(of_two, two["link"], n_events, rounds)
    for merge in merges:
        options = ("--merge", merge, "--workers")
        times: dict[str, list[float]] = {"1": [], "2": []}
        for _, number in itertools.product(range(min(rounds, 2)), times):
            times[number].append(run_imaging([path], folder, *options, number)[0])
            shutil.rmtree(folder / "run")
        ratios = [a / b for a, b in zip(*times.values(), strict=True)]
        print(
            f"--merge {merge}, complete command: {spread(times['1'], 1)} s and "
            f"{spread(times['2'], 1)} s, ratio {spread(ratios)}"
        )
    start_up(path, folder)


def report_machine(path: Path, folder: Path, rounds: int) -> None:
    """Measure the gain of two independent processes, each imaging all events."""
    code = (
        f"import benchmarks.batch_workers as b; b.image_when_asked({str(path)!r}, {str(folder)!r})"
    )

    def work(number: int) -> float:
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started = [
            subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, **pipes)
            for _ in range(number)
        ]
        for process in started:
            assert "ready\n" in iter(process.stdout.readline, "")
        start = time.perf_counter()
        for process in started:
            process.stdin.close()
        assert [process.wait() for process in started] == [0] * number
        return time.perf_counter() - start

    ratios = [2 * work(1) / work(2) for _ in range(rounds)]
    print(f"the machine: imaging in two independent processes / one = {spread(ratios)}")


def image_when_asked(path: str, folder: str) -> None:
    """Image all events, after everything is compiled and stdin has ended."""
    inspected = reader.inspect(path)
    run = Run(config_of([Path(path)]), Path(folder))
    output = run.output / f"machine{os.getpid()}.h5"
    for n_events in (10, inspected.n_events):
        task = Task(Range("Znunu", path, 0, n_events), "input_version", "code_settings_hash")
        imaging.make_part(run, task, output)
        if n_events == 10:
            print("ready", flush=True)
            sys.stdin.read()
    output.unlink()


def image(engines: Engines, run: Run) -> float:
    """Return the wall-clock seconds to make the images of a sample without earlier output."""
    shutil.rmtree(run.output, ignore_errors=True)
    stage = partitioned_stage("imaging")
    targets = stage.targets(run)
    return wall_seconds(lambda: carry_out(engines, stage, run, targets, lambda _: None))


def report_merging(engines: Engines, run: Run, n_events: int, rounds: int) -> None:
    """Measure only the merging of existing parts."""
    image(engines, run)
    parts = sorted(run.parts("imaging").glob("*.h5"))
    for writer in (ImageWriter, ImageLinker):
        times, used = [], cpu()
        for _ in range(rounds):
            start = time.perf_counter()
            with writer(run.output / "merged.h5") as merged:
                for part in parts:
                    with h5py.File(part) as file:
                        merged.append_file(file)
            times.append((time.perf_counter() - start) / n_events * 1e6)
        used = (cpu() - used) / rounds / n_events * 1e6
        print(
            f"merging {len(parts)} parts, {writer.__name__}: {spread(times)} µs per event, "
            f"{used:.2f} µs CPU"
        )


@dataclass(frozen=True)
class Timed:
    """Make the images of a task, and write the age of the process and the time it took."""

    run: Run
    folder: Path

    def __call__(self, task: Task) -> int:
        """Return 0."""
        begin = time.time()
        declared = wall_seconds(declare)  # nothing if the plugin has done it
        imaging.make_part(self.run, task, self.folder / f"{task.key}.h5")
        note = {"pid": os.getpid(), "declared": declared, "begin": begin - born()}
        note |= {"seconds": time.time() - begin}
        files.write_json(self.folder / f"{task.key}.note", note)
        return 0


def born() -> float:
    """Return the time at which this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    lines = Path("/proc/stat").read_text().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def start_up(path: Path, folder: Path) -> None:
    """Measure tasks of ten events, each of another file."""
    names = [folder / "links" / f"{i}.root" for i in range(40)]
    names[0].parent.mkdir()
    for name in names:
        name.symlink_to(path.resolve())
    tasks = [
        Task(Range("Znunu", str(name), 0, 10), "input_version", "code_settings_hash")
        for name in names
    ]
    for number in (1, 2):
        run = Run(config_of(names), folder / f"start{number}", workers=number)
        begin = time.perf_counter()
        with Engines(run) as engines:
            engine = engines.of(partitioned_stage("imaging"), len(tasks))
            ready = time.perf_counter() - begin
            for task, result in engine.map(Timed(run, run.output / "notes"), tasks):
                if isinstance(result, Exception):
                    raise RuntimeError(f"{task}: {result}") from result
        notes = [json.loads(note.read_text()) for note in (run.output / "notes").glob("*.note")]
        notes.sort(key=lambda note: float(note["begin"]))
        first, further = {}, []
        for note in notes:
            if note["pid"] in first:
                further.append(note["seconds"])
            else:
                first[note["pid"]] = note
        print(
            f"workers: {number}, helpers declared after {ready:.1f} s; from the start of a worker "
            f"to its first task {spread([n['begin'] for n in first.values()], 1)} s; that task, "
            "which compiles the selection, "
            f"{spread([n['seconds'] for n in first.values()], 1)} s; each further file "
            f"{spread(further, 3)} s (target 0.1)"
        )
    alone = [in_process(__name__, "plugin")["seconds"] for _ in range(5)]
    print(f"the plugin only, in a process of its own: {spread(alone)} s (target 3)")


def plugin() -> None:
    """Set up a worker and print the time, in a process of its own."""
    taken = wall_seconds(lambda: Setup(Path.cwd()).setup(None))
    print(json.dumps({"seconds": taken}))


# --- ROOT's distributed RDataFrame -------------------------------------------------------

MODEL = ("met", "", 75, 0.0, 1500.0)
WEIGHT = Definition(
    "histogram_weight", "weight * sqrt(met_no_muons)"
)  # not integers: sums are rounded


def book(df: Any) -> Any:
    """Return the histogram after the signal-region selection, booked step by step as by a user."""
    for definition in (*monojet36.DEFINITIONS, WEIGHT):
        df = df.Define(definition.name, definition.expression)
    return df.Filter(monojet36.SR.expression).Histo1D(MODEL, "met_no_muons", WEIGHT.name)


def contents(histogram: Any) -> npt.NDArray[np.float64]:
    """Return contents and squared errors, with under- and overflow, and the number of entries."""
    bins = range(histogram.GetNbinsX() + 2)
    sums = [(histogram.GetBinContent(i), histogram.GetBinError(i) ** 2) for i in bins]
    return np.array([*itertools.chain(*sums), histogram.GetEntries()])


@dataclass(frozen=True)
class Histogram:
    """Write the histogram of a range as a part."""

    folder: Path

    def __call__(self, task: Task) -> int:
        """Return the number of events."""
        where = task.range
        assert where.end is not None
        df = declare().open_range(TREE, [where.file], where.begin, where.end)
        names: dict[str, str] = {}
        for one in (*monojet36.DEFINITIONS, WEIGHT):
            df = df.Define(own(one.name), renamed(one.expression, names))
            names[one.name] = own(one.name)
        df = df.Filter(renamed(monojet36.SR.expression, names))
        np.save(
            self.folder / f"{task.key}.npy",
            contents(df.Histo1D(MODEL, "met_no_muons", own(WEIGHT.name))),
        )
        return where.end - where.begin


def distributed(path: Path, folder: Path, rounds: int) -> None:
    root = load_root()
    declare()
    cluster_ends = reader.inspect(str(path)).cluster_ends
    n_parts = 10
    cuts = list(cut(cluster_ends, cluster_ends[-1] // n_parts))
    tasks = [Task(Range("Znunu", str(path), *one), "", "") for one in cuts]
    run = Run(quickstart(), folder / "distributed", workers=2)

    def locally() -> npt.NDArray[np.float64]:
        return contents(book(root.RDataFrame(TREE, str(path))).GetValue())

    with Engines(run) as engines, tempfile.TemporaryDirectory(dir=folder) as parts:
        engine: Any = engines.of(partitioned_stage("imaging"), len(tasks))
        root.RDF.Distributed.initialize(declare)

        def by_tasks() -> npt.NDArray[np.float64]:
            for _, result in engine.map(Histogram(Path(parts)), tasks):
                assert isinstance(result, int)
            found = [np.load(Path(parts) / f"{task.key}.npy") for task in tasks]
            total: npt.NDArray[np.float64] = np.sum(found, axis=0)
            return total

        def by_root() -> npt.NDArray[np.float64]:
            with contextlib.redirect_stdout(io.StringIO()):  # hides ROOT's progress bar
                df = root.RDataFrame(TREE, str(path), executor=engine.client, npartitions=n_parts)
                return contents(book(df).GetValue())

        kinds = {"local, one thread": locally, "plain tasks": by_tasks, "distributed": by_root}
        first = {name: wall_seconds(work) for name, work in kinds.items()}
        times: dict[str, list[float]] = {name: [] for name in kinds}
        found = {}
        for _ in range(rounds):
            for name, work in kinds.items():
                start = time.perf_counter()
                found[name] = work()
                times[name].append(time.perf_counter() - start)
    expected = found["local, one thread"]
    for name in kinds:
        off = np.max(np.abs(found[name] - expected) / np.maximum(np.abs(expected), 1e-300))
        print(
            f"histogram, {name}: {spread(times[name])} s, the first time {first[name]:.1f} s; "
            f"largest relative difference {off:.1e}, {found[name][-1]:.0f} entries"
        )
