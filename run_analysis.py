#!/usr/bin/env python3
"""The command line: parse, load the configuration, run stages.

``python run_analysis.py`` runs the whole study of ``analysis/configs/quickstart.yaml``.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis import __version__
from analysis.batch.driver import carry_out, drop_partials, gather
from analysis.batch.engines import Engines, check_cluster
from analysis.batch.places import clean, places
from analysis.batch.plan import Shard, plans_of, read_plan
from analysis.batch.shards import run_shard
from analysis.batch.status import status
from analysis.batch.submission import SYSTEMS
from analysis.batch.submit import resubmit, submit
from analysis.config import DEFAULT, Config, load
from analysis.datasets import can_train
from analysis.processes import PROCESSES
from analysis.workflow.execute import execute, require_inputs, some, with_needs
from analysis.workflow.registry import stages as all_stages
from analysis.workflow.run import Run
from analysis.workflow.run_folder import RUNS, Origin, default_folder, record, require_own
from analysis.workflow.stage import AnyStage, PartitionedStage
from analysis.workflow.target import NOT_THERE, reasons
from common.runtime.child import set_up_log
from common.runtime.errors import ConfigError, MonojetError, did_you_mean
from common.runtime.files import locked, require_writable

log = logging.getLogger("monojet")

# What a configuration lacks that has not the study of a stage.
NEEDS = {
    "training": "'training' with 'networks'",
    "scoring": "'training' with 'networks'",
    "anomaly": "'anomaly'",
    "denoising": "'denoising' in 'anomaly'",
}


def parser() -> argparse.ArgumentParser:
    """The options."""
    stages = "\n".join(f"  {stage.name:12} {stage.summary}" for stage in all_stages())
    made = argparse.ArgumentParser(
        prog="run_analysis.py",
        description="Search for dark matter in events with a jet and missing transverse momentum.",
        epilog=f"stages, in the order of the data:\n{stages}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--stage", action="append", metavar="NAME", help="run this stage (repeatable); default all")
    add("--config", type=Path, default=DEFAULT, metavar="YAML", help="default: quickstart.yaml")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="default: runs/<name of the configuration>, followed by the processes of --input and "
        "what --events, --seed and --select say (a folder that holds another run is refused)",
    )
    add(
        "--input",
        action="append",
        nargs="+",
        metavar="FILE",
        help="use these files, not the configured samples (repeatable, globs, root://)",
    )
    add(
        "--process",
        action="append",
        metavar="NAME",
        help="process of --input (once for all, or once for each --input)",
    )
    add(
        "--models",
        type=Path,
        metavar="DIR",
        help="score with the networks of this finished run, and train none; default, where --input "
        "has not all that they learn from: runs/<name of the configuration>",
    )
    add(
        "--format",
        metavar="NAME",
        help="format of --input; default: found from what the files hold (docs/inputs.md)",
    )
    add("--data", action="store_true", help="the events of --input were measured")
    add(
        "--cluster",
        default="local",
        metavar="NAME",
        help="where tasks are carried out: local (default), htcondor, slurm, or a scheduler that "
        "runs: dask://host:port, tls://host:port",
    )
    add("--workers", type=int, metavar="N", help="worker processes; default: the cores at hand")
    add("--threads", type=int, default=1, metavar="N", help="threads a worker (imaging); default 1")
    add("--shard", metavar="I/N", help="make only the parts of shard I of N (0 <= I < N)")
    add("--plan", type=Path, metavar="FILE", help="tasks of --shard, as --submit has written them")
    add(
        "--submit",
        choices=SYSTEMS,
        help="write a folder of jobs for this batch system and, without --dry-run, submit it",
    )
    add("--jobs", type=int, metavar="N", help="jobs of --submit; default: one a task, at most 500")
    add(
        "--task-size",
        type=int,
        metavar="N",
        help="events a task of imaging, scoring and cutflow, for batch.task_size of the "
        "configuration; changes no result",
    )
    add("--status", action="store_true", help="what the parts and the jobs do, and what failed")
    add(
        "--resubmit-failed",
        action="store_true",
        help="submit the jobs again that have ended and lack parts",
    )
    add("--gather", action="store_true", help="only join the parts: refuse if one is missing")
    add(
        "--clean-parts",
        action="store_true",
        help="remove the parts of outputs that are up to date (after --gather, or alone)",
    )
    add(
        "--parts",
        action="append",
        type=Path,
        metavar="DIR",
        help="where to look for parts, to any depth (repeatable); default: where they were looked "
        "for last, else where batch.output_destination is seen here, else below --output",
    )
    add(
        "--merge",
        choices=("copy", "link"),
        default="copy",
        help="join the parts of images by copying (default), or by reference to them",
    )
    add(
        "--skip-bad-files",
        action="store_true",
        help="leave out files that cannot be read, and record which",
    )
    add("--events", type=int, metavar="N", help="at most so many events a generated sample")
    add("--seed", type=int, metavar="N", help="replaces that of the configuration")
    add("--select", metavar="REGION", help="keep only images of events in this region")
    add(
        "--force",
        action="store_true",
        help="run the named stages though they are up to date, write over another run, submit "
        "jobs though earlier ones may not have ended",
    )
    add(
        "--only",
        action="store_true",
        help="run the named stages without those they need, whose outputs must be there: to train "
        "where there are images but no ROOT",
    )
    add("--list", action="store_true", help="list the stages and what is up to date")
    add("--dry-run", action="store_true", help="say what would run, and why")
    add("-v", "--verbose", action="store_true", help="more messages; tracebacks of errors")
    add("-q", "--quiet", action="store_true", help="warnings and errors only")
    add("--version", action="version", version=f"monojet {__version__}")
    return made


def configuration(options: argparse.Namespace) -> Config:
    """The configuration with what the command line changes.

    Raises:
        ConfigError: an option does not fit.
    """
    overrides: dict[str, object] = {}
    if options.seed is not None:
        overrides["seed"] = options.seed
    configured = config = load(options.config, **overrides)
    if options.input and options.events is not None:
        raise ConfigError("--events limits generated samples, not --input: leave one of them out")
    if options.input:
        overrides["samples"] = _input_samples(
            options.input, options.process or [], config, options.format, options.data
        )
    elif options.process or options.format or options.data:
        raise ConfigError("--process, --format and --data are of --input: give that too")
    elif options.events is not None:
        if options.events < 1:
            raise ConfigError(f"--events {options.events}: at least 1")
        overrides["samples"] = [
            sample.model_dump() | {"events": sample.events and min(sample.events, options.events)}
            for sample in config.samples
        ]
    if options.task_size is not None:
        if options.task_size < 1:
            raise ConfigError(f"--task-size {options.task_size}: at least 1")
        overrides["batch"] = config.batch.model_dump() | {"task_size": options.task_size}
    if options.select:
        overrides["imaging"] = config.imaging.model_dump() | {"select": options.select}
    if overrides:
        config = load(options.config, **overrides)
    models = options.models
    if models is None and options.input and not can_train(config):
        models = RUNS / configured.name
    if models is not None:
        overrides["training"] = config.training.model_dump() | {
            "models": str(models.absolute()),
            "folds": configured.folds,
        }
        config = load(options.config, **overrides)
    return config


def settings_of(options: argparse.Namespace) -> Origin:
    """Where the settings come from: the options that change what the configuration says."""
    names = ("input", "process", "format", "data", "models", "events", "seed", "select")
    given = {name: getattr(options, name) for name in names if getattr(options, name)}
    if options.seed is not None:
        given["seed"] = options.seed
    if options.input:
        given["input"] = [file for group in options.input for file in group]
    if options.models:
        given["models"] = str(options.models)
    return Origin(options.config.name, given)


def _input_samples(
    files: Sequence[Sequence[str]],
    processes: Sequence[str],
    config: Config,
    format_name: str | None,
    data: bool,
) -> list[dict[str, Any]]:
    """Samples of the given files, those of each --input, as a configuration has them."""
    if len(processes) not in (1, len(files)):
        raise ConfigError(
            f"{len(files)} --input need one --process, or one each: {len(processes)} given"
        )
    named = list(processes) if len(processes) == len(files) else list(processes) * len(files)
    grouped: dict[str, list[str]] = {}
    for process, group in zip(named, files, strict=True):
        grouped.setdefault(process, []).extend(group)
    known = {s.process: s for s in config.samples if not s.generated}
    for process in grouped:
        near = difflib.get_close_matches(process, PROCESSES, cutoff=0.75)
        if near and process not in PROCESSES:
            log.warning("--process %s: none that is known (did you mean '%s'?)", process, near[0])
    changed: dict[str, Any] = {"format": format_name} if format_name else {}
    changed |= {"data": True} if data else {}
    return [
        (known[process].model_dump() if process in known else {"process": process})
        | {"files": paths}
        | changed
        for process, paths in grouped.items()
    ]


def chosen_stages(names: Sequence[str] | None, config: Config) -> list[str]:
    """The named stages, or all of the studies that are configured.

    Raises:
        ConfigError: a stage is unknown, or its study is not configured.
    """
    if names is None:
        if not config.studies:
            raise ConfigError(
                "neither 'training' with 'networks' nor 'anomaly' is configured: name a --stage, "
                "imaging or cutflow"
            )
        return [stage.name for stage in all_stages() if stage.study in config.studies]
    by_name = {stage.name: stage for stage in all_stages()}
    for name in names:
        if name not in by_name:
            raise ConfigError(f"unknown stage '{name}'{did_you_mean(name, by_name)}")
        study = by_name[name].study
        if study is not None and study not in config.studies:
            if study == "training" and config.training.models:
                raise ConfigError(
                    f"stage '{name}' is of networks that are trained in the same run, and the "
                    f"samples lack what they learn from: stages scoring and cutflow take those of "
                    f"{config.training.models} (--models)"
                )
            raise ConfigError(f"stage '{name}' needs {NEEDS[study]} in the configuration")
    return list(names)


def list_stages(run: Run) -> str:
    """A table of the stages: what each reads and writes, and how much of it is current."""
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
                if reason != NOT_THERE
            ]
        except ConfigError:  # this configuration has no such stage: training on one process, say
            state = "-"
        lines.append(f"{stage.name:15} {state:>10}  {stage.reads:30} {stage.writes}")
    if changed:
        lines += ["", "to be made again:", *changed]
    return "\n".join(lines)


def dry_run(stages: Sequence[AnyStage], run: Run, force: Sequence[str]) -> str:
    """What would run, and why."""
    lines = []
    for stage in stages:
        for target in stage.targets(run):
            if stage.name in force or target.state() != "current":
                lines.append(f"{stage.name:15} {target.output}: {target.reason()}")
    return "\n".join(lines) or "everything is up to date"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parser().parse_args(arguments)
    level = logging.WARNING if options.quiet else logging.INFO
    set_up_log(logging.DEBUG if options.verbose else level)
    try:
        return _run(options)
    except KeyboardInterrupt:
        log.error("interrupted: run the same command again to resume")
        return 130
    except MonojetError as error:
        if options.verbose:
            traceback.print_exc()
        for line in str(error).splitlines():
            log.error("%s", line)
        return 2
    except OSError as error:
        if options.verbose:
            traceback.print_exc()
        name = f"{error.filename}: " if error.filename else ""
        log.error("%s%s", name, error.strerror or error)
        return 2


def only_stage(names: Sequence[str] | None) -> PartitionedStage:
    """The one stage that is to be carried out in parts.

    Raises:
        ConfigError: not one stage is named, or it does not work in parts.
    """
    in_parts = {s.name: s for s in all_stages() if isinstance(s, PartitionedStage)}
    if names is None or len(names) != 1:
        raise ConfigError(f"name one --stage to work on in parts: {', '.join(in_parts)}")
    if names[0] not in in_parts:
        raise ConfigError(f"stage '{names[0]}' does not work in parts: run it without --cluster")
    return in_parts[names[0]]


def _jobs(options: argparse.Namespace, run: Run) -> str:
    """Submit a stage as jobs, or look at them; returns what to tell the user."""
    stage = only_stage(options.stage)
    if options.submit:
        require_writable(run.output)
        return submit(stage, run, options.submit, options.jobs, options.dry_run, options.force)
    if options.resubmit_failed:
        return resubmit(stage, run, options.parts, options.dry_run, options.force)
    return status(stage, run, options.parts)


def _run(options: argparse.Namespace) -> int:
    config = configuration(options)
    names = chosen_stages(options.stage, config)
    workers = options.workers if options.workers is not None else len(os.sched_getaffinity(0))
    if workers < 1:
        raise ConfigError(f"--workers {workers}: at least 1")
    if options.threads < 1:
        raise ConfigError(f"--threads {options.threads}: at least 1")
    if options.jobs is not None and (options.jobs < 1 or not options.submit):
        raise ConfigError(f"--jobs {options.jobs}: at least 1, with --submit")
    check_cluster(options.cluster)
    origin = settings_of(options)
    run = Run(
        config,
        options.output or default_folder(config, origin.options),
        workers,
        options.threads,
        options.cluster,
        options.merge,
        options.skip_bad_files,
    )
    stages = with_needs(names, all_stages(), run)
    if options.only:
        stages = [stage for stage in stages if stage.name in names]
        require_inputs(stages, run)
    force = names if options.force else ()
    if options.list:
        print(list_stages(run))
        return 0
    if not options.force and not options.shard and not options.status:
        require_own(run.output, origin, config)
    if options.submit or options.status or options.resubmit_failed:
        print(_jobs(options, run))
        return 0
    if options.dry_run:
        print(dry_run(stages, run, force))
        return 0
    log.info("output: %s", run.output)
    require_writable(run.output)
    if options.shard:
        stage = only_stage(options.stage)
        shard = Shard.parse(options.shard)
        if options.plan:
            tasks = read_plan(options.plan)
        else:
            tasks = [t for plan in plans_of(stage, run, stage.targets(run)) for t in plan]
        run_shard(stage, run, shard.of(tasks))
        return 0
    if options.gather or options.clean_parts:
        stage = only_stage(options.stage)
        with locked(run.output):
            folders = places(stage, run, options.parts)
            if options.gather:
                gather(stage, run, folders)
                record(run.output, origin, config)
            if options.clean_parts:
                print(clean(stage, run, folders))
        return 0
    with locked(run.output):
        try:
            with Engines(run) as engines:
                execute(stages, run, force, functools.partial(carry_out, engines))
        finally:
            drop_partials(run)
            if any(run.output.rglob("*.manifest.json")):  # else nothing was made, of any run
                record(run.output, origin, config)
    if not options.quiet:
        for one in stages:
            if options.stage is None or one.name in options.stage:
                for text in _texts(one, run):
                    print(text.read_text())
    sys.stdout.flush()
    reports = [t.output for s in stages for t in s.targets(run) if t.output.suffix == ".html"]
    for report in reports or [run.output]:
        log.info("results: %s", report)
    return 0


def _texts(stage: AnyStage, run: Run) -> Iterator[Path]:
    """The tables that are shown: where there is none of Znunu, those of the other processes."""
    for table in stage.tables:
        text = run.table(table).with_suffix(".txt")
        processes = dict.fromkeys(sample.process for sample in run.config.samples)
        others = (text.with_stem(f"{table}_{process}") for process in processes)
        yield from filter(Path.exists, [text] if text.exists() else others)


if __name__ == "__main__":
    sys.exit(main())
