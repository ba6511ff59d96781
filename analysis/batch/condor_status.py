"""HTCondor's information on the jobs of a submission: event logs and the queue.

An event log is readable without the schedd, which may be on another machine, busy or gone. The
queue shows jobs whose log lies with the schedd (``condor_submit -spool``), and jobs whose log is
incomplete. A job carries its shard and plan in its submission notes, so that jobs that were
submitted by hand are found as well.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["queued", "running", "held", "ended", "unknown"]

LIVE: tuple[State, ...] = ("queued", "running", "held", "unknown")
"""States of a job that may still make its parts."""

TIME = "%Y-%m-%d %H:%M:%S"  # time format of event logs
_TIMEOUT = 60  # seconds for an answer of the schedd
_FEW = 6  # jobs listed one by one
_WIDTH = 250  # maximum characters of a reason


@dataclass(frozen=True)
class Job:
    """A job: its number ``cluster.proc``, its shard of a plan, its state and the reason for it."""

    number: str
    shard: int
    plan: str
    submitted: str
    state: State = "queued"
    reason: str = ""
    schedd: str | None = None

    @property
    def live(self) -> bool:
        """Return whether the job may still make its parts."""
        return self.state in LIVE

    @property
    def cluster(self) -> int:
        """Return the number of the job's cluster."""
        return int(self.number.split(".")[0])


def notes(shard: object, jobs: int, plan: str) -> str:
    """Return the submission notes of a job."""
    return f"monojet shard {shard} of {jobs}, plan {plan}"


_NOTES = re.compile(r"monojet shard (\d+) of \d+, plan (\w+)")
_HEAD = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) (\S+ \S+) ")
_EXIT = re.compile(r"termination \((?:return value|signal) (\d+)\)")


def in_logs(folder: Path) -> list[Job]:
    """Return the jobs in the event logs of a folder."""
    return [job for path in sorted(folder.glob("*.log")) for job in in_log(path)]


def in_log(path: Path) -> list[Job]:
    """Return the jobs in an event log, except those without our submission notes.

    The format is documented (HTCondor manual, Managing a Job, "In the Job Event Log File"): the
    first line of an event has number, job and time; its last line is ``...``. The last event may be
    incomplete.
    """
    jobs: dict[str, Job] = {}
    text = path.read_text(errors="replace")
    for event in text.split("\n...\n")[:-1]:
        head, *body = event.splitlines()
        found = _HEAD.match(head)
        if found is None:
            continue
        code, cluster, proc, when = found.groups()
        number = f"{int(cluster)}.{int(proc)}"
        if code == "000" and (noted := _NOTES.search(event)):
            jobs[number] = Job(number, int(noted[1]), noted[2], when)
        elif number in jobs:
            state, reason = _after(code, [line.strip() for line in body]) or (None, "")
            if state is not None:
                jobs[number] = replace(jobs[number], state=state, reason=reason)
    return list(jobs.values())


def _after(code: str, body: Sequence[str]) -> tuple[State, str] | None:
    """Return the state of a job after an event, and the reason; None if the state is unchanged."""
    first = body[0] if body else ""
    match code:
        case "001":  # execute
            return "running", ""
        case "004" | "007" | "013" | "024":  # evicted, shadow exception, released, not reconnected
            return "queued", ""
        case "005":  # terminated
            ended = _EXIT.search(first)
            if ended is None or "(1)" not in first:
                return "ended", f"killed by signal {ended[1]}" if ended else "killed"
            return "ended", "" if ended[1] == "0" else f"exit {ended[1]}"
        case "009":  # aborted
            return "ended", f"removed: {first}"
        case "012":  # held
            return "held", first
        case _:
            return None


# Values of JobStatus.
_RUNNING, _HELD = ("2", "6", "7"), "5"  # running, transferring output, suspended
_ENDED = ("3", "4")  # removed, completed
_SPOOLING = "16"  # HoldReasonCode while files are transferred to the schedd
_ASKED = (
    *("ClusterId", "ProcId", "QDate", "SubmitEventNotes"),
    *("JobStatus", "HoldReason", "HoldReasonCode", "ExitCode"),
)


def state_of(status: object, hold_code: object) -> State:
    """Return the state that JobStatus and HoldReasonCode in a schedd's queue stand for."""
    if str(status) in _RUNNING:
        return "running"
    if str(status) == _HELD and str(hold_code) != _SPOOLING:
        return "held"
    return "ended" if str(status) in _ENDED else "queued"


def in_queue(plan: str, schedd: str | None) -> list[Job] | None:
    """Return the jobs of a plan in a schedd's queue; None if the schedd does not answer."""
    command = ["condor_q", *(("-name", schedd) if schedd else ())]
    command += ["-constraint", f'regexp("plan {plan}", SubmitEventNotes)']
    command += ["-json", "-attributes", ",".join(_ASKED)]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT
        )
        return [_queued(ad, schedd) for ad in json.loads(done.stdout or "[]")]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def _queued(ad: dict[str, Any], schedd: str | None) -> Job:
    noted = _NOTES.search(ad["SubmitEventNotes"])
    state = state_of(ad["JobStatus"], ad.get("HoldReasonCode"))
    reason = str(ad.get("HoldReason", "")) if state == "held" else ""
    if state == "ended" and ad.get("ExitCode"):
        reason = f"exit {ad['ExitCode']}"
    when = time.strftime(TIME, time.localtime(ad["QDate"]))
    shard, plan = (int(noted[1]), noted[2]) if noted else (-1, "")
    number = f"{ad['ClusterId']}.{ad['ProcId']}"
    return Job(number, shard, plan, when, state, reason, schedd)


def schedd_of(cluster: int, options: Sequence[str]) -> str | None:
    """Return the name of the schedd that accepted a cluster, if known; ``options`` are those of
    condor_submit."""
    where = list(options)[list(options).index("-name") :][:2] if "-name" in options else []
    command = ["condor_q", *where, str(cluster), "-af", "GlobalJobId"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, found, _ = done.stdout.partition("#")
    return name if found else None


def in_brief(reason: str) -> str:
    """Return the reason for a hold without messages about HTCondor's own daemons."""
    head, _, details = reason.partition(" Details: ")
    cause = re.search(r"\|Error: ([^|(]+)", details)  # the quoted error of a file-transfer plugin
    text = f"{head} {cause[1].strip()}" if cause else reason
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def arguments_of(jobs: Sequence[Job]) -> str:
    """Return jobs as arguments of condor_release and condor_rm; many jobs as whole clusters."""
    if len(jobs) <= _FEW:
        return " ".join(job.number for job in jobs)
    return " ".join(map(str, sorted({job.cluster for job in jobs})))


def latest(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yield the latest job of each shard."""
    by_shard: dict[int, Job] = {}
    for job in sorted(jobs, key=lambda job: (job.submitted, job.cluster)):
        by_shard[job.shard] = job
    yield from by_shard.values()
