"""The plan of many files, the cost of a task and the memory of the driver (`benchmarks.batch`)."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.batch.driver import carry_out
from analysis.batch.engines import Engines
from analysis.batch.plan import Plan, read_plan, write_plan
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from analysis.workflow.source_code import code_of
from benchmarks import empty_stage
from benchmarks.event_files import config_of, quickstart
from benchmarks.measure import (
    REPOSITORY,
    cpu,
    in_process,
    peak_memory,
    resident_memory,
    wall_seconds,
)
from common.runtime import files
from cpp_helpers import declare

N_FILES = {"remote": 1_000_000, "local": 100_000}
N_TASKS = (1_000, 10_000, 25_000)
N_SCORES = 5_000_000


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
        found = in_process(__name__, "make_plan", listed, folder / kind)
        print(
            f"{kind}, {N_FILES[kind]} files: fingerprint {found['fingerprint']:.1f} s, plan with "
            f"keys {found['plan']:.1f} s (sum: target 60; CPU {found['cpu']:.1f} s), peak memory "
            f"{found['memory']:.0f} MB; plan file {found['bytes'] / 1e6:.0f} MB, written in "
            f"{found['write']:.0f} s, read in {found['read']:.0f} s with "
            f"{found['read_memory']:.0f} MB"
        )
        for state in ("no earlier output", "outdated output"):
            print(f"{kind}: --stage imaging --dry-run, {state}: {dry_run(listed, folder):.1f} s")
            target = folder / "run" / "images" / "Znunu.h5"
            files.write_text(target, "")
            manifest = {"fingerprint": "another", "outputs": {}}
            files.write_json(target.with_name("Znunu.manifest.json"), manifest)
        shutil.rmtree(folder / "run")


def make_plan(listed: str, output: str) -> None:
    """Plan the imaging of the files in a list and print the costs, in a process of its own."""
    stage, run = partitioned_stage("imaging"), Run(config_of([Path(listed)]), Path(output))
    stage.work()  # completes all imports
    code_of(stage.targets(run)[0].modules)
    before, used = resident_memory(), cpu()
    (target,) = stage.targets(run)
    found = {"fingerprint": wall_seconds(lambda: target.fingerprint)}
    plan = Plan(stage, run, target)
    found["plan"] = wall_seconds(lambda: [None for task in plan if not task.key])
    found["cpu"] = cpu() - used
    found["memory"] = peak_memory() - before
    path = Path(output) / "plan.jsonl"
    found["write"] = wall_seconds(lambda: write_plan(path, [plan]))
    found["bytes"] = path.stat().st_size
    before = resident_memory()
    start = time.perf_counter()
    tasks = read_plan(path)
    found["read"] = time.perf_counter() - start
    found["read_memory"] = resident_memory() - before
    found["tasks"] = len(tasks)
    print(json.dumps(found))


def dry_run(listed: Path, folder: Path) -> float:
    command = ["run_analysis.py", "--stage", "imaging", "--dry-run", "-q", "--process", "Znunu"]
    command += ["--input", str(listed), "--output", str(folder / "run")]
    run = subprocess.run
    return wall_seconds(
        lambda: run([sys.executable, *command], cwd=REPOSITORY, check=True, capture_output=True)
    )


# --- The cost of a task ------------------------------------------------------------------


def drive(engines: Engines, run: Run, n_tasks: int) -> None:
    """Run the driver on empty parts: plan, parts, checks, merging, removal of the parts."""
    target = empty_stage.target_of(run, n_tasks)
    carry_out(engines, empty_stage.STAGE, run, [target], lambda _: None)
    assert int(target.output.read_text()) == n_tasks


def overhead(folder: Path, rounds: int) -> None:
    number = N_TASKS[1]
    run = Run(quickstart(), folder / "overhead", workers=2)
    with Engines(run) as engines:
        engine = engines.of(empty_stage.STAGE, number)

        def bare() -> None:
            outcomes = engine.map(empty_stage.do_nothing, empty_stage.empty_tasks(number))
            assert sum(1 for _ in outcomes) == number

        def whole() -> None:
            drive(engines, run, number)

        drive(engines, run, 100)  # completes all imports
        kinds = {"that do nothing": bare, "that write a part, merged": whole}
        for (name, work), _ in itertools.product(kinds.items(), range(rounds)):
            used = cpu()
            wall = wall_seconds(work)
            print(
                f"{number} tasks {name}: {1000 * wall / number:.2f} ms per task (target 5), of "
                f"which {1000 * (cpu() - used) / number:.2f} ms CPU of driver and scheduler"
            )


# --- Memory ------------------------------------------------------------------------------


def memory_by_tasks(folder: Path) -> None:
    for number in N_TASKS:
        found = in_process(__name__, "driver_memory", number, folder / f"memory{number}")
        print(
            f"driver with {number} tasks: {found['before']:.0f} MB after 100, at most "
            f"{found['most']:.0f} MB, {found['last']:.0f} MB at the end"
        )
    size = in_process(__name__, "score_memory")["bytes"]
    print(f"table of scores: {size:.0f} B per event and network")


def driver_memory(number: str, output: str) -> None:
    """Print the memory of this process, which drives tasks that write empty parts."""
    run = Run(quickstart(), Path(output), workers=2)
    samples: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            samples.append(resident_memory())

    with Engines(run) as engines:
        drive(engines, run, 100)
        before = resident_memory()
        watching = threading.Thread(target=watch)
        watching.start()
        drive(engines, run, int(number))
        ended.set()
        watching.join()
        last = resident_memory()
    print(json.dumps({"before": before, "most": max([before, *samples]), "last": last}))


def score_memory() -> None:
    """Print the memory of a table of scores per event."""
    table = declare().score_table(0)
    runs = np.full(N_SCORES, 1, np.uint32)
    events, scores = np.arange(N_SCORES, dtype=np.uint64), np.zeros(N_SCORES, np.float32)
    before = resident_memory()
    table.fill(runs, events, scores, N_SCORES)
    print(json.dumps({"bytes": (resident_memory() - before) * 1e6 / N_SCORES}))
