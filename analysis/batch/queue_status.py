"""The queue of HTCondor or Slurm: the user's jobs, and the logs of jobs that have ended."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.batch import condor_status

log = logging.getLogger("monojet")

_TIMEOUT = 60  # seconds

# Commands that list id, state and reason of all jobs of the user.
_LIST = {
    "slurm": ("squeue", "--noheader", "--format=%i %T %r", f"--user={os.getuid()}"),
    "htcondor": (
        *("condor_q", "-autoformat"),
        *("ClusterId", "ProcId", "JobStatus", "HoldReasonCode", "HoldReason"),
    ),
}

RELEASE = {"slurm": "scontrol release", "htcondor": "condor_release"}
EXPLAIN = {"slurm": "scontrol show job", "htcondor": "condor_q -better-analyze"}


@dataclass(frozen=True)
class Queued:
    """A job that has not ended."""

    id: str
    state: Literal["waiting", "held", "running"]
    reason: str = ""


_JOB_SPECIFIC = re.compile(r"\S+@\S+|slot\S+|\w+://\S+|\d+")


def reason_kind(reason: str) -> str:
    """Return a reason without slots, URLs and numbers, which differ from job to job."""
    return _JOB_SPECIFIC.sub("", reason)


def look(system: str) -> dict[str, Queued] | None:
    """Return the jobs that have not ended, by id; None if the queue does not answer."""
    found = _output(_LIST[system])
    if found is None:
        return None
    jobs = filter(None, map(_slurm if system == "slurm" else _condor, found.splitlines()))
    return {job.id: job for job in jobs}


def _slurm(line: str) -> Queued | None:
    identity, state, reason = (*line.split(maxsplit=2), "", "", "")[:3]
    if state != "PENDING":
        return Queued(identity, "running")
    held = "held" in reason.lower()  # held by user or administrator, or after a failed start
    return Queued(identity, "held" if held else "waiting", "" if reason == "None" else reason)


def _condor(line: str) -> Queued | None:
    cluster, process, status, code, reason = (*line.split(maxsplit=4), *[""] * 5)[:5]
    if not (cluster.isdigit() and process.isdigit()):  # second line of a reason
        return None
    match condor_status.state_of(status, code):
        case "ended":  # spooled jobs stay in the queue after their end
            return None
        case "held":
            return Queued(f"{cluster}.{process}", "held", reason)
        case "running":
            return Queued(f"{cluster}.{process}", "running")
        case _:
            return Queued(f"{cluster}.{process}", "waiting")


def last_line(logs: Path, ids: Iterable[str], spooled: bool = False) -> str:
    """Return the last log line of one of these ended jobs, ignoring INFO messages of Dask.

    Return '' if no log has any. Logs of ``spooled`` jobs are fetched from the schedd first.
    """
    ids = list(ids)
    if spooled and ids:
        _output(("condor_transfer_data", *ids))
    for identity in ids:
        for suffix in ("err", "out"):
            for path in logs.glob(f"*-{identity}.{suffix}"):
                lines = path.read_text(errors="replace").splitlines()
                kept = [line.strip() for line in lines if line.strip() and " - INFO - " not in line]
                if kept:
                    return kept[-1]
    return ""


def _output(command: tuple[str, ...]) -> str | None:
    try:
        return subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("%s: %s", command[0], error)  # may succeed at the next look
        return None
