"""Submit a stage as jobs of HTCondor or the grid, each of which makes one shard of the plan.

``submit`` writes the folder ``<output>/submit/<stage>`` with all that a submission needs and calls
``condor_submit`` or ``prun``; ``resubmit`` does so for the jobs that have ended without their
parts. The batch system handles credentials: none is read, copied or named here.
"""

from __future__ import annotations

import itertools
import logging
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from analysis.batch import grid
from analysis.batch.condor_status import LIVE, Job, arguments_of, in_brief, schedd_of
from analysis.batch.places import UnseenError, places
from analysis.batch.plan import Plan, plan_file, write_plan
from analysis.batch.status import jobs_by_task, present
from analysis.batch.submission import Submission, System
from analysis.batch.templates import destination_of, job_line, job_script, mebibytes, submit_file
from analysis.workflow.execute import to_make
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from analysis.workflow.target import Target
from common.runtime import files
from common.runtime.errors import BatchError, EngineError, InputError
from common.tasks import Task

log = logging.getLogger("monojet")

_PROGRAM = {"condor": "condor_submit", "grid": "prun"}
_COMMAND = {"condor": ("condor_submit", "job.sub"), "grid": ("bash", "prun.sh")}
_ACCEPTED = {  # output of the programs, with the number of the cluster or task
    "condor": re.compile(r"submitted to cluster (\d+)"),
    "grid": re.compile(r"jediTaskID\s*=\s*(\d+)"),
}
_MAX_JOBS = 500  # unless --jobs asks for more


def submit(
    stage: PartitionedStage,
    run: Run,
    system: System,
    jobs: int | None,
    dry_run: bool,
    force: bool = False,
) -> str:
    """Write the submit folder for the targets that are not current and, unless ``dry_run``, submit
    it; return the message for the user.

    Raises:
        BatchError: the jobs would lack an input; or, without ``force``, earlier jobs, which read
            this folder when they start, may not have ended.
        EngineError: the batch system is missing or refuses the jobs.
        ConfigError: a setting of ``batch`` is wrong.
    """
    if not dry_run:
        _require_program(system)
    targets = to_make(stage, run, force=False)
    if not targets:
        return f"{stage.name}: up to date"
    _check_inputs(targets, system)
    previous = Submission.find(stage, run)
    if previous is not None and not force:
        _require_ended(previous)
    plans = [Plan(stage, run, target) for target in targets]
    tasks = write_plan(plan_file(stage, run), plans)
    prepare(stage, run, plans)
    destination = destination_of(stage, run) if system == "condor" else None
    submission = Submission(
        stage,
        run,
        system,
        max(1, min(jobs or _MAX_JOBS, len(tasks))),
        destination,
        previous.parts if previous is not None and previous.destination == destination else (),
        str(run.output.absolute()),
    )
    submission.save()
    shards = range(submission.jobs)
    _write(submission, tasks, shards)
    return _fewer_jobs(stage, jobs, len(tasks)) + _call_program(submission, shards, dry_run)


def prepare(stage: PartitionedStage, run: Run, plans: Iterable[Plan]) -> None:
    """Compile what the tasks of a stage run, which jobs then find beside the environment. Where an
    input cannot be read from here, the first job compiles it.

    Raises:
        ConfigError: an expression does not compile.
    """
    compile_for = stage.work().prepare
    if compile_for is None:
        return
    for plan in plans:
        for task in itertools.islice(plan, 1):
            try:
                compile_for(run, task)
            except InputError as error:
                log.info("%s: jobs compile its C++: %s", task.range.sample, error)


def _fewer_jobs(stage: PartitionedStage, jobs: int | None, n_tasks: int) -> str:
    """Return a note if fewer jobs are submitted than were asked for."""
    if jobs is None or jobs <= n_tasks:
        return ""
    remedy = {
        "generate": "a smaller generation.block_size makes more tasks, with other events",
        "convert": "each file is one task",
    }.get(stage.name, "a smaller --task-size makes more tasks")
    return f"{n_tasks} jobs instead of {jobs}, one for each task ({remedy})\n"


def _require_ended(submission: Submission) -> None:
    """Make sure that all jobs of an earlier submission have ended: others would read their shards
    from the new plan.

    Raises:
        BatchError: some have not ended, or their state is unknown.
    """
    live = [job for job in submission.find_jobs() if job.live]
    if live:
        raise BatchError(
            f"{submission.file}: the last submission has {_count(live)}: wait for them, remove "
            f"them with condor_rm {' '.join(_clusters(live))}, use --resubmit-failed, or --force"
        )


def _count(jobs: Sequence[Job]) -> str:
    """Return the number of jobs in the queue, by state, as text."""
    counts = Counter(job.state for job in jobs)
    text = ", ".join(f"{counts[state]} {state}" for state in LIVE if counts[state])
    return f"{text} jobs".replace("unknown", "(state unknown)")


def _clusters(jobs: Iterable[Job]) -> list[str]:
    return sorted({str(job.cluster) for job in jobs}, key=int)


