"""A submission to the grid: the tarball for its jobs, and the command line of prun."""

from __future__ import annotations

import getpass
import math
import os
import shlex
import tarfile
import time
from pathlib import Path

from analysis.batch.submission import Submission
from common.repository import REPOSITORY
from common.runtime import files
from common.runtime.errors import BatchError

# The contents of the repository that a job on the grid receives, and their file types.
_SHIPPED = ("analysis", "common", "cpp_helpers", "plots", "selections", "training")
_SHIPPED_FILES = ("LICENSE", "env.sh", "requirements.in", "requirements.txt", "run_analysis.py")
_SHIPPED_KINDS = {".cxx", ".hxx", ".json", ".py", ".yaml"}
_TARBALL = "monojet.tar.gz"
_TARBALL_LIMIT = 10_000_000  # bytes, the limit of prun --noBuild


def write(submission: Submission, jobs: int, memory: int) -> None:
    """Write the files that only the grid needs: the tarball, and a script that calls prun.

    ``memory`` is that of a job, in MiB.

    Raises:
        BatchError: the tarball exceeds the limit of the grid.
    """
    folder = submission.folder
    _write_tarball(folder)
    files.write_text(folder / "prun.sh", _prun(submission, jobs, memory))


def _write_tarball(folder: Path) -> None:
    """Write the tarball for a job on the grid, and a list of its content.

    Raises:
        BatchError: the tarball exceeds the limit of the grid.
    """
    content = {f"monojet/{path}": REPOSITORY / path for path in _shipped()}
    content |= {n: folder / n for n in ("config.yaml", "job.sh", "jobs.txt", "plan.jsonl")}
    path = folder / _TARBALL
    with files.whole(path) as partial, tarfile.open(partial, "w:gz") as tar:
        for name, source in content.items():
            tar.add(source, name, recursive=False, filter=_anonymous)
    files.write_text(folder / "tarball.txt", "".join(f"{name}\n" for name in content))
    size = path.stat().st_size
    if size > _TARBALL_LIMIT:
        raise BatchError(
            f"{path}: {size / 1e6:.1f} MB exceed the grid's limit of {_TARBALL_LIMIT / 1e6:.0f} "
            "MB: make fewer tasks with a larger batch.task_size"
        )


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _shipped() -> list[str]:
    """Return the files that a job needs, relative to the repository."""
    found = [
        str(path.relative_to(REPOSITORY))
        for folder in _SHIPPED
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix in _SHIPPED_KINDS and path.is_file()
    ]
    return [*_SHIPPED_FILES, *found]


def _prun(submission: Submission, jobs: int, memory: int) -> str:
    run, batch = submission.run, submission.run.config.batch
    name = os.environ.get("RUCIO_ACCOUNT") or getpass.getuser()
    made = time.strftime("%Y%m%d%H%M%S")
    dataset = f"user.{name}.monojet.{run.config.name}.{submission.stage.name}.{made}"
    command = [
        *("prun", "--exec", "bash job.sh %RNDM:0", "--nJobs", str(jobs), "--outDS", dataset),
        *("--outputs", "parts:parts.tar", "--inTarBall", _TARBALL, "--noBuild"),
        *("--memory", str(math.ceil(memory / run.threads)), "--nCore", str(run.threads), "-y"),
        *("--maxAttempt", str(batch.retries + 1)),
        *(word for word in batch.directives if word.startswith("--")),
    ]
    return f"""\
#!/bin/bash
# Submit the stage {submission.stage.name} of {run.output.absolute()};
# needs panda-client and a proxy. The datasets are {dataset}_parts/
# (a parts.tar from each job) and {dataset}.log/.
cd "$(dirname "$0")" || exit 1
unset VIRTUAL_ENV # otherwise prun uses its Python
{shlex.join(command)} "$@"
"""
