"""Work in parts: the plan, what a task costs, memory, workers, ROOT's distributed RDataFrame.

``python -m benchmarks.batch [--events N] [--input FILE.root] [--rounds N] [PART ...]``

Parts (all by default):

``plan``         a sample of a million remote files, and one of 100,000 local ones, named in a list:
                 time and memory to make its tasks, their keys and the target's fingerprint, and
                 the time of ``--dry-run``; no file is opened.
``overhead``     10,000 tasks on two local Dask workers that do nothing, and 10,000 that write a
                 part of some bytes, joined by the whole driver: milliseconds a task.
``memory``       resident memory of the driver, Dask's scheduler included, by number of tasks; and
                 of a table of scores, as each worker of the cut-flow holds it.
``workers``      imaging by two workers against one, alternating, start-up apart and included, and
                 what two processes that share nothing gain on this machine; the joining of its
                 parts alone; start-up of a worker, seen from inside its tasks.
``distributed``  a histogram after the selection of the signal region: plain tasks against ROOT's
                 distributed RDataFrame on the same two workers, and their contents.

Without ``--input`` real events are generated for the last two, as in `benchmarks.imaging`.
This module is also the product that ``overhead`` and ``memory`` make: parts with nothing in them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from analysis.batch.driver import carry_out
from analysis.batch.engines import Engines
from analysis.batch.plan import Plan
from analysis.batch.shards import read_plan, write_plan
from analysis.batch.worker import Setup
from analysis.config import Batch, Config, Sample, load
from analysis.formats.native import TREE
from analysis.images import imaging
from analysis.images.image_file import ImageWriter
from analysis.images.image_links import ImageLinker
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import ranges as cut
from analysis.rdf.regions import define, require
from analysis.workflow.fingerprint import hash_of_code
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from analysis.workflow.stage import Parts, Stage
from analysis.workflow.target import Target
from benchmarks.imaging import QUICKSTART, REPOSITORY, cpu, generate, repeat, run_stage
from common.runtime import files
from common.tasks import Provenance, Range, Task
from cpp_helpers import declare, load_root
from selections import monojet36
from selections.cuts import Cut, Definition

PARTS = ("plan", "overhead", "memory", "workers", "distributed")
N_FILES = {"remote": 1_000_000, "local": 100_000}
N_TASKS = (1_000, 10_000, 25_000)
N_SCORES = 5_000_000

Merge = Literal["copy", "link"]


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and in brackets the least and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def memory(pid: int | str = "self") -> float:
    """Resident memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def of_files(paths: Sequence[Path], **batch: Any) -> Config:
    """The quickstart with some files as its one sample."""
    sample = Sample(process="Znunu", files=tuple(map(str, paths)))
    config = load(QUICKSTART)
    return config.model_copy(update={"samples": (sample,), "batch": Batch(**batch)})


def stage_named(name: str) -> Stage:
    return partitioned_stage(name)


def in_process(part: str, *arguments: object) -> dict[str, float]:
    """What a function of this module prints as JSON in a process of its own."""
    code = f"import benchmarks.batch as b; b.{part}(*{[str(a) for a in arguments]})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- The plan ----------------------------------------------------------------------------


def planning(folder: Path) -> None:
    names: dict[str, Callable[[int], str]] = {
        "remote": lambda i: f"root://server.example//store/monojet/Znunu/part{i // 1000}/{i}.root",
        "local": lambda i: str(folder / f"files{i // 10_000}" / f"{i}.root"),
    }
    for kind, name in names.items():
        paths = [name(i) for i in range(N_FILES[kind])]
        if kind == "local":
            for path in map(Path, paths):
                path.parent.mkdir(exist_ok=True)
                path.touch()
        listed = folder / f"{kind}.txt"
        listed.write_text("".join(f"{path}\n" for path in paths))
        found = in_process("make_plan", listed, folder / kind)
        print(
            f"{kind}, {N_FILES[kind]} files: fingerprint {found['fingerprint']:.1f} s, plan with "
            f"keys {found['plan']:.1f} s (together: target 60; CPU {found['cpu']:.1f} s), at most "
            f"{found['memory']:.0f} MB; file of the plan {found['bytes'] / 1e6:.0f} MB, written in "
            f"{found['write']:.0f} s, read in {found['read']:.0f} s with "
            f"{found['read_memory']:.0f} MB"
        )
        for state in ("nothing there", "another version there"):
            print(f"{kind}: --stage imaging --dry-run, {state}: {dry_run(listed, folder):.1f} s")
            target = folder / "run" / "images" / "Znunu.h5"
            files.write_text(target, "")
            manifest = {"fingerprint": "another", "outputs": {}}
            files.write_json(target.with_name("Znunu.manifest.json"), manifest)
        shutil.rmtree(folder / "run")


