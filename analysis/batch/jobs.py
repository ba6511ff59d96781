"""Dask's workers as jobs of HTCondor or Slurm: asked for, and asked for again when they end."""

from __future__ import annotations

import contextlib
import copy
import itertools
import logging
import math
import re
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.batch import queue
from analysis.batch.environment import directive, exports
from analysis.batch.queue import Queued
from analysis.batch.security import LOOPBACK
from analysis.workflow.run import Run
from common.repository import REPOSITORY
from common.runtime.errors import EngineError

log = logging.getLogger("monojet")

_PERIOD = 15.0  # seconds between two looks at the queue, while workers are missing
_VAIN = 3  # looks in a row that found jobs ended and no worker
_HELD = 20  # looks in a row that found all jobs held
_FIRST_WORD = 4  # looks until a line tells why jobs wait; then twice as many, and so on


def _dask_jobqueue() -> Any:
    """The module, whose import sets a handler of SIGINT: Ctrl-C stays ours."""
    handler = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    signal.signal(signal.SIGINT, handler)
    return dask_jobqueue


def cluster(run: Run, security: Any) -> Any:
    """A cluster of dask-jobqueue, without any job yet."""
    from distributed.utils import get_ip

    dask_jobqueue = _dask_jobqueue()
    batch = run.config.batch
    logs = _logs(run)
    logs.mkdir(parents=True, exist_ok=True)
    scheduler = {"port": batch.port, "dashboard_address": f"{LOOPBACK}:{batch.dashboard_port}"}
    if batch.interface is None:
        scheduler["host"] = get_ip()  # which the workers are told to call: not all addresses
    options: dict[str, Any] = {
        "cores": run.threads,
        "processes": 1,
        "memory": batch.memory,
        "job_name": "monojet",
        "log_directory": str(logs),
        "local_directory": batch.scratch,
        "interface": batch.interface,
        "python": shlex.quote(sys.executable),
        "worker_extra_args": [
            *("--nthreads", "1"),  # tasks at a time; each has run.threads
            *("--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"),  # which is not encrypted
        ],
        "job_script_prologue": _prologue(),
        "scheduler_options": scheduler,
        "security": security,
        "silence_logs": logging.CRITICAL,
    }
    if run.cluster == "slurm":
        return dask_jobqueue.SLURMCluster(
            job_cls=_job(dask_jobqueue.SLURMCluster.job_cls),
            walltime=batch.walltime,
            queue=batch.queue,
            account=batch.account,
            job_extra_directives=list(batch.directives),
            **options,
        )
    extra = {}
    if batch.job_flavour:
        extra = {"MY.JobFlavour": f'"{batch.job_flavour}"'}
    if batch.send_credential:
        extra["MY.SendCredential"] = "True"
    extra |= dict(map(directive, batch.directives))
    kind = dask_jobqueue.HTCondorCluster
    with contextlib.suppress(ImportError):  # CERN's own settings, where they are installed
        from dask_lxplus import CernCluster

        kind = CernCluster
        options["container_runtime"] = "none"  # env.sh brings all that is needed
        options["batch_name"] = "monojet"
    with warnings.catch_warnings():  # which CERN's forgets all filters of
        return kind(
            job_cls=_job(kind.job_cls), disk=batch.disk, job_extra_directives=extra, **options
        )


def _job(kind: Any) -> type:
    """A kind of job of dask-jobqueue, that runs in bash, not in sh which cannot source env.sh, and
    that says when it is closed, without which a cluster does not close."""
    from distributed.core import Status

    def init(self: Any, *arguments: Any, security: Any, **named: Any) -> None:
        quoted = copy.copy(security)  # it becomes words of a command line
        for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
            setattr(quoted, name, shlex.quote(getattr(security, name)))
        with warnings.catch_warnings():  # which CERN's forgets all filters of
            kind.__init__(self, *arguments, security=quoted, **named)

    async def close(self: Any) -> None:
        await kind.close(self)
        self.status = Status.closed

    return type("Job", (kind,), {"executable": "/bin/bash", "__init__": init, "close": close})


def _logs(run: Run) -> Path:
    return (run.output / "logs").absolute()


def _prologue() -> list[str]:
    """What a job does before it starts the worker; it may have an empty environment."""
    root, here = shlex.quote(str(REPOSITORY)), shlex.quote(str(Path.cwd()))
    return [
        'export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"',
        'export HOME="${HOME:-$PWD}"',
        *exports("use"),
        f"source {root}/env.sh || exit 1",
        f'export PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        f"cd {here} || exit 1",
    ]


