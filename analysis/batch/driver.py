"""Carry out a stage that works in parts: an engine makes the missing parts, which are merged in the
order of the plan as they become ready."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.batch.engines import Engines
from analysis.batch.plan import (
    Plan,
    check,
    collect,
    failures,
    is_part,
    part_names,
    plans_of,
    size_of,
)
from analysis.workflow.execute import to_make
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError, InputError, MonojetError, OutputError
from common.runtime.progress import TaskProgress
from common.tasks import Part, Skipped, Task, part_name

log = logging.getLogger("monojet")

_SHOWN = 10  # failures that are named one by one


@dataclass(frozen=True)
class Maker:
    """The function that makes the part of a task, as sent to the workers.

    ``work`` imports and returns the functions of the stage (`PartitionedStage.work`). ``writer`` is
    the process that created this object: workers write files in its name.
    """

    work: Callable[[], PartitionedWork]
    run: Run
    folder: Path
    writer: str = files.WRITER

    def __call__(self, task: Task) -> int:
        """Make the part of a task; return the number of events, 0 if the part exists already."""
        work = self.work()
        path = self.folder / part_name(task.range.sample, task.key, work.suffix)
        if path.exists():
            return 0
        with files.written_by(self.writer):
            return work.make_part(self.run, task, path)


class _FailedError(Exception):
    """A required part could not be made."""


class _Work:
    """The outcomes of the tasks of all plans of a stage."""

    def __init__(
        self, stage: PartitionedStage, run: Run, plans: Sequence[Plan], engines: Engines
    ) -> None:
        self.plans, self.run = plans, run
        self.existing = part_names(run.parts(stage.name))
        self.ended: dict[str, MonojetError | None] = {}  # by key, until merged
        self.failures: list[tuple[Task, MonojetError]] = []
        missing = n_existing = 0
        samples = set()
        for plan in plans:
            for task in plan:
                samples.add(task.range.sample)
                if self._exists(plan, task):
                    n_existing += 1
                else:
                    missing += 1
        others = sum(is_part(name, samples) for name in self.existing) - n_existing
        if others:
            log.info(
                "%s: ignoring %d existing parts with another task size, configuration or code; "
                "they are removed once the output is made",
                stage.name,
                others,
            )
        maker = Maker(stage.work, run, run.parts(stage.name))
        self.outcomes = engines.of(stage, missing).map(maker, self._missing())
        self.bar = TaskProgress(stage.name, missing)

    def _missing(self) -> Iterator[Task]:
        return (task for plan in self.plans for task in plan if not self._exists(plan, task))

    def _exists(self, plan: Plan, task: Task) -> bool:
        return plan.name(task) in self.existing

    def wait(self, plan: Plan, task: Task) -> MonojetError | None:
        """Wait for a task to end; return its error."""
        if self._exists(plan, task):
            return None
        while task.key not in self.ended:
            self.advance()
        return self.ended.pop(task.key)

    def advance(self) -> None:
        """Wait for the next task to end."""
        task, result = next(self.outcomes)
        if isinstance(result, MonojetError):
            if isinstance(result, (ConfigError, OutputError)):
                raise result  # all other tasks would fail in the same way
            self.failures.append((task, result))
            self.ended[task.key] = result
            self.bar.advance(failed=1)
        else:
            self.ended[task.key] = None
            self.bar.advance(events=result)

    def finish(self) -> None:
        """Wait for all remaining tasks."""
        while True:
            try:
                self.advance()
            except StopIteration:
                return


@dataclass
class _Parts:
    """The parts of a plan (`analysis.workflow.stage.Parts`).

    ``wait`` returns the error of a task once it has ended, ``find`` the path of its part.
    """

    plan: Plan
    wait: Callable[[Task], MonojetError | None]
    find: Callable[[Task], Path]
    single: bool = False
    skipped: list[Skipped] = field(default_factory=list)

    def __iter__(self) -> Iterator[Part]:
        if not self.plan.run.skip_bad_files:
            for task in self.plan:
                if self.wait(task) is not None:
                    raise _FailedError
                yield self._checked(task)
            return
        for file, group in itertools.groupby(self.plan, key=lambda task: task.range.file):
            tasks = list(group)
            errors = [error for task in tasks if (error := self.wait(task))]
            if any(not isinstance(error, InputError) for error in errors):
                raise _FailedError
            if errors:  # skip the whole file: its events and weights are counted together
                self.skipped.append(Skipped(file, str(errors[0])))
                log.warning("skipped: %s", errors[0])
            else:
                yield from map(self._checked, tasks)

    def _checked(self, task: Task) -> Part:
        part = Part(task, self.find(task))
        check(self.plan, part)
        return part


def carry_out(
    engines: Engines,
    stage: PartitionedStage,
    run: Run,
    targets: Sequence[Target],
    done: Done,
    fresh: bool = False,
) -> None:
    """Make the targets of a stage from existing and new parts; only from new ones if ``fresh``.

    Raises:
        BatchError: tasks failed; the others were carried out, and targets without failed parts
            were made.
        OutputError: an output cannot be written.
        EngineError: the connection to the cluster was lost.
        ConfigError: the configuration cannot be carried out.
    """
    plans = [Plan(stage, run, t) for t in targets] if fresh else plans_of(stage, run, targets)
    files.remove_partials(run.parts(stage.name))
    if fresh:
        for plan in plans:
            _remove_parts(plan, keep=False)
    work = _Work(stage, run, plans, engines)
    with contextlib.closing(work.outcomes), work.bar:
        for plan in plans:
            wait = functools.partial(work.wait, plan)
            parts = _Parts(plan, wait, plan.path, plan.single)
            try:
                plan.work.merge(run, plan.target, parts)
            except _FailedError:
                continue
            done(plan.target)
            _remove_parts(plan, keep=run.merge == "link" and plan.work.links)
        work.finish()
    files.remove_partials(run.parts(stage.name))  # left by killed workers
    _remove_empty(run.parts(stage.name))
    failures = [
        (task, error)
        for task, error in work.failures
        if not (run.skip_bad_files and isinstance(error, InputError))
    ]
    if failures:
        raise BatchError(report(failures))


def merge_parts(stage: PartitionedStage, run: Run, folders: Sequence[Path]) -> None:
    """Merge the parts found in some folders, for all targets of a stage that are not current.

    Raises:
        BatchError: a part is missing, duplicate, damaged, or belongs to another plan.
    """
    targets = to_make(stage, run, force=False)
    if not targets:
        log.info("%s: up to date", stage.name)
        return
    plans = plans_of(stage, run, targets)
    failed: dict[str, MonojetError] = {}
    if run.skip_bad_files:
        failed = {part: InputError(error) for folder in folders for part, error in failures(folder)}
    found = collect(plans, folders, failed)
    for plan in plans:
        wait = functools.partial(_error_of, plan, failed)
        parts = _Parts(plan, wait, lambda task: found[task.key])
        plan.target.manifest.unlink(missing_ok=True)
        plan.work.merge(run, plan.target, parts)
        plan.target.write_manifest(0)
        log.info("%s: %s: merged", stage.name, plan.target.name)
    if run.merge == "copy":
        left = [path for path in found.values() if path.exists()]
        log.info(
            "%s: the merged parts occupy %s in %d files: remove them with --clean-parts",
            stage.name,
            size_of(left),
            len(left),
        )


def _error_of(plan: Plan, failed: Mapping[str, MonojetError], task: Task) -> MonojetError | None:
    return failed.get(plan.name(task))


def _remove_parts(plan: Plan, keep: bool) -> None:
    """Remove the parts of a target, except those to ``keep``, and outdated parts of its samples."""
    samples = {task.range.sample for task in plan}
    kept = {plan.name(task) for task in plan} if keep else set()
    for name in part_names(plan.folder) - kept:
        if name.split(".")[0] in samples:
            (plan.folder / name).unlink(missing_ok=True)


def drop_partials(run: Run) -> None:
    """Remove unfinished files of this run's workers, all of which must have ended."""
    for folder in run.parts("").glob("*"):
        files.remove_partials(folder)
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    for empty in (folder, folder.parent):
        with contextlib.suppress(OSError):  # it holds parts
            empty.rmdir()


def report(failures: Sequence[tuple[Task, MonojetError]]) -> str:
    """Return the failures, one per line, and the remedy."""
    lines = [
        str(error) if task.range.file in str(error) else f"{task}: {error}"
        for task, error in failures[:_SHOWN]
    ]
    lines = list(dict.fromkeys(lines))
    if len(failures) > _SHOWN:
        lines.append(f"… and {len(failures) - _SHOWN} more tasks")
    remedy = (
        f"failed tasks: {len(failures)}; finished parts are kept: run the same command again to "
        "retry"
    )
    if any(isinstance(error, InputError) for _, error in failures):
        remedy += ", or add --skip-bad-files to skip these files"
    return "\n".join((*lines, remedy))
