"""What a command line does: list, submit and inspect jobs, make and merge parts, or run stages."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.batch.driver import carry_out, drop_partials, merge_parts
from analysis.batch.engines import Engines
from analysis.batch.places import clean, places
from analysis.batch.plan import Shard, plans_of, read_plan
from analysis.batch.shards import run_shard
from analysis.batch.status import status
from analysis.batch.submit import resubmit, submit
from analysis.cli.configure import Request, chosen_stages, require_partitioned_stage
from analysis.sample_roles import unknown_processes
from analysis.workflow.execute import execute, some
from analysis.workflow.registry import stages as all_stages
from analysis.workflow.run import Run
from analysis.workflow.run_folder import record, require_own
from analysis.workflow.stage import AnyStage
from analysis.workflow.target import MISSING, reasons, shared_targets
from common.runtime.errors import ConfigError
from common.runtime.files import locked, require_writable

log = logging.getLogger("monojet")


def act(asked: Request) -> None:
    """Do what the command line asks for.

    Raises:
        MonojetError: it cannot be done.
    """
    options, run = asked.options, asked.run
    if options.list:
        print(list_stages(run))
        return
    stages = asked.stages()
    if not (options.force or options.shard or options.status):
        require_own(run.output, asked.origin, run.config)
    if options.submit or options.status or options.resubmit_failed:
        print(_jobs(asked))
        return
    if options.dry_run:
        print(dry_run(asked, stages))
        return
    log.info("output: %s", run.output)
    require_writable(run.output)
    if options.shard:
        _make_shard(asked)
    elif options.gather or options.clean_parts:
        _merge_or_clean(asked)
    else:
        _run_stages(asked, stages)
        _show_results(asked, stages)


@shared_targets()
def list_stages(run: Run) -> str:
    """Return a table of the stages: their inputs and outputs, how many outputs are up to date, and
    why others are not."""
    lines = [f"{'stage':15} {'up to date':>10}  {'reads':30} writes below {run.output}"]
    changed = []
    for stage in all_stages():
        try:
            chosen_stages([stage.name], run.config)
            targets = stage.targets(run)
            others = [target for target in targets if target.state() != "current"]
            state = f"{len(targets) - len(others)} of {len(targets)}"
            changed += [
                f"{stage.name}: {some(names)}: {reason}"
                for reason, names in reasons(others).items()
                if reason != MISSING
            ]
        except ConfigError:  # a stage that this configuration lacks: training on one process, say
            state = "-"
        lines.append(f"{stage.name:15} {state:>10}  {stage.reads:30} {stage.writes}")
    if changed:
        lines += ["", "out of date:", *changed]
    return "\n".join(lines)


@shared_targets()
def dry_run(asked: Request, stages: Sequence[AnyStage]) -> str:
    """Return the outputs that would be made, and why."""
    lines = []
    for stage in stages:
        for target in stage.targets(asked.run):
            if stage.name in asked.forced or target.state() != "current":
                lines.append(f"{stage.name:15} {target.output}: {target.reason()}")
    return "\n".join(lines) or "everything is up to date"


def _jobs(asked: Request) -> str:
    """Submit a stage as jobs, or inspect them; return the message for the user."""
    options, run = asked.options, asked.run
    stage = require_partitioned_stage(options.stage)
    if options.submit:
        require_writable(run.output)
        return submit(stage, run, options.submit, options.jobs, options.dry_run, options.force)
    if options.resubmit_failed:
        return resubmit(stage, run, options.parts, options.dry_run, options.force)
    return status(stage, run, options.parts)


def _make_shard(asked: Request) -> None:
    """Make the parts of one shard of the plan."""
    options, run = asked.options, asked.run
    stage = require_partitioned_stage(options.stage)
    shard = Shard.parse(options.shard)
    if options.plan:
        tasks = read_plan(options.plan)
    else:
        tasks = [task for plan in plans_of(stage, run, stage.targets(run)) for task in plan]
    run_shard(stage, run, shard.of(tasks))


def _merge_or_clean(asked: Request) -> None:
    """Merge the parts of a stage, remove them, or both."""
    options, run = asked.options, asked.run
    stage = require_partitioned_stage(options.stage)
    with locked(run.output):
        folders = places(stage, run, options.parts)
        if options.gather:
            merge_parts(stage, run, folders)
            record(run.output, asked.origin, run.config)
        if options.clean_parts:
            print(clean(stage, run, folders))


def _run_stages(asked: Request, stages: Sequence[AnyStage]) -> None:
    run = asked.run
    for process in unknown_processes(run.config):
        log.info(
            "process '%s' is not known: it counts as a background; set 'signal: true' if it is one",
            process,
        )
    for name in run.config.selection.replaced():
        log.info("selection: '%s' replaces a definition that other columns may use", name)
    with locked(run.output):
        try:
            with Engines(run) as engines:
                in_parts = functools.partial(carry_out, engines)
                execute(stages, run, asked.forced, in_parts)
        finally:
            drop_partials(run)
            if any(run.output.rglob("*.manifest.json")):  # otherwise the folder holds no run
                record(run.output, asked.origin, run.config)


def _show_results(asked: Request, stages: Sequence[AnyStage]) -> None:
    """Print the tables of the chosen stages, and log where the reports are."""
    chosen, run = asked.options.stage, asked.run
    if not asked.options.quiet:
        for stage in stages:
            if chosen is None or stage.name in chosen:
                for path in _table_files(stage, run):
                    print(path.read_text())
    sys.stdout.flush()
    outputs = [target.output for stage in stages for target in stage.targets(run)]
    for report in [path for path in outputs if path.suffix == ".html"] or [run.output]:
        log.info("results: %s", report)


def _table_files(stage: AnyStage, run: Run) -> Iterator[Path]:
    """Yield the text files of a stage's tables; for a table ``<name>`` that does not exist, its
    variants ``<name>_<process>`` for the processes of the run."""
    for name in stage.tables:
        table = run.table(name).with_suffix(".txt")
        processes = dict.fromkeys(sample.process for sample in run.config.samples)
        variants = (table.with_stem(f"{name}_{process}") for process in processes)
        yield from filter(Path.exists, [table] if table.exists() else variants)
