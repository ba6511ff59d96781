"""A stage as jobs of HTCondor or of the grid: a folder with all that a submission needs, and what
has come back.

A job is a shard of the plan. ``submit`` writes the folder ``<output>/submit/<stage>`` and hands it
to ``condor_submit`` or ``prun``; ``status`` and ``resubmit`` know the jobs by the parts they made.
Credentials are the batch system's affair: none is read, copied or named here.
"""

from __future__ import annotations

import getpass
import json
import math
import os
import shlex
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from analysis.batch.engines import directive
from analysis.batch.plan import Plan, failures, product_of
from analysis.batch.shards import Shard, read_plan, write_plan
from analysis.pipeline import ROOT_DIRECTORY, Run, Stage, Target, to_make
from common import files
from common.errors import BatchError, ConfigError, EngineError
from common.tables import Table
from common.tasks import Task, part_name

System = Literal["condor", "grid"]
SYSTEMS: tuple[System, ...] = ("condor", "grid")

_PROGRAM = {"condor": "condor_submit", "grid": "prun"}
_COMMAND = {"condor": ("condor_submit", "job.sub"), "grid": ("bash", "prun.sh")}
_MAX_JOBS = 500  # unless --jobs asks for more
_SHOWN = 20  # failed tasks that are named one by one

# What a job on the grid gets of the repository, and of which kinds.
_SHIPPED = ("analysis", "common", "cpp_helpers", "plots", "selections", "training")
_SHIPPED_FILES = ("LICENSE", "env.sh", "requirements.in", "requirements.txt", "run_analysis.py")
_SHIPPED_KINDS = {".cxx", ".hxx", ".json", ".py", ".yaml"}
_TARBALL = "monojet.tar.gz"
_TARBALL_LIMIT = 10_000_000  # bytes; prun --noBuild

# What the user has set for env.sh must hold in the job too; paths of here mean nothing on the grid.
SETTINGS = ("MONOJET_LCG_VIEW", "EXTRA_CLING_ARGS")
SETTINGS_HERE = ("MONOJET_CVMFS", "MONOJET_PYTHON")