def make_plan(listed: str, output: str) -> None:
    """Plan the imaging of the files in a list (in a process of its own)."""
    stage, run = stage_named("imaging"), Run(of_files([Path(listed)]), Path(output))
    hash_of_code(stage.targets(run)[0].code)
    before, used = memory(), cpu()
    (target,) = stage.targets(run)
    found = {"fingerprint": seconds(lambda: target.fingerprint)}
    plan = Plan(stage, run, target)
    found["plan"] = seconds(lambda: [None for task in plan if not task.key])
    found["cpu"] = cpu() - used
    found["memory"] = peak() - before
    path = Path(output) / "plan.jsonl"
    found["write"] = seconds(lambda: write_plan(path, [plan]))
    found["bytes"] = path.stat().st_size
    before = memory()
    start = time.perf_counter()
    tasks = read_plan(path)
    found["read"] = time.perf_counter() - start
    found["read_memory"] = memory() - before
    found["tasks"] = len(tasks)
    print(json.dumps(found))


def peak() -> float:
    """Peak resident memory of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def dry_run(listed: Path, folder: Path) -> float:
    command = ["run_analysis.py", "--stage", "imaging", "--dry-run", "-q", "--process", "Znunu"]
    command += ["--input", str(listed), "--output", str(folder / "run")]
    run = subprocess.run
    return seconds(
        lambda: run([sys.executable, *command], cwd=REPOSITORY, check=True, capture_output=True)
    )


# --- What a task costs: parts with nothing in them ---------------------------------------

SUFFIX = ".json"
NOTHING = Stage("nothing", "", "", "", "benchmarks.batch", None, (), (), lambda _: [])


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """As many as the target says."""
    return (Range(target.name, str(i), 0, 1) for i in range(target.settings))


def make_part(run: Run, task: Task, path: Path) -> int:
    """Only what a part says of itself."""
    files.write_json(
        path, asdict(Provenance(task.code_settings_hash, task.input_version, task.range.file, 0, 1))
    )
    return 1


def provenance(path: Path) -> Provenance:
    """What a part says of itself."""
    return Provenance(**json.loads(path.read_text()))


def join(run: Run, target: Target, parts: Parts) -> None:
    """Count the parts."""
    files.write_text(target.output, f"{sum(1 for _ in parts)}\n")


def nothing(task: Task) -> int:
    """A task that does nothing."""
    return 0


def tasks_of_nothing(number: int) -> Iterator[Task]:
    return (Task(Range("nothing", str(i), 0, 1), "", "") for i in range(number))


def drive(engines: Engines, run: Run, number: int) -> None:
    """The whole driver: plan, parts, checks, joining, removal of the parts."""
    target = Target("nothing", f"of{number}", run.output / f"{number}.txt", settings=number)
    carry_out(engines, NOTHING, run, [target], lambda _: None)
    assert int(target.output.read_text()) == number


def overhead(folder: Path, rounds: int) -> None:
    number = N_TASKS[1]
    run = Run(load(QUICKSTART), folder / "overhead", workers=2)
    with Engines(run) as engines:
        engine = engines.of(NOTHING, number)

        def bare() -> None:
            assert sum(1 for _ in engine.map(nothing, tasks_of_nothing(number))) == number

        def whole() -> None:
            drive(engines, run, number)

        drive(engines, run, 100)  # all imports are made
        kinds = {"that do nothing": bare, "that write a part, joined": whole}
        for (name, work), _ in itertools.product(kinds.items(), range(rounds)):
            used = cpu()
            wall = seconds(work)
            print(
                f"{number} tasks {name}: {1000 * wall / number:.2f} ms a task (target 5), of which "
                f"{1000 * (cpu() - used) / number:.2f} ms CPU of driver and scheduler"
            )


# --- Memory ------------------------------------------------------------------------------


def memory_by_tasks(folder: Path) -> None:
    for number in N_TASKS:
        found = in_process("driver_memory", number, folder / f"memory{number}")
        print(
            f"driver with {number} tasks: {found['before']:.0f} MB after 100, at most "
            f"{found['most']:.0f} MB, {found['last']:.0f} MB at the end"
        )
    print(f"table of scores: {in_process('score_memory')['bytes']:.0f} B an event and network")


def driver_memory(number: str, output: str) -> None:
    """Memory of this process, which drives tasks that write parts with nothing in them."""
    run = Run(load(QUICKSTART), Path(output), workers=2)
    samples: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            samples.append(memory())

    with Engines(run) as engines:
        drive(engines, run, 100)
        before = memory()
        watching = threading.Thread(target=watch)
        watching.start()
        drive(engines, run, int(number))
        ended.set()
        watching.join()
        last = memory()
    print(json.dumps({"before": before, "most": max(samples), "last": last}))


def score_memory() -> None:
    """Memory of a table of scores."""
    table = declare().score_table(0)
    runs = np.full(N_SCORES, 1, np.uint32)
    events, scores = np.arange(N_SCORES, dtype=np.uint64), np.zeros(N_SCORES, np.float32)
    before = memory()
    table.fill(runs, events, scores, N_SCORES)
    print(json.dumps({"bytes": (memory() - before) * 1e6 / N_SCORES}))


# --- Workers -----------------------------------------------------------------------------


def workers(path: Path, folder: Path, rounds: int) -> None:
    report_machine(path, folder, rounds)
    n_events = reader.inspect(str(path)).n_events
    config = of_files([path])
    merges: tuple[Merge, ...] = ("copy", "link")
    one, two = ({m: Run(config, folder / "out", n, merge=m) for m in merges} for n in (1, 2))
    with Engines(one["copy"]) as of_one, Engines(two["copy"]) as of_two:
        image(of_one, one["copy"])  # everything is compiled
        image(of_two, two["copy"])
        for merge in merges:
            pairs = [(image(of_one, one[merge]), image(of_two, two[merge])) for _ in range(rounds)]
            rates = [n_events / second / 1000 for _, second in pairs]
            print(
                f"--merge {merge}, start-up apart: two workers / one = "
                f"{spread([a / b for a, b in pairs])} (target 1.8); two: {spread(rates, 1)} "
                "thousand events/s"
            )
        report_joining(of_two, two["link"], n_events, rounds)
    for merge in merges:
        options = ("--merge", merge, "--workers")
        times: dict[str, list[float]] = {"1": [], "2": []}
        for _, number in itertools.product(range(min(rounds, 2)), times):
            times[number].append(run_stage([path], folder, *options, number)[0])
            shutil.rmtree(folder / "run")
        ratios = [a / b for a, b in zip(*times.values(), strict=True)]
        print(
            f"--merge {merge}, the whole command: {spread(times['1'], 1)} s and "
            f"{spread(times['2'], 1)} s, ratio {spread(ratios)}"
        )
    start_up(path, folder)


def report_machine(path: Path, folder: Path, rounds: int) -> None:
    """How much faster two processes are that share nothing, each imaging all events."""
    code = f"import benchmarks.batch as b; b.image_when_asked({str(path)!r}, {str(folder)!r})"

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
    print(f"the machine: imaging in two processes that share nothing / one = {spread(ratios)}")


def image_when_asked(path: str, folder: str) -> None:
    """Image all events, once everything is compiled and stdin has ended."""
    inspected = reader.inspect(path)
    run = Run(of_files([Path(path)]), Path(folder))
    output = run.output / f"machine{os.getpid()}.h5"
    for n_events in (10, inspected.n_events):
        task = Task(Range("Znunu", path, 0, n_events), "input_version", "code_settings_hash")
        imaging.make_part(run, task, output)
        if n_events == 10:
            print("ready", flush=True)
            sys.stdin.read()
    output.unlink()


def image(engines: Engines, run: Run) -> float:
    """Wall seconds to make the images of a sample from nothing."""
    shutil.rmtree(run.output, ignore_errors=True)
    stage = stage_named("imaging")
    targets = stage.targets(run)
    return seconds(lambda: carry_out(engines, stage, run, targets, lambda _: None))


def report_joining(engines: Engines, run: Run, n_events: int, rounds: int) -> None:
    """The joining alone, of parts that are there."""
    image(engines, run)
    parts = sorted(run.parts("imaging").glob("*.h5"))
    for writer in (ImageWriter, ImageLinker):
        times, used = [], cpu()
        for _ in range(rounds):
            start = time.perf_counter()
            with writer(run.output / "joined.h5") as joined:
                for part in parts:
                    with h5py.File(part) as file:
                        joined.append_file(file)
            times.append((time.perf_counter() - start) / n_events * 1e6)
        used = (cpu() - used) / rounds / n_events * 1e6
        print(
            f"joining {len(parts)} parts, {writer.__name__}: {spread(times)} µs an event, "
            f"{used:.2f} µs CPU"
        )


@dataclass(frozen=True)
class Timed:
    """Makes the images of a task, and notes how old the process was and how long it took."""

    run: Run
    folder: Path

    def __call__(self, task: Task) -> int:
        """Returns 0."""
        begin = time.time()
        declared = seconds(declare)  # nothing, where the plugin has done it
        imaging.make_part(self.run, task, self.folder / f"{task.key}.h5")
        note = {"pid": os.getpid(), "declared": declared, "begin": begin - born()}
        note |= {"seconds": time.time() - begin}
        files.write_json(self.folder / f"{task.key}.note", note)
        return 0


def born() -> float:
    """When this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    lines = Path("/proc/stat").read_text().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def start_up(path: Path, folder: Path) -> None:
    """Tasks of ten events, each of another file."""
    names = [folder / "links" / f"{i}.root" for i in range(40)]
    names[0].parent.mkdir()
    for name in names:
        name.symlink_to(path.resolve())
    tasks = [
        Task(Range("Znunu", str(name), 0, 10), "input_version", "code_settings_hash")
        for name in names
    ]
    for number in (1, 2):
        run = Run(of_files(names), folder / f"start{number}", workers=number)
        begin = time.perf_counter()
        with Engines(run) as engines:
            engine = engines.of(stage_named("imaging"), len(tasks))
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
    alone = [in_process("plugin")["seconds"] for _ in range(5)]
    print(f"the plugin alone, in a process of its own: {spread(alone)} s (target 3)")


