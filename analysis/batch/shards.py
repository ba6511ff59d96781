"""A stage without a scheduler to talk to: one shard of the plan at a time.

A shard is a contiguous share of the tasks. Nothing is kept but the parts, and for a task that
failed a record beside them, until it succeeds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from analysis.batch.driver import Maker, report
from analysis.batch.engines import Engines
from analysis.batch.plan import failure_record, product_of
from analysis.pipeline import Run, Stage
from common import files
from common.errors import BatchError, ConfigError, MonojetError
from common.progress import TaskProgress
from common.tasks import Task, part_name

log = logging.getLogger("monojet")


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


def run_shard(stage: Stage, run: Run, tasks: Sequence[Task]) -> None:
    """Make the parts of some tasks that are not there yet.

    Raises:
        BatchError: tasks failed; the others are done.
    """
    folder = run.parts(stage.name)
    files.remove_partials(folder)
    suffix = product_of(stage).SUFFIX
    paths = {task: folder / part_name(task.range.sample, task.key, suffix) for task in tasks}
    missing = [task for task, path in paths.items() if not path.exists()]
    log.info("%s: %d of %d tasks to do", stage.name, len(missing), len(tasks))
    failures: list[tuple[Task, MonojetError]] = []
    with Engines(run) as engines, TaskProgress(stage.name, len(missing)) as bar:
        outcomes = engines.of(stage, len(missing)).map(Maker(stage.module, run, folder), missing)
        with closing(outcomes):
            for task, result in outcomes:
                record = failure_record(paths[task])
                if isinstance(result, MonojetError):
                    failures.append((task, result))
                    files.write_json(record, {"task": str(task), "error": str(result)})
                    bar.advance(failed=1)
                else:
                    record.unlink(missing_ok=True)
                    bar.advance(events=result)
    if failures:
        raise BatchError(report(failures))
