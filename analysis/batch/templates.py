"""The files of a submission for people and programs: submit file, list of jobs, job script."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from analysis.batch.condor_status import notes
from analysis.batch.environment import directive, exports
from analysis.batch.submission import Submission
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.repository import REPOSITORY
from common.runtime.errors import ConfigError
from common.tasks import Task

# Commands by which jobs are recognised.
_RESERVED = {"arguments", "error", "executable", "log", "submit_event_notes"}


def job_line(index: int, tasks: Sequence[Task]) -> str:
    """Return the line of a job in the list: its shard and, for people, its first range.

    The file comes last, as its name may contain spaces.
    """
    if not tasks:
        return f"{index} 0 0 -\n"
    first = tasks[0].range
    return f"{index} {first.begin} {'-' if first.end is None else first.end} {first.file}\n"


def submit_file(submission: Submission) -> str:
    """Return the submit file of HTCondor.

    Raises:
        ConfigError: a setting of ``batch`` is wrong.
    """
    run, batch = submission.run, submission.run.config.batch
    lines = [
        f"# Stage {submission.stage.name} of {run.output.absolute()}: submit it from this folder.",
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
        f"request_memory = {mebibytes('memory', batch.memory)} MB",
        f"request_disk = {mebibytes('disk', batch.disk)} MB",
        f"max_retries = {batch.retries}",
        *_transfer(submission),
    ]
    if batch.job_flavour:
        lines.append(f'MY.JobFlavour = "{batch.job_flavour}"')
    if batch.send_credential:
        lines.append("MY.SendCredential = True")
    for name, value in map(directive, batch.directives):
        if name.lower() in _RESERVED:
            raise ConfigError(
                f"batch.directives: '{name}' is reserved, as jobs are recognised by it: remove it"
            )
        lines.append(f"{name} = {value}")
    return "\n".join([*lines, "queue shard,begin,end,file from jobs.txt", ""])


def _transfer(submission: Submission) -> list[str]:
    """Return the lines of a submit file on the output of jobs."""
    url = destination_of(submission.stage, submission.run)
    if url is None:
        return [
            "# No output is transferred: the job writes to the output folder.",
            'transfer_output_files = ""',
            "when_to_transfer_output = ON_EXIT",
        ]
    return [
        "# All files in the job's folder are sent to this URL at its end. If the job is evicted,",
        "# they go to the schedd, which returns them when the job starts again.",
        f"output_destination = {url}",
        "when_to_transfer_output = ON_EXIT_OR_EVICT",
        "MY.XRDCP_CREATE_DIR = True",
    ]


def destination_of(stage: PartitionedStage, run: Run) -> str | None:
    """Return the URL to which HTCondor sends the parts of a stage, if configured.

    Raises:
        ConfigError: it is not a URL.
    """
    url = run.config.batch.output_destination
    if url is None:
        return None
    if "://" not in url:
        raise ConfigError(
            f"batch.output_destination: '{url}' is not a URL of the form root://host//path"
        )
    return f"{url.rstrip('/')}/parts/{stage.name}/"


def mebibytes(name: str, text: str) -> int:
    """Return a size like ``3 GB`` in MiB, rounded up; ``name`` is its key in ``batch``.

    Raises:
        ConfigError: the text is not a size.
    """
    from dask.utils import parse_bytes

    try:
        return math.ceil(int(parse_bytes(text)) / 2**20)
    except ValueError as error:
        raise ConfigError(f"batch.{name}: '{text}' is not a size like '3 GB'") from error


_PROLOGUE = """\
#!/bin/bash
# Job of the stage {stage}: makes the parts of one of {jobs} shards of the plan.
# $1: {argument}
# Batch systems start it with an empty environment, in a folder of its own.
folder=$PWD
export PATH="${{PATH:-/usr/local/bin:/usr/bin:/bin}}"
export HOME="${{HOME:-$folder/home}}" TMPDIR="${{TMPDIR:-$folder}}"
"""

_RUN = """\
python {repository}/run_analysis.py --stage {stage} --shard "$shard/{jobs}" \\
  --plan "$folder/plan.jsonl" --config "$folder/config.yaml" --output {output} \\
  --workers 1 --threads {threads}
"""

_REQUIRE_OUTPUT = (
    "[ -d {output} ] || {{ echo {output} is missing: condor_rm these jobs >&2; exit 1; }}\n"
)

# Parts are made in the job's folder, from which HTCondor transfers each finished one; their inputs
# are read in place. Files left unfinished by an eviction are removed.
_LINKS = """\
rm -f "$folder"/.*.partial
mkdir -p run/parts && ln -sfn "$folder" run/parts/{stage} || exit 1
ln -sfn {output}/{{samples,images,models,scores,tables}} run/ || exit 1
"""

# HTCondor sends only files changed since the job began: touch those that it returned after an
# eviction, so that they are sent as well.
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


def job_script(submission: Submission) -> str:
    """Return the shell script of a job."""
    run, grid = submission.run, submission.system == "grid"
    to_url = run.config.batch.output_destination is not None
    quoted = shlex.quote(str(run.output.absolute()))
    values = {
        "stage": submission.stage.name,
        "jobs": submission.jobs,
        "threads": run.threads,
        "repository": "monojet" if grid else shlex.quote(str(REPOSITORY)),
        "output": '"$folder/run"' if grid or to_url else quoted,
        "argument": "a number; modulo the number of jobs, a line of jobs.txt"
        if grid
        else "the shard",
    }
    script = _PROLOGUE.format(**values)
    script += "\n".join(exports("make" if grid else "use")) + "\n"
    script += f"source {values['repository']}/env.sh || exit 1\n"
    if grid:
        script += "mapfile -t shards < <(cut -d ' ' -f 1 jobs.txt)\n"
        script += "shard=${shards[$1 % ${#shards[@]}]}\n"
        return script + _RUN.format(**values) + _TO_TARBALL
    script += "shard=$1\n"
    before = _LINKS if to_url else _REQUIRE_OUTPUT
    script += before.format(output=quoted, stage=submission.stage.name)
    script += f"cd {shlex.quote(str(Path.cwd()))} || exit 1\n"
    return script + _RUN.format(**values) + (_TO_URL if to_url else "")