def plugin() -> None:
    """Set up a worker (in a process of its own), with what Dask has imported by then."""
    taken = seconds(lambda: Setup(Path.cwd()).setup(None))
    print(json.dumps({"seconds": taken}))


# --- ROOT's distributed RDataFrame -------------------------------------------------------

MODEL = ("met", "", 75, 0.0, 1500.0)
WEIGHT = Definition("histogram_weight", "weight * sqrt(met)")  # no whole numbers: sums are rounded


def book(df: Any) -> Any:
    """The histogram after the selection of the signal region, step by step as a user would."""
    for definition in (*monojet36.DEFINITIONS, WEIGHT):
        df = df.Define(definition.name, definition.expression)
    return df.Filter(monojet36.SR.expression).Histo1D(MODEL, "met", WEIGHT.name)


def contents(histogram: Any) -> npt.NDArray[np.float64]:
    """Contents and squared errors, under- and overflow included, and the number of entries."""
    bins = range(histogram.GetNbinsX() + 2)
    sums = [(histogram.GetBinContent(i), histogram.GetBinError(i) ** 2) for i in bins]
    return np.array([*itertools.chain(*sums), histogram.GetEntries()])


@dataclass(frozen=True)
class Histogram:
    """A plain task: the histogram of a range, as a part."""

    folder: Path

    def __call__(self, task: Task) -> int:
        """Returns the number of events."""
        where = task.range
        assert where.end is not None
        df = declare().open_range(TREE, [where.file], where.begin, where.end)
        df = define(df, (*monojet36.DEFINITIONS, WEIGHT))
        df = require(df, Cut("SR", monojet36.SR.expression, ""))
        np.save(self.folder / f"{task.key}.npy", contents(df.Histo1D(MODEL, "met", WEIGHT.name)))
        return where.end - where.begin


