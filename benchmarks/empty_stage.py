"""A stage whose parts are empty, to measure the cost of the tasks themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork, Parts
from analysis.workflow.target import Target
from common.runtime import files
from common.tasks import Provenance, Range, Task


def target_of(run: Run, n_tasks: int) -> Target:
    """Return a target with this number of tasks."""
    return Target(
        "empty", f"of{n_tasks}", run.output / f"{n_tasks}.txt", (__name__,), settings=n_tasks
    )


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """Yield one range for each task."""
    return (Range(target.name, str(i), 0, 1) for i in range(target.settings))


def make_part(run: Run, task: Task, path: Path) -> int:
    """Write the provenance of a part and nothing else."""
    files.write_json(
        path, asdict(Provenance(task.code_settings_hash, task.input_version, task.range.file, 0, 1))
    )
    return 1


def provenance(path: Path) -> Provenance:
    """Read the provenance of a part."""
    return Provenance(**json.loads(path.read_text()))


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Write the number of parts."""
    files.write_text(target.output, f"{sum(1 for _ in parts)}\n")


def do_nothing(task: Task) -> int:
    """Return 0."""
    return 0


def empty_tasks(number: int) -> Iterator[Task]:
    """Yield tasks for `do_nothing`."""
    return (Task(Range("empty", str(i), 0, 1), "", "") for i in range(number))


WORK = PartitionedWork(
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".json"
)


def _work() -> PartitionedWork:
    return WORK


STAGE = PartitionedStage(
    name="empty", summary="", reads="", writes="", targets=lambda run: [], work=_work
)