@dataclass(frozen=True)
class Submission:
    """A stage cut into so many jobs for a batch system."""

    stage: Stage
    run: Run
    system: System
    jobs: int

    @property
    def folder(self) -> Path:
        """From where the jobs are submitted."""
        return _folder(self.stage, self.run)

    @property
    def plan(self) -> Path:
        """The tasks of all jobs."""
        return self.folder / "plan.jsonl"

    def shard(self, index: int, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks of a job."""
        return Shard(index, self.jobs).of(tasks)

    def save(self) -> None:
        """Note what `load` needs."""
        files.write_json(
            self.folder / "submission.json", {"system": self.system, "jobs": self.jobs}
        )

    @classmethod
    def load(cls, stage: Stage, run: Run) -> Submission:
        """The last submission of a stage.

        Raises:
            BatchError: there is none.
        """
        path = _folder(stage, run) / "submission.json"
        try:
            data = json.loads(path.read_text())
            return cls(stage, run, data["system"], int(data["jobs"]))
        except (OSError, ValueError, KeyError) as error:
            raise BatchError(f"{path}: no submission of this stage: --submit it first") from error


def _folder(stage: Stage, run: Run) -> Path:
    return run.output.absolute() / "submit" / stage.name


def submit(stage: Stage, run: Run, system: System, jobs: int | None, dry_run: bool) -> str:
    """Write the submit folder for the targets that are not current and, unless ``dry_run``, submit
    it. Returns what to tell the user.

    Raises:
        BatchError: the jobs would lack an input.
        EngineError: the batch system is not there, or refuses.
        ConfigError: the configuration asks for what cannot be.
    """
    if not dry_run:
        _require_program(system)
    targets = to_make(stage, run, force=False)
    if not targets:
        return f"{stage.name}: up to date"
    _check_inputs(targets, system)
    tasks = write_plan(
        _folder(stage, run) / "plan.jsonl", [Plan(stage, run, target) for target in targets]
    )
    submission = Submission(stage, run, system, max(1, min(jobs or _MAX_JOBS, len(tasks))))
    submission.save()
    _write(submission, tasks, range(submission.jobs))
    return _hand_in(submission, submission.jobs, dry_run)


def resubmit(stage: Stage, run: Run, folders: Sequence[Path], dry_run: bool) -> str:
    """Submit those jobs again that have parts missing.

    Raises:
        BatchError: there was no submission, or not with these options, inputs and code.
        EngineError: the batch system is not there, or refuses.
    """
    submission = Submission.load(stage, run)
    if not dry_run:
        _require_program(submission.system)
    tasks = _tasks_of(submission)
    present = _present(stage, run, folders, tasks)
    lacking = [
        index
        for index in range(submission.jobs)
        if not present.issuperset(submission.shard(index, tasks))
    ]
    if not lacking:
        return f"{stage.name}: all parts are there: join them with --gather"
    _write(submission, tasks, lacking)
    return _hand_in(submission, len(lacking), dry_run)


def status(stage: Stage, run: Run, folders: Sequence[Path]) -> str:
    """A table of the tasks of each sample whose parts are there, and the failures.

    Raises:
        BatchError: the plan that was submitted is not of these options, inputs and code.
    """
    if (_folder(stage, run) / "submission.json").exists():
        tasks = _tasks_of(Submission.load(stage, run))
    else:
        tasks = [task for target in stage.targets(run) for task in Plan(stage, run, target)]
    present = _present(stage, run, folders, tasks)
    errors = {part: error for folder in folders for part, error in failures(folder)}
    suffix = product_of(stage).SUFFIX
    counts: dict[str, list[int]] = {}
    failed = []
    for task in tasks:
        error = errors.get(part_name(task.range.sample, task.key, suffix))
        is_there = task in present
        of_sample = counts.setdefault(task.range.sample, [0, 0, 0, 0])
        of_sample[0] += 1
        of_sample[1 if is_there else 2 if error else 3] += 1
        if error and not is_there:
            failed.append(error if task.range.file in error else f"{task}: {error}")
    rows = [[sample, *map(str, numbers)] for sample, numbers in counts.items()]
    if len(rows) > 1:
        rows.append(["all", *(str(sum(column)) for column in zip(*counts.values(), strict=True))])
    notes = [f"failed: {error}" for error in dict.fromkeys(failed[:_SHOWN])]
    if len(failed) > _SHOWN:
        notes.append(f"… and {len(failed) - _SHOWN} more")
    columns = ("sample", "tasks", "done", "failed", "missing")
    return Table("status", f"Parts of {stage.name}", columns, rows, notes).text().rstrip()


def _tasks_of(submission: Submission) -> list[Task]:
    """The tasks that were submitted.

    Raises:
        BatchError: the plan is not of this configuration, these inputs and this code.
    """
    tasks = read_plan(submission.plan)
    targets = {target.recipe: target for target in submission.stage.targets(submission.run)}
    for recipe, file, identity in {(t.recipe, t.range.file, t.identity) for t in tasks}:
        target = targets.get(recipe)
        if target is None or target.identity_of(file) != identity:
            raise BatchError(
                f"{submission.plan}: a plan of other options or inputs than these: give those of "
                "--submit, or submit again"
            )
    return tasks


def _present(stage: Stage, run: Run, folders: Iterable[Path], tasks: Iterable[Task]) -> set[Task]:
    """The tasks whose parts are there, or have been joined already."""
    names = {path.name for folder in folders for path in folder.rglob("*")}
    joined = {target.recipe for target in stage.targets(run) if target.state() == "current"}
    suffix = product_of(stage).SUFFIX
    return {
        task
        for task in tasks
        if task.recipe in joined or part_name(task.range.sample, task.key, suffix) in names
    }


def _check_inputs(targets: Iterable[Target], system: System) -> None:
    """Make sure that the jobs will find what they read.

    Raises:
        BatchError: they will not.
    """
    for target in targets:
        for source in target.made_from:
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
        for file in target.external:
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


def _hand_in(submission: Submission, jobs: int, dry_run: bool) -> str:
    """Call the batch system's program; returns what it says.

    Raises:
        EngineError: it refuses.
    """
    folder, command = submission.folder, _COMMAND[submission.system]
    if dry_run:
        by_hand = f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"
        return f"{jobs} jobs written; to submit them: {by_hand}"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603
    said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    if done.returncode:
        errors = [line for line in said if "error" in line.lower()] or said[-1:]
        raise EngineError(
            f"{_PROGRAM[submission.system]} refuses: {'; '.join(errors[:3]) or 'no reason given'}: "
            f"put that right, then submit again; the files are in {folder}"
        )
    return f"{jobs} jobs: {said[-1] if said else 'submitted'}"


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
        _write_tarball(folder)
        files.write_text(folder / "prun.sh", _prun(submission, len(lines)))


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
        "when_to_transfer_output = ON_EXIT",
        f"request_cpus = {run.threads}",
        f"request_memory = {_mebibytes('memory', batch.memory)} MB",
        f"request_disk = {_mebibytes('disk', batch.disk)} MB",
        f"max_retries = {batch.retries}",
    ]
    if batch.output_destination:
        lines += [
            "# All files that the job leaves in its folder go there.",
            f"output_destination = {_destination(submission)}",
            "MY.XRDCP_CREATE_DIR = True",
        ]
    else:
        lines += [
            "# Nothing comes back this way: the job writes to the output folder itself.",
            'transfer_output_files = ""',
        ]
    if batch.job_flavour:
        lines.append(f'MY.JobFlavour = "{batch.job_flavour}"')
    if batch.job_flavour or ".cern.ch" in (batch.output_destination or ""):
        lines.append("MY.SendCredential = True")
    lines += [f"{name} = {value}" for name, value in map(directive, batch.directives)]
    return "\n".join([*lines, "queue shard,begin,end,file from jobs.txt", ""])


def _destination(submission: Submission) -> str:
    url = submission.run.config.batch.output_destination or ""
    if "://" not in url:
        raise ConfigError(
            f"batch.output_destination: '{url}' is not a URL, as in root://host//path"
        )
    return f"{url.rstrip('/')}/parts/{submission.stage.name}/"


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

# The parts are made in the job's folder; what they are made from is read in place.
_LINKS = "mkdir run && ln -s {output}/{{samples,images,models,scores,tables}} run/ || exit 1\n"

_TO_FOLDER = """\
code=$?
find "$folder/run/parts" -type f ! -name '.*' -exec mv -t "$folder" {} +
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
        "repository": "monojet" if grid else shlex.quote(str(ROOT_DIRECTORY)),
        "output": '"$folder/run"' if grid or to_url else quoted,
        "argument": "any number; modulo, a line of jobs.txt" if grid else "the shard",
    }
    script = _FROM_NOTHING.format(**values)
    for name in SETTINGS if grid else (*SETTINGS, *SETTINGS_HERE):
        if name in os.environ:
            script += f"export {name}={shlex.quote(os.environ[name])}\n"
    script += f"source {values['repository']}/env.sh || exit 1\n"
    if grid:
        script += "mapfile -t shards < <(cut -d ' ' -f 1 jobs.txt)\n"
        script += "shard=${shards[$1 % ${#shards[@]}]}\n"
        return script + _RUN.format(**values) + _TO_TARBALL
    script += "shard=$1\n"
    if to_url:
        script += _LINKS.format(output=quoted)
    script += f"cd {shlex.quote(str(Path.cwd()))} || exit 1\n"
    return script + _RUN.format(**values) + (_TO_FOLDER if to_url else "")


