"""A stage as jobs of HTCondor or of the grid: a folder with all that a submission needs.

A job is a shard of the plan. ``submit`` writes the folder ``<output>/submit/<stage>`` and hands it
to ``condor_submit`` or ``prun``; ``resubmit`` does so for the jobs that have ended without parts.
Credentials are the batch system's affair: none is read, copied or named here.
"""

from __future__ import annotations

import math
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
from analysis.batch.condor import LIVE, Job, in_brief, notes, schedd_of, words
from analysis.batch.environment import directive, exports
from analysis.batch.places import UnseenError, places
from analysis.batch.plan import Plan, plan_file, write_plan
from analysis.batch.status import jobs_by_task, present
from analysis.batch.submission import Submission, System
from analysis.workflow.execute import to_make
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from analysis.workflow.target import Target
from common.repository import REPOSITORY
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError, EngineError
from common.tasks import Task

_PROGRAM = {"condor": "condor_submit", "grid": "prun"}
_COMMAND = {"condor": ("condor_submit", "job.sub"), "grid": ("bash", "prun.sh")}
# By which jobs are known, and what they do.
_OWN = {"arguments", "error", "executable", "log", "submit_event_notes"}
_TAKEN = {  # by which they tell the number of what they have taken
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
    it. Returns what to tell the user.

    Raises:
        BatchError: the jobs would lack an input; or earlier ones, which read this folder when they
            start, may not have ended, and this is not to be done in spite of that (``force``).
        EngineError: the batch system is not there, or refuses.
        ConfigError: the configuration asks for what cannot be.
    """
    if not dry_run:
        _require_program(system)
    targets = to_make(stage, run, force=False)
    if not targets:
        return f"{stage.name}: up to date"
    _check_inputs(targets, system)
    before = Submission.find(stage, run)
    if before is not None and not force:
        _require_ended(before)
    tasks = write_plan(plan_file(stage, run), [Plan(stage, run, target) for target in targets])
    destination = _destination(stage, run) if system == "condor" else None
    submission = Submission(
        stage,
        run,
        system,
        max(1, min(jobs or _MAX_JOBS, len(tasks))),
        destination,
        before.parts if before is not None and before.destination == destination else (),
        str(run.output.absolute()),
    )
    submission.save()
    shards = range(submission.jobs)
    _write(submission, tasks, shards)
    return _few(stage, jobs, len(tasks)) + _hand_in(submission, shards, dry_run)


def _few(stage: PartitionedStage, jobs: int | None, n_tasks: int) -> str:
    """Why there are fewer jobs than were asked for."""
    if jobs is None or jobs <= n_tasks:
        return ""
    remedy = {
        "generate": "a smaller generation.block_size makes more, of other events",
        "convert": "each is a file",
    }.get(stage.name, "a smaller --task-size makes more")
    return f"not {jobs} jobs, as there are {n_tasks} tasks to do ({remedy})\n"


def _require_ended(submission: Submission) -> None:
    """Make sure that no job of an earlier submission is left, which would take its shard of the new
    plan.

    Raises:
        BatchError: some are, or may be.
    """
    live = [job for job in submission.find_jobs() if job.live]
    if live:
        raise BatchError(
            f"{submission.file}: {_count(live)} of the last submission: wait for them, or remove "
            f"them with condor_rm {' '.join(_clusters(live))}, or use --resubmit-failed, or --force"
        )


def _count(jobs: Sequence[Job]) -> str:
    """How many jobs are left in the queue, by state."""
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
    """Submit those jobs again that have parts missing, but for those that have not ended, unless
    this is to be done all the same (``force``). Returns what to tell the user.

    Raises:
        BatchError: there was no submission, or not with these options, inputs and code; or nobody
            knows whether the jobs have ended; or the parts cannot be seen.
        EngineError: the batch system is not there, or refuses.
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
        folders = []  # no job has ended: nothing has been sent
    there = present(stage, run, folders, tasks)
    lacking = [
        index
        for index in range(submission.jobs)
        if not there.issuperset(submission.shard(index, tasks))
    ]
    if not lacking:
        return f"{stage.name}: all parts are there: join them with --gather"
    again = [index for index in lacking if index not in live]
    said = _left_out([live[index] for index in lacking if index in live])
    if submission.system == "grid" and submission.clusters:
        said = f"task {submission.clusters[-1].number} must have ended: that is not known here"
    if not again:
        return said
    submission = replace(Submission.load(stage, run), output=str(run.output.absolute()))
    _write(submission, tasks, again)
    return "\n".join(filter(None, (said, _hand_in(submission, again, dry_run))))


def _require_same_destination(submission: Submission) -> None:
    """Make sure that all jobs of a submission send their parts to one place.

    Raises:
        BatchError: they would not.
    """
    destination = _destination(submission.stage, submission.run)
    if submission.system == "condor" and destination != submission.destination:
        raise BatchError(
            f"{submission.file}: the parts go to {submission.destination or 'the output folder'}, "
            f"and batch.output_destination now says {destination or 'nothing'}: put it back, or "
            "submit again"
        )


def _left_out(live: Sequence[Job]) -> str:
    """What is to be said of jobs that are not submitted again.

    Raises:
        BatchError: it is not known whether they have ended.
    """
    unknown = [job for job in live if job.state == "unknown"]
    if unknown:
        raise BatchError(
            f"nobody knows whether {len(unknown)} jobs of cluster {', '.join(_clusters(unknown))} "
            "have ended: neither an event log nor condor_q tells: ask again later, or "
            "--force to submit them again"
        )
    if not live:
        return ""
    text = f"left out: {_count(live)}"
    held = [job for job in live if job.state == "held"]
    if held:
        text += (
            f" (held: {in_brief(held[0].reason)}: condor_release {words(held)} once that is put "
            "right, or condor_rm them and do this again)"
        )
    return text


def _check_inputs(targets: Iterable[Target], system: System) -> None:
    """Make sure that the jobs will find what they read.

    Raises:
        BatchError: they will not.
    """
    for target in targets:
        for source in target.upstream:
            if system == "grid":
                raise BatchError(
                    f"{target.stage} of '{target.name}' reads what this run has made, which the "
                    "grid cannot reach: --submit condor, or give --input of root:// files"
                )
            if source.state() != "current":
                raise BatchError(
                    f"{source.output}: not up to date, and {target.stage} reads it: make it first, "
                    f"with --stage {source.stage}"
                )
        for file in target.input_files:
            if system == "grid" and "://" not in file:
                raise BatchError(
                    f"{file}: the grid cannot reach a local file: give it as root://, or "
                    "--submit condor"
                )


def _require_program(system: System) -> None:
    program = _PROGRAM[system]
    if shutil.which(program) is None:
        raise EngineError(
            f"--submit {system}: no {program} on the path: run this where jobs can be submitted, "
            "or only write the files, with --dry-run"
        )


def _hand_in(submission: Submission, shards: Sequence[int], dry_run: bool) -> str:
    """Call the batch system's program, and note what it has taken; returns what it says.

    Raises:
        EngineError: it refuses.
    """
    folder, options = submission.folder, submission.run.config.batch.submit_options
    command = [*_COMMAND[submission.system]]
    if submission.system == "condor":
        command[1:1] = options
    if dry_run:
        by_hand = f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"
        return f"{len(shards)} jobs written; to submit them: {by_hand}"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603
    said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    if done.returncode:
        errors = [line for line in said if "error" in line.lower()] or said[-1:]
        raise EngineError(
            f"{_PROGRAM[submission.system]} refuses: {'; '.join(errors[:3]) or 'no reason given'}: "
            f"put that right, then submit again; the files are in {folder}"
        )
    number = _TAKEN[submission.system].search(done.stdout + done.stderr)
    if number is not None:
        taken = int(number[1])
        schedd = schedd_of(taken, options) if submission.system == "condor" else None
        submission.with_cluster(taken, schedd, shards).save()
    return f"{len(shards)} jobs: {said[-1] if said else 'submitted'}"


def _write(submission: Submission, tasks: Sequence[Task], shards: Iterable[int]) -> None:
    """Write the submit folder, but the plan."""
    run, folder = submission.run, submission.folder
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    config = yaml.safe_dump(run.config.model_dump(mode="json"), sort_keys=False)
    files.write_text(folder / "config.yaml", config)
    lines = [_job_line(index, submission.shard(index, tasks)) for index in shards]
    files.write_text(folder / "jobs.txt", "".join(lines))
    files.write_text(folder / "job.sh", _wrapper(submission))
    (folder / "job.sh").chmod(0o755)
    if submission.system == "condor":
        files.write_text(folder / "job.sub", _submit_file(submission))
    else:
        grid.write(submission, len(lines), _mebibytes("memory", run.config.batch.memory))


def _job_line(index: int, tasks: Sequence[Task]) -> str:
    """The job's shard, and for people its first range; the file last, as it may hold spaces."""
    if not tasks:
        return f"{index} 0 0 -\n"
    first = tasks[0].range
    return f"{index} {first.begin} {'-' if first.end is None else first.end} {first.file}\n"


def _submit_file(submission: Submission) -> str:
    run, batch = submission.run, submission.run.config.batch
    lines = [
        f"# Stage {submission.stage.name} of {run.output.absolute()}: submit it in this folder.",
        "executable = job.sh",
        "arguments = $(shard)",
        "description = $(file)[$(begin):$(end)]",
        f"batch_name = monojet {run.config.name} {submission.stage.name}",
        "log = logs/$(Cluster).log",
        "output = logs/$(Cluster).$(shard).out",
        "error = logs/$(Cluster).$(shard).err",
        "should_transfer_files = YES",
        "transfer_input_files = config.yaml, plan.jsonl",
        f"submit_event_notes = {notes('$(shard)', submission.jobs, submission.plan)}",
        f"request_cpus = {run.threads}",
        f"request_memory = {_mebibytes('memory', batch.memory)} MB",
        f"request_disk = {_mebibytes('disk', batch.disk)} MB",
        f"max_retries = {batch.retries}",
    ]
    if batch.output_destination:
        lines += [
            "# All files that the job leaves in its folder go there; if it is evicted, to the",
            "# schedd, which gives them back when it starts again.",
            f"output_destination = {_destination(submission.stage, run)}",
            "when_to_transfer_output = ON_EXIT_OR_EVICT",
            "MY.XRDCP_CREATE_DIR = True",
        ]
    else:
        lines += [
            "# Nothing comes back this way: the job writes to the output folder itself.",
            'transfer_output_files = ""',
            "when_to_transfer_output = ON_EXIT",
        ]
    if batch.job_flavour:
        lines.append(f'MY.JobFlavour = "{batch.job_flavour}"')
    if batch.send_credential:
        lines.append("MY.SendCredential = True")
    for name, value in map(directive, batch.directives):
        if name.lower() in _OWN:
            raise ConfigError(
                f"batch.directives: '{name}' is not to be changed: jobs are known by it"
            )
        lines.append(f"{name} = {value}")
    return "\n".join([*lines, "queue shard,begin,end,file from jobs.txt", ""])


def _destination(stage: PartitionedStage, run: Run) -> str | None:
    """Where HTCondor sends the parts."""
    url = run.config.batch.output_destination
    if url is None:
        return None
    if "://" not in url:
        raise ConfigError(
            f"batch.output_destination: '{url}' is not a URL, as in root://host//path"
        )
    return f"{url.rstrip('/')}/parts/{stage.name}/"


def _mebibytes(name: str, text: str) -> int:
    from dask.utils import parse_bytes

    try:
        return math.ceil(int(parse_bytes(text)) / 2**20)
    except ValueError as error:
        raise ConfigError(f"batch.{name}: '{text}' is not a size, as in '3 GB'") from error


_FROM_NOTHING = """\
#!/bin/bash
# A job of the stage {stage}: the parts of one of {jobs} shards of the plan.
# $1: {argument}
# It starts from an empty environment, as batch systems give it, in a folder of its own.
folder=$PWD
export PATH="${{PATH:-/usr/local/bin:/usr/bin:/bin}}"
export HOME="${{HOME:-$folder/home}}" TMPDIR="${{TMPDIR:-$folder}}"
"""

_RUN = """\
python {repository}/run_analysis.py --stage {stage} --shard "$shard/{jobs}" \\
  --plan "$folder/plan.jsonl" --config "$folder/config.yaml" --output {output} \\
  --workers 1 --threads {threads}
"""

_GONE = "[ -d {output} ] || {{ echo {output} is gone: condor_rm these jobs >&2; exit 1; }}\n"

# The parts are made in the job's folder, where HTCondor sees each as soon as it is finished; what
# they are made from is read in place. What was half-written when the job was evicted goes.
_LINKS = """\
rm -f "$folder"/.*.partial
mkdir -p run/parts && ln -sfn "$folder" run/parts/{stage} || exit 1
ln -sfn {output}/{{samples,images,models,scores,tables}} run/ || exit 1
"""

# HTCondor sends what has changed since the job began: with that what it has given back, of before
# the job was evicted.
_TO_URL = """\
code=$?
rm -f "$folder"/.*.partial
find "$folder" -maxdepth 1 -type f -regextype egrep \\
  -regex '.*\\.[0-9a-f]{20}\\.[^/]*' -exec touch {} +
exit $code
"""

_TO_TARBALL = """\
code=$?
mkdir -p run/parts && tar -C run -cf parts.tar parts || exit 1
exit $code
"""


def _wrapper(submission: Submission) -> str:
    """The program of a job: a shell script."""
    run, grid = submission.run, submission.system == "grid"
    to_url = run.config.batch.output_destination is not None
    quoted = shlex.quote(str(run.output.absolute()))
    values = {
        "stage": submission.stage.name,
        "jobs": submission.jobs,
        "threads": run.threads,
        "repository": "monojet" if grid else shlex.quote(str(REPOSITORY)),
        "output": '"$folder/run"' if grid or to_url else quoted,
        "argument": "any number; modulo, a line of jobs.txt" if grid else "the shard",
    }
    script = _FROM_NOTHING.format(**values)
    script += "\n".join(exports("make" if grid else "use")) + "\n"
    script += f"source {values['repository']}/env.sh || exit 1\n"
    if grid:
        script += "mapfile -t shards < <(cut -d ' ' -f 1 jobs.txt)\n"
        script += "shard=${shards[$1 % ${#shards[@]}]}\n"
        return script + _RUN.format(**values) + _TO_TARBALL
    script += "shard=$1\n"
    script += (_LINKS if to_url else _GONE).format(output=quoted, stage=submission.stage.name)
    script += f"cd {shlex.quote(str(Path.cwd()))} || exit 1\n"
    return script + _RUN.format(**values) + (_TO_URL if to_url else "")
