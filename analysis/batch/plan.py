"""The plan of a stage: a deterministic list of tasks, in a file once it is submitted, and which of
their parts exist."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.workflow.fingerprint import hash_of_file
from analysis.workflow.run import Run
from analysis.workflow.stage import AnyStage, PartitionedStage, PartitionedWork
from analysis.workflow.target import Target
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError
from common.tasks import Part, Range, Task, part_name

log = logging.getLogger("monojet")


@dataclass(frozen=True)
class Plan:
    """The tasks of one target and the folder of their parts. Nothing is kept in memory that grows
    with the number of tasks but the names of files, unless they are those that were submitted."""

    stage: PartitionedStage
    run: Run
    target: Target
    submitted: Sequence[Task] | None = None

    @property
    def work(self) -> PartitionedWork:
        """Return how parts are made and merged."""
        return self.stage.work()

    @property
    def folder(self) -> Path:
        """Where the parts lie."""
        return self.run.parts(self.stage.name)

    def __iter__(self) -> Iterator[Task]:
        if self.submitted is not None:
            yield from self.submitted
            return
        last, input_version = None, ""
        for found in self.work.ranges(self.run, self.target):
            if found.file != last:
                last, input_version = found.file, self.target.input_version(found.file)
            yield Task(found, input_version, self.target.code_settings_hash)

    @property
    def single(self) -> bool:
        """Whether there is one task only."""
        return len(list(itertools.islice(self, 2))) == 1

    def path(self, task: Task) -> Path:
        """The file of a task's part."""
        return self.folder / self.name(task)

    def name(self, task: Task) -> str:
        """The name of that file."""
        return part_name(task.range.sample, task.key, self.work.suffix)


