"""A submission to the grid: the tarball that its jobs start from, and the command line of prun."""

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

# What a job on the grid gets of the repository, and of which kinds.
_SHIPPED = ("analysis", "common", "cpp_helpers", "plots", "selections", "training")
_SHIPPED_FILES = ("LICENSE", "env.sh", "requirements.in", "requirements.txt", "run_analysis.py")
_SHIPPED_KINDS = {".cxx", ".hxx", ".json", ".py", ".yaml"}
_TARBALL = "monojet.tar.gz"
_TARBALL_LIMIT = 10_000_000  # bytes; prun --noBuild


def write(submission: Submission, jobs: int, memory: int) -> None:
    """Write what only the grid needs: the tarball and the call of prun for so many jobs of so many
    MB of memory.

    Raises:
        BatchError: the tarball is larger than the grid takes.
    """
    folder = submission.folder
    _write_tarball(folder)
    files.write_text(folder / "prun.sh", _prun(submission, jobs, memory))


def _write_tarball(folder: Path) -> None:
    """What a job on the grid starts from, and the list of it.

    Raises:
        BatchError: it is larger than the grid takes.
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
# Stage {submission.stage.name} of {run.output.absolute()}, with panda-client and a proxy.
# It makes the datasets {dataset}_parts/ (a parts.tar a job)
# and {dataset}.log/.
cd "$(dirname "$0")" || exit 1
unset VIRTUAL_ENV # whose Python prun would take
{shlex.join(command)} "$@"
"""
