"""Make runs to submit, and read the submit files and the status of their jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.batch.plan import Shard, read_plan
from analysis.batch.shards import run_shard
from analysis.batch.status import status
from analysis.config import Config
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from tests.conftest import WriteEvents

RunOf = Callable[..., Run]
GENERATE, IMAGING = (partitioned_stage(name) for name in ("generate", "imaging"))


def with_batch(run: Run, **settings: object) -> Run:
    batch = run.config.batch.model_copy(update=settings)
    return replace(run, config=run.config.model_copy(update={"batch": batch}))


def five_tasks(write_events: WriteEvents, run_of: RunOf) -> Run:
    """Return a run of five tasks: three files, one with a space in its name and cut in three."""
    names = {"a.root": 20, "b c.root": 50, "d.root": 10}
    made = run_of(Znunu=[write_events(name, n_events=n) for name, n in names.items()])
    return with_batch(made, task_size=20)


def two_blocks(config: Config, path: Path) -> Run:
    """Return a run that generates two small blocks of events."""
    sample = config.samples[0].model_copy(update={"events": 10})
    settings = config.generation.model_copy(update={"block_size": 5})
    update = {"samples": (sample,), "generation": settings}
    return Run(config.model_copy(update=update), path)


def folder_of(run: Run, stage: str = "imaging") -> Path:
    return run.output / "submit" / stage


def make_parts(run: Run, *shards: str) -> None:
    """Make the parts of shards in this process."""
    tasks = read_plan(folder_of(run) / "plan.jsonl")
    for shard in shards:
        run_shard(IMAGING, run, Shard.parse(shard).of(tasks))


def look(run: Run, *folders: Path) -> str:
    return status(IMAGING, run, folders)


def numbers(text: str) -> list[int]:
    """Return tasks, done, failed and missing of the one sample in a status table."""
    found = states(text)
    return [found[name] for name in ("tasks", "done", "failed", "missing")]


def states(text: str) -> dict[str, int]:
    """Return the row of the one sample in a status table."""
    columns, row = (x for x in text.splitlines() if x.startswith(("Znunu", "sample")))
    return dict(zip(columns.split()[1:], map(int, row.split()[1:]), strict=True))


def parsed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], list[Any]]:
    """Return the commands and the variables of each job as HTCondor reads the submit file."""
    monkeypatch.setenv("CONDOR_CONFIG", "ONLY_ENV")
    htcondor = pytest.importorskip("htcondor2")
    monkeypatch.chdir(folder)
    found = htcondor.Submit(Path("job.sub").read_text())
    return dict(found), list(found.itemdata(found.getQArgs()))


def program(path: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the path, with no others but those of the system."""
    path.mkdir(exist_ok=True)
    (path / name).write_text(f"#!/bin/sh\n{script}\n")
    (path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
