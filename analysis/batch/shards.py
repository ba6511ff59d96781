"""Make one shard of the plan, a contiguous range of its tasks, without a scheduler.

The only results are the parts and, for each failed task, a record beside its part; the record is
removed once the task succeeds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing

from analysis.batch.driver import Maker, report
from analysis.batch.engines import Engines
from analysis.batch.plan import failure_record
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.runtime import files
from common.runtime.errors import BatchError, MonojetError
from common.runtime.progress import TaskProgress
from common.tasks import Task, part_name

log = logging.getLogger("monojet")


def run_shard(stage: PartitionedStage, run: Run, tasks: Sequence[Task]) -> None:
    """Make the missing parts of some tasks.

    Raises:
        BatchError: tasks failed; all others are done.
    """
    folder = run.parts(stage.name)
    files.remove_partials(folder)
    suffix = stage.work().suffix
    paths = {task: folder / part_name(task.range.sample, task.key, suffix) for task in tasks}
    missing = [task for task, path in paths.items() if not path.exists()]
    log.info("%s: %d of %d tasks to do", stage.name, len(missing), len(tasks))
    failures: list[tuple[Task, MonojetError]] = []
    with Engines(run) as engines, TaskProgress(stage.name, len(missing)) as bar:
        outcomes = engines.of(stage, len(missing)).map(Maker(stage.work, run, folder), missing)
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