def distributed(path: Path, folder: Path, rounds: int) -> None:
    root = load_root()
    declare()
    cluster_ends = reader.inspect(str(path)).cluster_ends
    n_parts = 10
    cuts = list(cut(cluster_ends, cluster_ends[-1] // n_parts))
    tasks = [Task(Range("Znunu", str(path), *one), "", "") for one in cuts]
    run = Run(load(QUICKSTART), folder / "distributed", workers=2)

    def locally() -> npt.NDArray[np.float64]:
        return contents(book(root.RDataFrame(TREE, str(path))).GetValue())

    with Engines(run) as engines, tempfile.TemporaryDirectory(dir=folder) as parts:
        engine: Any = engines.of(stage_named("imaging"), len(tasks))
        root.RDF.Distributed.initialize(declare)

        def by_tasks() -> npt.NDArray[np.float64]:
            for _, result in engine.map(Histogram(Path(parts)), tasks):
                assert isinstance(result, int)
            found = [np.load(Path(parts) / f"{task.key}.npy") for task in tasks]
            total: npt.NDArray[np.float64] = np.sum(found, axis=0)
            return total

        def by_root() -> npt.NDArray[np.float64]:
            with contextlib.redirect_stdout(io.StringIO()):  # a bar of progress
                df = root.RDataFrame(TREE, str(path), executor=engine.client, npartitions=n_parts)
                return contents(book(df).GetValue())

        kinds = {"local, one thread": locally, "plain tasks": by_tasks, "distributed": by_root}
        first = {name: seconds(work) for name, work in kinds.items()}
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