class Jobs:
    """Keeps as many jobs in the queue as the run has workers.

    Dask replaces no job that has ended (killed, or at its time limit), and does not know of one
    whose worker never came: here, what the queue says counts. Each job has a name of its own, as
    the scheduler may still believe in a lost worker. Held jobs are left to their user, and named.
    """

    def __init__(self, run: Run, security: Any) -> None:
        self.run, self.cluster = run, cluster(run, security)
        self._names = (f"monojet-{i}" for i in itertools.count())
        # CERN's jobs are spooled: ended ones stay in the queue, with what they have said.
        self.spooled = type(self.cluster).__name__ == "CernCluster"
        self._joined: set[str] = set()
        self._vain = self._held = self._waits = 0  # looks in a row
        self._named: set[str] = set()  # reasons to hold or refuse a job
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None

    def ask(self) -> None:
        """Ask for all jobs.

        Raises:
            EngineError: none is accepted.
        """
        try:
            self._replace(())
        except (OSError, ValueError, RuntimeError) as error:
            accepted = sum(1 for job in self.cluster.workers.values() if job.job_id)
            if not accepted:
                raise EngineError(f"--cluster {self.run.cluster}: {_reason(error)}") from error
            log.warning("%d of %d jobs accepted: %s", accepted, self.run.workers, _reason(error))

    def watch(self, give_up: Callable[[EngineError], None]) -> None:
        """Replace jobs that end, from now on; ``give_up`` is called if that is of no use."""
        self._watcher = threading.Thread(target=self._watch, args=(give_up,), daemon=True)
        self._watcher.start()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        """End all jobs."""
        self._ending.set()
        if self._watcher is not None:
            self._watcher.join()
        self.cluster.close()

    def _watch(self, give_up: Callable[[EngineError], None]) -> None:
        while not self._ending.wait(_PERIOD):
            try:
                self._look()
            except EngineError as error:
                give_up(error)
                return

    def _look(self) -> None:
        """Look at the queue, while workers are missing.

        Raises:
            EngineError: to wait on is of no use.
        """
        present = {worker.name for worker in list(self.cluster.scheduler.workers.values())}
        self._joined |= present
        if len(present) >= self.run.workers:
            self._vain = self._held = self._waits = 0
            return
        queued = queue.look(self.run.cluster)
        if queued is None:
            return
        ids = {name: job.job_id or "" for name, job in list(self.cluster.workers.items())}
        jobs = {
            name: queued.get(ids.get(name, ""))
            for name in list(self.cluster.worker_spec)
            if name not in present
        }
        self._tell(jobs, len(present))
        held = [job.reason for job in jobs.values() if job and job.state == "held"]
        self._held = self._held + 1 if len(held) == self.run.workers else 0
        if self._held == _HELD:
            raise EngineError(
                f"--cluster {self.run.cluster}: all jobs are held ({held[0]}): the finished parts "
                "are kept; mend the cause and run the same command again to resume"
            )
        missing = {name: ids.get(name, "") for name, job in jobs.items() if job is None}
        if present:
            self._vain = 0
        elif self._in_vain(missing, any(jobs.values())):
            self._vain += 1
        if missing:
            self._ask_again(missing)

    def _in_vain(self, missing: Mapping[str, str], any_queued: bool) -> bool:
        """Whether jobs ended before their workers joined, or all of them are refused."""
        lost = [identity for name, identity in missing.items() if name not in self._joined]
        return any(lost) or bool(lost and not any_queued)

    def _ask_again(self, missing: Mapping[str, str]) -> None:
        """Replace jobs that have ended, or were refused, given by name and id.

        Raises:
            EngineError: they end before their workers join.
        """
        ended = [identity for identity in missing.values() if identity]
        words = queue.last_words(_logs(self.run), ended, self.spooled)
        if self._vain == _VAIN:
            said = f"; the last said: {words}" if words else ""
            raise EngineError(
                f"--cluster {self.run.cluster}: the jobs end before their workers have joined, "
                f"{_VAIN} times in a row: see {_logs(self.run)}{said}"
            )
        if ended:
            said = f" (the last said: {words})" if words else ""
            log.info("jobs ended: %d: asking for new ones%s", len(ended), said)
        try:
            self._replace(missing)
        except (OSError, ValueError, RuntimeError) as error:
            reason = _reason(error)
            if reason not in self._named:
                self._named.add(reason)
                log.warning("jobs are refused, to be tried again: %s", reason)

    def _tell(self, jobs: Mapping[str, Queued | None], present: int) -> None:
        """Say why jobs do not run: of held ones each reason once, of others now and then."""
        found = [job for job in jobs.values() if job is not None]
        held = [job for job in found if job.state == "held"]
        kinds: dict[str, list[Queued]] = {}
        for job in held:
            kinds.setdefault(_without_names(job.reason), []).append(job)
        for kind in kinds.keys() - self._named:
            self._named.add(kind)
            alike = kinds[kind]
            log.warning(
                "jobs held: %d: %s (once the cause is mended: %s %s)",
                *(len(alike), alike[0].reason, queue.RELEASE[self.run.cluster]),
                " ".join(job.id for job in alike),
            )
        waiting = [job for job in found if job.state == "waiting"]
        self._waits = self._waits + 1 if waiting else 0
        words = self._waits / _FIRST_WORD
        if words >= 1 and math.log2(words).is_integer():
            reasons = ", ".join(sorted({job.reason for job in waiting if job.reason}))
            log.info(
                "workers: %d of %d; jobs that wait in the queue for %.0f minutes: %d%s (%s %s)",
                *(present, self.run.workers, self._waits * _PERIOD / 60, len(waiting)),
                f": {reasons}" if reasons else "",
                *(queue.EXPLAIN[self.run.cluster], waiting[0].id),
            )

    def _replace(self, names: Iterable[str]) -> None:
        """Ask for jobs in place of these, and for those that are missing.

        Raises:
            RuntimeError: the queue refuses.
        """
        spec, kind = self.cluster.worker_spec, self.cluster.new_spec

        async def replace() -> None:
            for name in names:
                del spec[name]
            while len(spec) < self.run.workers:
                spec[next(self._names)] = kind
            await self.cluster

        self.cluster.sync(replace)


def _without_names(reason: str) -> str:
    """A reason without names of slots and numbers, which differ from job to job."""
    return re.sub(r"\S+@\S+|\d+", "", reason)


def _reason(error: BaseException) -> str:
    """What the batch system's program says, in one line."""
    text = str(error)
    for marker in ("stdout:\n", "stderr:\n"):  # dask-jobqueue's report of a failed command
        _, _, said = text.partition(marker)
        text = said if said.strip() else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines) or type(error).__name__
