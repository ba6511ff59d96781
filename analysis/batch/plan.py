"""The plan of a stage: a deterministic list of tasks, and which of their parts exist."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from analysis.pipeline import Run, Stage, Target
from common.errors import BatchError, ConfigError
from common.tasks import Part, Product, Task, part_name


def product_of(stage: Stage) -> Product:
    """The module of a stage that works in parts.

    Raises:
        ConfigError: the stage does not.
    """
    if not stage.in_parts:
        raise ConfigError(f"stage '{stage.name}' does not work in parts: run it without --cluster")
    return cast(Product, import_module(stage.module))


@dataclass(frozen=True)
class Plan:
    """The tasks of one target and the folder of their parts. Nothing is kept in memory that grows
    with the number of tasks but the names of files."""

    stage: Stage
    run: Run
    target: Target

    @property
    def product(self) -> Product:
        """What makes and joins the parts."""
        return product_of(self.stage)

    @property
    def folder(self) -> Path:
        """Where the parts lie."""
        return self.run.parts(self.stage.name)

    def __iter__(self) -> Iterator[Task]:
        identity_file, identity = None, ""
        for found in self.product.ranges(self.run, self.target):
            if found.file != identity_file:
                identity_file, identity = found.file, self.target.identity_of(found.file)
            yield Task(found, identity, self.target.recipe)

    @property
    def single(self) -> bool:
        """Whether there is one task only."""
        return len(list(itertools.islice(self, 2))) == 1

    def path(self, task: Task) -> Path:
        """The file of a task's part."""
        return self.folder / self.name(task)

    def name(self, task: Task) -> str:
        """The name of that file."""
        return part_name(task.range.sample, task.key, self.product.SUFFIX)


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
    if not plan.product.provenance(part.path).is_of(part.task):
        raise BatchError(
            f"{part.path}: a part of another plan under this name: remove it and run again"
        )


_KEY = re.compile(r"\.([0-9a-f]{20})\.(h5|json|root)$")


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
        match = _KEY.search(path.name)
        if match is None or path.name.startswith("."):
            continue
        key = match[1]
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
