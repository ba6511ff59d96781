"""The plan of a stage, a deterministic list of tasks: its file once submitted, and its parts."""

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

from analysis.workflow.run import Run
from analysis.workflow.source_code import hash_of_file
from analysis.workflow.stage import AnyStage, PartitionedStage, PartitionedWork
from analysis.workflow.target import LAYOUT, OLDER, Target
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError
from common.tasks import Part, Range, Task, part_name

log = logging.getLogger("monojet")


@dataclass(frozen=True)
class Plan:
    """The tasks of one target, and the folder of their parts.

    Tasks are generated on the fly, so that memory does not grow with their number; those that were
    ``submitted`` are kept in memory.
    """

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
        """Return the folder of the parts."""
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
        """Return whether the plan has only one task."""
        return len(list(itertools.islice(self, 2))) == 1

    def path(self, task: Task) -> Path:
        """Return the file of a task's part."""
        return self.folder / self.name(task)

    def name(self, task: Task) -> str:
        """Return the name of that file."""
        return part_name(task.range.sample, task.key, self.work.suffix)


@dataclass(frozen=True)
class Shard:
    """Number ``index`` of ``count`` shards."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse ``i/n``.

        Raises:
            ConfigError: the text has another form, or not 0 <= i < n.
        """
        index, _, count = text.partition("/")
        if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
            raise ConfigError(f"--shard {text}: must have the form i/n with 0 <= i < n")
        return cls(int(index), int(count))

    def of(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Return the tasks of the shard."""
        n = len(tasks)
        return tasks[self.index * n // self.count : (self.index + 1) * n // self.count]


def plan_file(stage: AnyStage, run: Run) -> Path:
    """Return the file of the submitted tasks."""
    return run.output.absolute() / "submit" / stage.name / "plan.jsonl"


def plans_of(stage: PartitionedStage, run: Run, targets: Iterable[Target]) -> list[Plan]:
    """Return the plans of targets.

    A plan that was submitted with the same options, inputs and code takes precedence: with another
    ``batch.task_size`` its jobs would make different parts.
    """
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
            "%s: using the submitted tasks, with a task size of %d instead of %d",
            stage.name,
            found.task_size,
            size,
        )
    return plans


@dataclass(frozen=True)
class Recorded:
    """The content of a plan file: the tasks, the versions of their targets by
    ``code_settings_hash``, and the number of events per task."""

    path: Path
    tasks: list[Task]
    targets: Mapping[str, str]
    task_size: int


def version(target: Target) -> str:
    """Return the version of a target on which its plan depends: fingerprint and sizes of inputs.

    Sizes count because inputs made by this run can differ with the same fingerprint, if unreadable
    files were skipped.
    """
    sizes = [
        path.stat().st_size if path.exists() else 0
        for upstream in target.upstream
        for path in upstream.outputs
    ]
    return " ".join(map(str, (target.fingerprint, *sizes)))


def write_plan(path: Path, plans: Sequence[Plan]) -> list[Task]:
    """Write the tasks of a stage as JSON, one per line, after a line with their versions.

    Return the tasks.
    """
    head = {
        "layout": LAYOUT,
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
    """Return the tasks of a plan file.

    Raises:
        BatchError: it cannot be read, or the code has changed since it was written.
    """
    return recorded(path).tasks


def recorded(path: Path) -> Recorded:
    """Return the content of a plan file.

    Raises:
        BatchError: it cannot be read, or the code has changed since it was written.
    """
    try:
        with path.open() as file:
            head = json.loads(next(file))
            if head.get("layout") != LAYOUT:
                raise BatchError(f"{path}: {OLDER}: submit again")
            changed = [path for path, one in head["code"].items() if hash_of_file(path) != one]
            tasks = [_task(json.loads(line)) for line in file]
        found = Recorded(path, tasks, head["targets"], int(head["task_size"]))
    except (OSError, StopIteration, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BatchError(f"{path}: not a plan: {error}") from error
    if changed:
        raise BatchError(
            f"{path}: the plan was written by a different version of {changed[0]}: submit again"
        )
    return found


def _task(data: dict[str, Any]) -> Task:
    return Task(Range(**data["range"]), data["input_version"], data["code_settings_hash"])


def part_names(folder: Path) -> set[str]:
    """Return the names of the parts in a folder."""
    try:
        return {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}
    except FileNotFoundError:
        return set()


def check(plan: Plan, part: Part) -> None:
    """Make sure that a part matches its name.

    Raises:
        BatchError: it cannot be read, or was made by another plan.
    """
    if not plan.work.provenance(part.path).matches(part.task):
        raise BatchError(
            f"{part.path}: belongs to another plan despite its name: remove it and run again"
        )


_KEY = re.compile(r"\.([0-9a-f]{20})\.(h5|json|root)$")


def key_of(path: Path) -> str | None:
    """Return the key of a part; None for other files."""
    match = _KEY.search(path.name)
    return None if match is None or path.name.startswith(".") else match[1]


def is_part(name: str, samples: Collection[str]) -> bool:
    """Return whether a file name is that of a part of one of these samples."""
    return _KEY.search(name) is not None and name.split(".")[0] in samples


def size_of(parts: Iterable[Path]) -> str:
    """Return the total size of some parts, as text."""
    return f"{sum(part.stat().st_size for part in parts) / 1e6:.1f} MB"


FAILED = ".failed.json"


def failure_record(part: Path) -> Path:
    """Return the file that records the failure of a task."""
    return part.with_name(part.name + FAILED)


def failures(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the part's name and the error of each task that failed and has not succeeded since."""
    for path in sorted(folder.rglob(f"*{FAILED}")):
        part = path.with_name(path.name.removesuffix(FAILED))
        if not part.exists():
            yield part.name, str(json.loads(path.read_text())["error"])


def collect(
    plans: Iterable[Plan], folders: Iterable[Path], failed: Collection[str] = ()
) -> dict[str, Path]:
    """Return the part of each task, by key, from several folders and their subfolders.

    Parts whose names are in ``failed`` may be missing.

    Raises:
        BatchError: a part is missing, duplicate, or belongs to no task of the plans.
    """
    tasks = {task.key: (plan.name(task), str(task)) for plan in plans for task in plan}
    found: dict[str, Path] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        key = key_of(path)
        if key is None:
            continue
        if key not in tasks:
            raise BatchError(
                f"{path}: foreign part, from another configuration, code or input: remove it"
            )
        if key in found:
            raise BatchError(f"{path}: duplicate of the part {found[key]}: remove one of them")
        found[key] = path
    missing = [
        text for key, (name, text) in tasks.items() if key not in found and name not in failed
    ]
    if missing:
        raise BatchError(
            f"{len(missing)} of {len(tasks)} parts are missing, first that of {missing[0]}: "
            "make them with --resubmit-failed, or run without --gather"
        )
    return found
