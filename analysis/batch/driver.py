"""Carry out a stage that works in parts: the parts that are missing are made by an engine, and
joined in the order of the plan as they become ready."""

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
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError, InputError, MonojetError, OutputError
from common.runtime.progress import TaskProgress
from common.tasks import Part, Skipped, Task, part_name

log = logging.getLogger("monojet")

_SHOWN = 10  # failures that are named one by one


@dataclass(frozen=True)
class Maker:
    """Makes the part of a task: what is sent to the workers, who write in the name of the process
    that made this."""

    stage: str
    run: Run
    folder: Path
    writer: str = files.WRITER

    def __call__(self, task: Task) -> int:
        """Returns the number of events worked on; 0 if the part is there already."""
        work = partitioned_stage(self.stage).work()
        path = self.folder / part_name(task.range.sample, task.key, work.suffix)
        if path.exists():
            return 0
        with files.written_by(self.writer):
            return work.make_part(self.run, task, path)


class _FailedError(Exception):
    """A part that is needed could not be made."""


class _Work:
    """The outcomes of the tasks of all plans of a stage."""

    def __init__(
        self, stage: PartitionedStage, run: Run, plans: Sequence[Plan], engines: Engines
    ) -> None:
        self.plans, self.run = plans, run
        self.existing = part_names(run.parts(stage.name))
        self.ended: dict[str, MonojetError | None] = {}  # by key, until joined
        self.failures: list[tuple[Task, MonojetError]] = []
        missing = there = 0
        samples = set()
        for plan in plans:
            for task in plan:
                samples.add(task.range.sample)
                if self._exists(plan, task):
                    there += 1
                else:
                    missing += 1
        others = sum(is_part(name, samples) for name in self.existing) - there
        if others:
            log.info(
                "%s: %d parts that are there are of another cut, configuration or code: they are "
                "not used, and dropped once the output is made",
                stage.name,
                others,
            )
        maker = Maker(stage.name, run, run.parts(stage.name))
        self.outcomes = engines.of(stage, missing).map(maker, self._missing())
        self.bar = TaskProgress(stage.name, missing)

    def _missing(self) -> Iterator[Task]:
        return (task for plan in self.plans for task in plan if not self._exists(plan, task))

    def _exists(self, plan: Plan, task: Task) -> bool:
        return plan.name(task) in self.existing

    def wait(self, plan: Plan, task: Task) -> MonojetError | None:
        """Wait for the end of a task; returns its error."""
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
                raise result  # the others will fare no better
            self.failures.append((task, result))
            self.ended[task.key] = result
            self.bar.advance(failed=1)
        else:
            self.ended[task.key] = None
            self.bar.advance(events=result)

    def finish(self) -> None:
        """Wait for all tasks that are left."""
        while True:
            try:
                self.advance()
            except StopIteration:
                return


@dataclass
class _Parts:
    """The parts of a plan (`common.tasks.Parts`): ``wait`` returns the error of a task once it has
    ended, ``find`` the place of its part."""

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
            if errors:  # none of the file: its events and weights are counted together
                self.skipped.append(Skipped(file, str(errors[0])))
                log.warning("left out: %s", errors[0])
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
    """Make the targets of a stage, of parts that are there and others; of others only if ``fresh``.

    Raises:
        BatchError: tasks failed; the others were carried out, and what needs none of the failed
            was joined.
        OutputError: an output cannot be written.
        EngineError: the cluster was lost.
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
    files.remove_partials(run.parts(stage.name))  # of workers that were killed
    _remove_empty(run.parts(stage.name))
    failures = [
        (task, error)
        for task, error in work.failures
        if not (run.skip_bad_files and isinstance(error, InputError))
    ]
    if failures:
        raise BatchError(report(failures))


def gather(stage: PartitionedStage, run: Run, folders: Sequence[Path]) -> None:
    """Join the parts that lie in some folders, for all targets of a stage that are not current.

    Raises:
        BatchError: a part is missing, there twice, damaged, or belongs to another plan.
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
        log.info("%s: %s: joined", stage.name, plan.target.name)
    if run.merge == "copy":
        left = [path for path in found.values() if path.exists()]
        log.info(
            "%s: the parts, no longer needed, hold %s in %d files: --clean-parts removes them",
            stage.name,
            size_of(left),
            len(left),
        )


def _error_of(plan: Plan, failed: Mapping[str, MonojetError], task: Task) -> MonojetError | None:
    return failed.get(plan.name(task))


def _remove_parts(plan: Plan, keep: bool) -> None:
    """Drop the parts of a target, unless they are to be kept, and those that older configurations
    have left."""
    mine = {task.range.sample for task in plan}
    kept = {plan.name(task) for task in plan} if keep else set()
    for name in part_names(plan.folder) - kept:
        if name.split(".")[0] in mine:
            (plan.folder / name).unlink(missing_ok=True)


def drop_partials(run: Run) -> None:
    """Drop what the workers of this run have left half-written; they must have ended."""
    for folder in run.parts("").glob("*"):
        files.remove_partials(folder)
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    for empty in (folder, folder.parent):
        with contextlib.suppress(OSError):  # there are parts in it
            empty.rmdir()


def report(failures: Sequence[tuple[Task, MonojetError]]) -> str:
    """The failures, one a line, and what to do."""
    lines = [
        str(error) if task.range.file in str(error) else f"{task}: {error}"
        for task, error in failures[:_SHOWN]
    ]
    lines = list(dict.fromkeys(lines))
    if len(failures) > _SHOWN:
        lines.append(f"… and {len(failures) - _SHOWN} more tasks")
    remedy = (
        f"failed tasks: {len(failures)}; the finished parts are kept: run the same command again "
        "to try them once more"
    )
    if any(isinstance(error, InputError) for _, error in failures):
        remedy += ", or with --skip-bad-files to leave these files out"
    return "\n".join((*lines, remedy))
