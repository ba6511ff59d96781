"""Run stages in order: those that are needed, and of these the targets that are out of date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from analysis.workflow.run import Run
from analysis.workflow.stage import AnyStage, PartitionedStage
from analysis.workflow.target import MISSING, Done, Target, reasons, shared_targets
from common.runtime.errors import InputError

log = logging.getLogger("monojet")


def needs(stage: AnyStage, run: Run) -> set[str]:
    """Return the names of the stages that must run before one: those that make its inputs."""
    upstream = {one.stage for target in stage.targets(run) for one in target.upstream}
    return (upstream | {*stage.after}) - {stage.name}


def with_needs(names: Iterable[str], stages: Sequence[AnyStage], run: Run) -> list[AnyStage]:
    """Return the named stages and all that they need, in the order of the data.

    Raises:
        ConfigError: the configuration lacks an input of a stage.
    """
    by_name = {stage.name: stage for stage in stages}
    wanted: set[str] = set()
    queue = list(names)
    with shared_targets():
        while queue:
            name = queue.pop()
            if name not in wanted:
                wanted.add(name)
                queue += needs(by_name[name], run)
    return [stage for stage in stages if stage.name in wanted]


def require_inputs(stages: Sequence[AnyStage], run: Run) -> None:
    """Make sure that the inputs of these stages from other stages exist and are current.

    Raises:
        InputError: an input is missing or out of date.
    """
    targets = [target for stage in stages for target in stage.targets(run)]
    own = {target.output for target in targets}
    for needed in (needed for target in targets for needed in target.upstream):
        state = "current" if needed.output in own else needed.state()
        if state != "current":
            why = "missing" if state == "missing" else f"out of date ({needed.reason()})"
            raise InputError(f"{needed.output}: {why}: make it with --stage {needed.stage}")


def to_make(stage: AnyStage, run: Run, force: bool) -> list[Target]:
    """Return the targets of a stage that are not current, or all with ``force``."""
    return [t for t in stage.targets(run) if force or t.state() != "current"]


InParts = Callable[[PartitionedStage, Run, Sequence[Target], Done, bool], None]


def execute(
    stages: Sequence[AnyStage], run: Run, force: Collection[str], in_parts: InParts
) -> None:
    """Make the targets that are not current, stage by stage.

    ``force`` names stages to run regardless. ``in_parts`` carries out partitioned stages; its last
    argument tells it to remake existing parts.
    """
    with shared_targets():
        for stage in stages:
            stage.targets(run)  # raises errors of the configuration before any stage runs
    for stage in stages:
        targets = to_make(stage, run, stage.name in force)
        if not targets:
            log.info("%s: up to date", stage.name)
            continue
        for reason, names in reasons(targets).items():
            why = "" if reason == MISSING else f" ({reason})"
            log.info("%s: %s%s", stage.name, some(names), why)
        start = last = time.monotonic()

        def done(target: Target) -> None:
            nonlocal last
            now = time.monotonic()
            target.write_manifest(now - last)
            last = now

        for target in targets:  # from here on, the old outputs no longer count as current
            target.manifest.unlink(missing_ok=True)
        if isinstance(stage, PartitionedStage):
            in_parts(stage, run, targets, done, stage.name in force)
        else:
            stage.run(run, targets, done)
        log.info("%s: done in %.1f s", stage.name, time.monotonic() - start)


def some(names: Sequence[str]) -> str:
    """Return names as a readable list, shortened if long."""
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])}, … {len(names)} in all"