@dataclass(frozen=True)
class Shard:
    """Number ``index`` of ``count`` shards."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``i/n``.

        Raises:
            ConfigError: it is not of this form, or not 0 <= i < n.
        """
        index, _, count = text.partition("/")
        if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
            raise ConfigError(f"--shard {text}: not of the form i/n with 0 <= i < n")
        return cls(int(index), int(count))

    def of(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The shard's tasks."""
        n = len(tasks)
        return tasks[self.index * n // self.count : (self.index + 1) * n // self.count]


def plan_file(stage: AnyStage, run: Run) -> Path:
    """Where the tasks lie that were submitted."""
    return run.output.absolute() / "submit" / stage.name / "plan.jsonl"


def plans_of(stage: PartitionedStage, run: Run, targets: Iterable[Target]) -> list[Plan]:
    """The plans of targets. Where one was submitted with these options, inputs and code, it counts:
    another ``batch.task_size`` would make other parts than those that the jobs make."""
    try:
        found = recorded(plan_file(stage, run))
    except BatchError:
        return [Plan(stage, run, target) for target in targets]
    plans = []
    for target in targets:
        same = found.targets.get(target.code_settings_hash) == version(target)
        tasks = (
            [task for task in found.tasks if task.code_settings_hash == target.code_settings_hash]
            if same
            else None
        )
        plans.append(Plan(stage, run, target, tasks))
    size = run.config.batch.task_size
    if size != found.task_size and any(plan.submitted is not None for plan in plans):
        log.info(
            "%s: the tasks are those that were submitted, with a task size of %d, not %d",
            stage.name,
            found.task_size,
            size,
        )
    return plans


@dataclass(frozen=True)
class Recorded:
    """What a plan file says: the tasks, the versions of their targets by code_settings_hash, and the number of
    events a task."""

    path: Path
    tasks: list[Task]
    targets: Mapping[str, str]
    task_size: int


def version(target: Target) -> str:
    """What a plan of a target depends on: its code_settings_hash and all inputs; those that the run has made
    may have changed in size alone, without files that could not be read."""
    sizes = [
        path.stat().st_size if path.exists() else 0
        for upstream in target.upstream
        for path in upstream.outputs
    ]
    return " ".join(map(str, (target.fingerprint, *sizes)))


def write_plan(path: Path, plans: Sequence[Plan]) -> list[Task]:
    """Write the tasks of a stage, one a line of JSON after a first line that tells the code;
    returns the tasks."""
    head = {
        "code": {path: one for plan in plans for path, one in plan.target.code.items()},
        "targets": {plan.target.code_settings_hash: version(plan.target) for plan in plans},
        "task_size": plans[0].run.config.batch.task_size,
    }
    tasks = [task for plan in plans for task in plan]
    with files.whole(path) as partial, partial.open("w") as file:
        file.write(json.dumps(head) + "\n")
        for task in tasks:
            file.write(json.dumps(asdict(task)) + "\n")
    return tasks


def read_plan(path: Path) -> list[Task]:
    """The tasks of a plan file.

    Raises:
        BatchError: it cannot be read, or the code has changed since it was written.
    """
    return recorded(path).tasks


def recorded(path: Path) -> Recorded:
    """What a plan file says.

    Raises:
        BatchError: it cannot be read, or the code has changed since it was written.
    """
    try:
        with path.open() as file:
            head = json.loads(next(file))
            changed = [path for path, one in head["code"].items() if hash_of_file(path) != one]
            tasks = [_task(json.loads(line)) for line in file]
        found = Recorded(path, tasks, head["targets"], int(head["task_size"]))
    except (OSError, StopIteration, ValueError, TypeError, KeyError) as error:
        raise BatchError(f"{path}: not a plan: {error}") from error
    if changed:
        raise BatchError(
            f"{path}: the plan was written by a different version of {changed[0]}: submit again"
        )
    return found


def _task(data: dict[str, Any]) -> Task:
    return Task(Range(**data["range"]), data["input_version"], data["code_settings_hash"])


def part_names(folder: Path) -> set[str]:
    """The names of the parts in a folder."""
    try:
        return {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}
    except FileNotFoundError:
        return set()


def check(plan: Plan, part: Part) -> None:
    """Make sure that a part is what its name says.

    Raises:
        BatchError: it cannot be read, or was made by another plan.
    """
    if not plan.work.provenance(part.path).is_of(part.task):
        raise BatchError(
            f"{part.path}: a part of another plan under this name: remove it and run again"
        )


_KEY = re.compile(r"\.([0-9a-f]{20})\.(h5|json|root)$")


def key_of(path: Path) -> str | None:
    """The key of a part; None for other files."""
    match = _KEY.search(path.name)
    return None if match is None or path.name.startswith(".") else match[1]


def is_part(name: str, samples: Collection[str]) -> bool:
    """Whether a file has the name of a part of one of these samples."""
    return _KEY.search(name) is not None and name.split(".")[0] in samples


def size_of(parts: Iterable[Path]) -> str:
    """How much some parts hold, as text."""
    return f"{sum(part.stat().st_size for part in parts) / 1e6:.1f} MB"


FAILED = ".failed.json"


def failure_record(part: Path) -> Path:
    """Where it is noted that a task failed, and why."""
    return part.with_name(part.name + FAILED)


def failures(folder: Path) -> Iterator[tuple[str, str]]:
    """Name of the part and error of each task that failed and has not succeeded since."""
    for path in sorted(folder.rglob(f"*{FAILED}")):
        part = path.with_name(path.name.removesuffix(FAILED))
        if not part.exists():
            yield part.name, str(json.loads(path.read_text())["error"])


def collect(
    plans: Iterable[Plan], folders: Iterable[Path], failed: Collection[str] = ()
) -> dict[str, Path]:
    """The part of each task, by key, from several folders (searched to any depth); those whose
    names are in ``failed`` may be missing.

    Raises:
        BatchError: a part is missing, there twice, or of no task of the plans.
    """
    tasks = {task.key: (plan.name(task), str(task)) for plan in plans for task in plan}
    found: dict[str, Path] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        key = key_of(path)
        if key is None:
            continue
        if key not in tasks:
            raise BatchError(
                f"{path}: a foreign part, of another configuration, code or input: remove it"
            )
        if key in found:
            raise BatchError(f"{path}: a duplicate of the part {found[key]}: remove one")
        found[key] = path
    missing = [
        text for key, (name, text) in tasks.items() if key not in found and name not in failed
    ]
    if missing:
        raise BatchError(
            f"{len(missing)} of {len(tasks)} parts are missing, the first of {missing[0]}: "
            "run the tasks again (--resubmit-failed, or without --gather)"
        )
    return found