def resubmit(
    stage: PartitionedStage,
    run: Run,
    given: Sequence[Path] | None,
    dry_run: bool,
    force: bool = False,
) -> str:
    """Resubmit jobs with missing parts; without ``force`` only those that have ended. Return the
    message for the user.

    Raises:
        BatchError: the stage was not submitted, or options, inputs or code have changed since; or
            the state of jobs is unknown; or this machine does not see the parts.
        EngineError: the batch system is missing or refuses the jobs.
    """
    submission = Submission.load(stage, run)
    if not dry_run:
        _require_program(submission.system)
    _require_same_destination(submission)
    tasks = submission.tasks()
    jobs = {} if force else jobs_by_task(submission, tasks)
    live = {job.shard: job for job in jobs.values() if job.live}
    try:
        folders = places(stage, run, given)
    except UnseenError:
        if len(live) < submission.jobs:
            raise
        folders = []  # no job has ended, so no part has been sent
    existing = present(stage, run, folders, tasks)
    lacking = [
        index
        for index in range(submission.jobs)
        if not existing.issuperset(submission.shard(index, tasks))
    ]
    if not lacking:
        return f"{stage.name}: all parts exist: merge them with --gather"
    again = [index for index in lacking if index not in live]
    note = _not_resubmitted([live[index] for index in lacking if index in live])
    if submission.system == "grid" and submission.clusters:
        note = f"make sure that task {submission.clusters[-1].number} has ended: not checked here"
    if not again:
        return note
    submission = replace(Submission.load(stage, run), output=str(run.output.absolute()))
    _write(submission, tasks, again)
    return "\n".join(filter(None, (note, _call_program(submission, again, dry_run))))


def _require_same_destination(submission: Submission) -> None:
    """Make sure that all jobs of a submission send their parts to the same place.

    Raises:
        BatchError: ``batch.output_destination`` has changed.
    """
    destination = destination_of(submission.stage, submission.run)
    if submission.system == "condor" and destination != submission.destination:
        raise BatchError(
            f"{submission.file}: earlier jobs send parts to "
            f"{submission.destination or 'the output folder'}, but batch.output_destination is "
            f"now {destination or 'unset'}: restore it, or submit again"
        )


def _not_resubmitted(live: Sequence[Job]) -> str:
    """Return a note on jobs that have not ended.

    Raises:
        BatchError: the state of some is unknown.
    """
    unknown = [job for job in live if job.state == "unknown"]
    if unknown:
        raise BatchError(
            f"cannot tell whether {len(unknown)} jobs of cluster {', '.join(_clusters(unknown))} "
            "have ended: neither an event log nor condor_q shows them: try again later, or "
            "resubmit them with --force"
        )
    if not live:
        return ""
    text = f"not resubmitted: {_count(live)}"
    held = [job for job in live if job.state == "held"]
    if held:
        text += (
            f" (held: {in_brief(held[0].reason)}: fix the cause, then condor_release "
            f"{arguments_of(held)}; or condor_rm them, then --resubmit-failed)"
        )
    return text


def _check_inputs(targets: Iterable[Target], system: System) -> None:
    """Make sure that the jobs can read their inputs.

    Raises:
        BatchError: an input is out of date or unreachable.
    """
    for target in targets:
        for source in target.upstream:
            if system == "grid":
                raise BatchError(
                    f"{target.stage} of '{target.name}' reads outputs of this run, which the grid "
                    "cannot reach: use --submit condor, or --input with root:// files"
                )
            if source.state() != "current":
                raise BatchError(
                    f"{source.output}: not up to date, but {target.stage} reads it: make it first "
                    f"with --stage {source.stage}"
                )
        for file in target.input_files:
            if system == "grid" and "://" not in file:
                raise BatchError(
                    f"{file}: the grid cannot reach a local file: give a root:// URL, or use "
                    "--submit condor"
                )


def _require_program(system: System) -> None:
    program = _PROGRAM[system]
    if shutil.which(program) is None:
        raise EngineError(
            f"--submit {system}: no {program} on the path: run this where jobs can be submitted, "
            "or add --dry-run to only write the files"
        )


def _call_program(submission: Submission, shards: Sequence[int], dry_run: bool) -> str:
    """Call the batch system's program and record the jobs that it accepts; return its message.

    Raises:
        EngineError: it refuses the jobs.
    """
    folder, options = submission.folder, submission.run.config.batch.submit_options
    command = [*_COMMAND[submission.system]]
    if submission.system == "condor":
        command[1:1] = options
    if dry_run:
        by_hand = f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"
        return f"{len(shards)} jobs written; submit them with: {by_hand}"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    if done.returncode:
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        raise EngineError(
            f"{_PROGRAM[submission.system]} refuses: {'; '.join(errors[:3]) or 'no reason given'}: "
            f"fix the cause and submit again; the files are in {folder}"
        )
    number = _ACCEPTED[submission.system].search(done.stdout + done.stderr)
    if number is not None:
        cluster = int(number[1])
        schedd = schedd_of(cluster, options) if submission.system == "condor" else None
        submission.with_cluster(cluster, schedd, shards).save()
    return f"{len(shards)} jobs: {lines[-1] if lines else 'submitted'}"


def _write(submission: Submission, tasks: Sequence[Task], shards: Iterable[int]) -> None:
    """Write all files of the submit folder except the plan."""
    run, folder = submission.run, submission.folder
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    config = yaml.safe_dump(run.config.model_dump(mode="json"), sort_keys=False)
    files.write_text(folder / "config.yaml", config)
    lines = [job_line(index, submission.shard(index, tasks)) for index in shards]
    files.write_text(folder / "jobs.txt", "".join(lines))
    files.write_text(folder / "job.sh", job_script(submission))
    (folder / "job.sh").chmod(0o755)
    if submission.system == "condor":
        files.write_text(folder / "job.sub", submit_file(submission))
    else:
        grid.write(submission, len(lines), mebibytes("memory", run.config.batch.memory))
