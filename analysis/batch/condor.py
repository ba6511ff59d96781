"""What HTCondor says of the jobs of a submission: their event logs, and the queue.

An event log tells without the schedd, which may be on another machine, busy or gone. The queue
tells of jobs whose log lies with the schedd (``condor_submit -spool``), and of logs that ended
before their jobs did. A job carries the number of its shard and the name of its plan in the notes
of its submission, so that jobs that were submitted by hand are known, too.
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

TIME = "%Y-%m-%d %H:%M:%S"  # as event logs have it
_PATIENCE = 60  # seconds for an answer of the schedd
_FEW = 6  # jobs that are named one by one
_WIDTH = 250  # characters of a reason


@dataclass(frozen=True)
class Job:
    """A job: its number ``cluster.proc``, its shard of a plan, what has become of it and why."""

    number: str
    shard: int
    plan: str
    submitted: str
    state: State = "queued"
    reason: str = ""
    schedd: str | None = None

    @property
    def live(self) -> bool:
        """Whether it may still make its parts."""
        return self.state in LIVE

    @property
    def cluster(self) -> int:
        """The number of its cluster."""
        return int(self.number.split(".")[0])


def notes(shard: object, jobs: int, plan: str) -> str:
    """Return what the submission of a job notes."""
    return f"monojet shard {shard} of {jobs}, plan {plan}"


_NOTES = re.compile(r"monojet shard (\d+) of \d+, plan (\w+)")
_HEAD = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) (\S+ \S+) ")
_EXIT = re.compile(r"termination \((?:return value|signal) (\d+)\)")


def in_logs(folder: Path) -> list[Job]:
    """Return the jobs that the event logs of a folder tell of."""
    return [job for path in sorted(folder.glob("*.log")) for job in in_log(path)]


def in_log(path: Path) -> list[Job]:
    """Return the jobs that an event log tells of; those of others, without our notes, are left out.

    The format is documented (HTCondor manual, Managing a Job, "In the Job Event Log File"): events
    of lines, the first with number, job and time, the last ``...``. The last event may be half
    written.
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
        if code == "000" and (said := _NOTES.search(event)):
            jobs[number] = Job(number, int(said[1]), said[2], when)
        elif number in jobs:
            state, reason = _after(code, [line.strip() for line in body]) or (None, "")
            if state is not None:
                jobs[number] = replace(jobs[number], state=state, reason=reason)
    return list(jobs.values())


def _after(code: str, body: Sequence[str]) -> tuple[State, str] | None:
    """Return the state of a job after an event, and the reason; None if it stays what it was."""
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


# By JobStatus, where running may be to send what the job has made, or suspended.
_RUNNING, _HELD = ("2", "6", "7"), "5"
_ENDED = ("3", "4")  # removed, completed
_SPOOLING = "16"  # HoldReasonCode of a job whose files are on their way to the schedd
_ASKED = (
    *("ClusterId", "ProcId", "QDate", "SubmitEventNotes"),
    *("JobStatus", "HoldReason", "HoldReasonCode", "ExitCode"),
)


def state_of(status: object, hold_code: object) -> State:
    """Return the state that JobStatus and HoldReasonCode stand for, in the queue of a schedd."""
    if str(status) in _RUNNING:
        return "running"
    if str(status) == _HELD and str(hold_code) != _SPOOLING:
        return "held"
    return "ended" if str(status) in _ENDED else "queued"


def in_queue(plan: str, schedd: str | None) -> list[Job] | None:
    """Return the jobs of a plan in a schedd's queue; None if it does not answer."""
    command = ["condor_q", *(("-name", schedd) if schedd else ())]
    command += ["-constraint", f'regexp("plan {plan}", SubmitEventNotes)']
    command += ["-json", "-attributes", ",".join(_ASKED)]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=_PATIENCE
        )
        return [_queued(ad, schedd) for ad in json.loads(done.stdout or "[]")]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def _queued(ad: dict[str, Any], schedd: str | None) -> Job:
    said = _NOTES.search(ad["SubmitEventNotes"])
    state = state_of(ad["JobStatus"], ad.get("HoldReasonCode"))
    reason = str(ad.get("HoldReason", "")) if state == "held" else ""
    if state == "ended" and ad.get("ExitCode"):
        reason = f"exit {ad['ExitCode']}"
    when = time.strftime(TIME, time.localtime(ad["QDate"]))
    shard, plan = (int(said[1]), said[2]) if said else (-1, "")
    number = f"{ad['ClusterId']}.{ad['ProcId']}"
    return Job(number, shard, plan, when, state, reason, schedd)


def schedd_of(cluster: int, options: Sequence[str]) -> str | None:
    """Return the name of the schedd that has taken a cluster, if it says so; ``options`` are those
    of condor_submit."""
    where = list(options)[list(options).index("-name") :][:2] if "-name" in options else []
    command = ["condor_q", *where, str(cluster), "-af", "GlobalJobId"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, found, _ = done.stdout.partition("#")
    return name if found else None


def in_brief(reason: str) -> str:
    """Return the reason of a hold without what HTCondor says of its own daemons."""
    head, _, details = reason.partition(" Details: ")
    cause = re.search(r"\|Error: ([^|(]+)", details)  # as file-transfer plugins are quoted
    text = f"{head} {cause[1].strip()}" if cause else reason
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def words(jobs: Sequence[Job]) -> str:
    """Return the jobs as condor_release and condor_rm take them: many as whole clusters."""
    if len(jobs) <= _FEW:
        return " ".join(job.number for job in jobs)
    return " ".join(map(str, sorted({job.cluster for job in jobs})))


def latest(jobs: Iterable[Job]) -> Iterator[Job]:
    """Give of each shard the job that was submitted last."""
    by_shard: dict[int, Job] = {}
    for job in sorted(jobs, key=lambda job: (job.submitted, job.cluster)):
        by_shard[job.shard] = job
    yield from by_shard.values()
