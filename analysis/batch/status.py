"""The state of a stage's tasks: which parts exist, and what the jobs of the others do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from analysis.batch.condor_status import Job, arguments_of, in_brief, latest
from analysis.batch.places import UnseenError, places
from analysis.batch.plan import failures, plans_of
from analysis.batch.queue_status import reason_kind
from analysis.batch.submission import Submission
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.tables import Table
from common.tasks import Task, part_name

_STATES = ("done", "queued", "running", "held", "failed", "missing")
_SHOWN = 20  # maximum number of notes of one kind
_WIDTH = 200  # maximum characters of a job's last line


def status(stage: PartitionedStage, run: Run, given: Sequence[Path] | None) -> str:
    """Return a table of each sample's tasks by state, with the reasons of holds and failures.

    Raises:
        BatchError: options, inputs or code have changed since the submission; or this machine does
            not see the parts.
    """
    submission = Submission.find(stage, run)
    if submission is None:
        targets = stage.targets(run)
        tasks = [task for plan in plans_of(stage, run, targets) for task in plan]
        jobs: dict[Task, Job] = {}
    else:
        tasks = submission.tasks()
        jobs = jobs_by_task(submission, tasks)
    try:
        folders = places(stage, run, given)
    except UnseenError:
        if not tasks or any(task not in jobs or not jobs[task].live for task in tasks):
            raise
        folders = []  # no job has ended, so no part has been sent
    existing = present(stage, run, folders, tasks)
    errors = {part: error for folder in folders for part, error in failures(folder)}
    suffix = stage.work().suffix
    states: dict[Task, str] = {}
    failed: list[str] = []
    for task in tasks:
        error = errors.get(part_name(task.range.sample, task.key, suffix))
        states[task] = _state(task in existing, jobs.get(task), error is not None)
        if states[task] == "failed" and error is not None:
            failed.append(error if task.range.file in error else f"{task}: {error}")
            jobs.pop(task, None)  # its log repeats the error
    notes = [f"failed: {error}" for error in _some(dict.fromkeys(failed))]
    if submission is not None:
        unfinished = {job: states[task] for task, job in jobs.items() if states[task] != "done"}
        notes += _some(_job_notes(submission, unfinished))
        notes += _submission_notes(submission, states.values())
    return _table(stage, states, notes)


def jobs_by_task(submission: Submission, tasks: Sequence[Task]) -> dict[Task, Job]:
    """Return the last submitted job of each task."""
    plan = submission.plan
    jobs = [job for job in submission.find_jobs() if job.plan == plan]
    return {task: job for job in latest(jobs) for task in submission.shard(job.shard, tasks)}


def present(
    stage: PartitionedStage, run: Run, folders: Iterable[Path], tasks: Iterable[Task]
) -> set[Task]:
    """Return the tasks whose parts exist or have been merged."""
    names = {path.name for folder in folders for path in folder.rglob("*")}
    merged = {
        target.code_settings_hash for target in stage.targets(run) if target.state() == "current"
    }
    suffix = stage.work().suffix
    return {
        task
        for task in tasks
        if task.code_settings_hash in merged
        or part_name(task.range.sample, task.key, suffix) in names
    }


def _state(exists: bool, job: Job | None, error: bool) -> str:
    if exists:
        return "done"
    if job is not None and job.state in _STATES:
        return job.state
    if error or (job is not None and job.state == "ended" and job.reason):
        return "failed"
    return "missing"


def _job_notes(submission: Submission, jobs: Mapping[Job, str]) -> Iterable[str]:
    """Yield notes on jobs that are held, have failed, or whose state is unknown."""
    held: dict[tuple[str, str | None], list[Job]] = defaultdict(list)
    failed: dict[str, list[str]] = defaultdict(list)
    unknown: dict[tuple[int, str | None], list[Job]] = defaultdict(list)
    for job, state in sorted(jobs.items(), key=lambda item: item[0].shard):
        if state == "held":
            held[reason_kind(in_brief(job.reason)), job.schedd].append(job)
        elif state == "failed":
            last = _last_error_line(submission, job)
            failed[f"{job.reason}: {last}" if last else job.reason].append(job.number)
        elif state == "missing" and job.state == "unknown":
            unknown[job.cluster, job.schedd].append(job)
    for (_, schedd), alike in held.items():
        where = f"-name {schedd} " if schedd else ""
        yield (
            f"held: job {_list([job.number for job in alike])}: {in_brief(alike[0].reason)}: fix "
            f"the cause, then condor_release {where}{arguments_of(alike)}; or condor_rm them, then "
            "--resubmit-failed"
        )
    for reason, numbers in failed.items():
        yield f"failed: job {_list(numbers)}: {reason}"
    for (cluster, schedd), silent in unknown.items():
        yield (
            f"unknown: {len(silent)} jobs of cluster {cluster}: neither an event log nor "
            f"condor_q{f' -name {schedd}' if schedd else ''} shows them"
        )


def _submission_notes(submission: Submission, states: Iterable[str]) -> Iterable[str]:
    """Yield notes on the submission as a whole."""
    counts = Counter(states)
    if submission.output and submission.output != str(submission.run.output.absolute()):
        yield (
            f"submitted with the output folder {submission.output}: jobs still queued will not "
            "find it: condor_rm them, then --resubmit-failed"
        )
    if submission.system == "grid":
        for task in submission.clusters:
            yield f"task {task.number}: https://bigpanda.cern.ch/task/{task.number}/"
    if submission.destination and counts["failed"]:
        yield (
            f"parts are sent to {submission.destination} when their job ends: removed or killed "
            "jobs have sent none of their parts"
        )


def _last_error_line(submission: Submission, job: Job) -> str:
    """Return the last line of a job's standard error, or '' if the file is not here."""
    path = submission.folder / "logs" / f"{job.cluster}.{job.shard}.err"
    try:
        lines = path.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:_WIDTH] for line in reversed(lines) if line.strip()), "")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names if len(names) <= 6 else [*names[:5], f"… {len(names)} in all"])


def _some(notes: Iterable[str]) -> list[str]:
    notes = list(notes)
    left = len(notes) - _SHOWN
    return notes if left <= 0 else [*notes[:_SHOWN], f"… and {left} more"]


def _table(stage: PartitionedStage, states: Mapping[Task, str], notes: Sequence[str]) -> str:
    counts: dict[str, Counter[str]] = {}
    for task, state in states.items():
        counts.setdefault(task.range.sample, Counter())[state] += 1
    if len(counts) > 1:
        counts["all"] = sum(counts.values(), Counter())
    rows = [
        [sample, str(of.total()), *(str(of[state]) for state in _STATES)]
        for sample, of in counts.items()
    ]
    columns = ("sample", "tasks", *_STATES)
    return Table("status", f"Parts of {stage.name}", columns, rows, notes).text().rstrip()