def _write_tarball(folder: Path) -> None:
    """What a job on the grid starts from, and the list of it.

    Raises:
        BatchError: it is larger than the grid takes.
    """
    content = {f"monojet/{path}": ROOT_DIRECTORY / path for path in _shipped()}
    content |= {n: folder / n for n in ("config.yaml", "job.sh", "jobs.txt", "plan.jsonl")}
    path = folder / _TARBALL
    with files.whole(path) as partial, tarfile.open(partial, "w:gz") as tar:
        for name, source in content.items():
            tar.add(source, name, recursive=False, filter=_anonymous)
    files.write_text(folder / "tarball.txt", "".join(f"{name}\n" for name in content))
    size = path.stat().st_size
    if size > _TARBALL_LIMIT:
        raise BatchError(
            f"{path}: {size / 1e6:.1f} MB, and the grid takes {_TARBALL_LIMIT / 1e6:.0f} MB: make "
            "fewer tasks, with a larger batch.task_size"
        )


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _shipped() -> list[str]:
    """The files of the repository that a job needs, relative to it."""
    found = [
        str(path.relative_to(ROOT_DIRECTORY))
        for folder in _SHIPPED
        for path in sorted((ROOT_DIRECTORY / folder).rglob("*"))
        if path.suffix in _SHIPPED_KINDS and path.is_file()
    ]
    return [*_SHIPPED_FILES, *found]


def _prun(submission: Submission, jobs: int) -> str:
    run, batch = submission.run, submission.run.config.batch
    name = os.environ.get("RUCIO_ACCOUNT") or getpass.getuser()
    made = time.strftime("%Y%m%d%H%M%S")
    dataset = f"user.{name}.monojet.{run.config.name}.{submission.stage.name}.{made}"
    memory = _mebibytes("memory", batch.memory)
    command = [
        *("prun", "--exec", "bash job.sh %RNDM:0", "--nJobs", str(jobs), "--outDS", dataset),
        *("--outputs", "parts:parts.tar", "--inTarBall", _TARBALL, "--noBuild"),
        *("--memory", str(math.ceil(memory / run.threads)), "--nCore", str(run.threads), "-y"),
        *("--maxAttempt", str(batch.retries + 1)),
        *(word for word in batch.directives if word.startswith("--")),
    ]
    return f"""\
#!/bin/bash
# Stage {submission.stage.name} of {run.output.absolute()}, with panda-client and a proxy.
# It makes the datasets {dataset}_parts/ (a parts.tar a job)
# and {dataset}.log/.
cd "$(dirname "$0")" || exit 1
unset VIRTUAL_ENV # whose Python prun would take
{shlex.join(command)} "$@"
"""
