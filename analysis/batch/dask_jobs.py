"""Dask's workers as jobs of HTCondor or Slurm, which are replaced when they end."""

from __future__ import annotations

import contextlib
import copy
import itertools
import logging
import math
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.batch import queue_status
from analysis.batch.environment import directive, exports
from analysis.batch.queue_status import Queued
from analysis.batch.security import LOOPBACK
from analysis.workflow.run import Run
from common.repository import REPOSITORY
from common.runtime.errors import EngineError

log = logging.getLogger("monojet")

_PERIOD = 15.0  # seconds between queries of the queue, while workers are missing
_MAX_VAIN = 3  # queries in a row that show ended jobs and no worker
_MAX_HELD = 20  # queries in a row that show all jobs held
_FIRST_LINE = 4  # queries before a line explains why jobs wait; then twice as many, and so on


def _dask_jobqueue() -> Any:
    """Import dask_jobqueue; restore the handler of SIGINT, which its import replaces."""
    handler = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    signal.signal(signal.SIGINT, handler)
    return dask_jobqueue


def cluster(run: Run, security: Any) -> Any:
    """Return a cluster of dask-jobqueue, still without jobs."""
    _logs(run).mkdir(parents=True, exist_ok=True)
    options = _options(run, security)
    return _slurm(run, options) if run.cluster == "slurm" else _htcondor(run, options)


def _options(run: Run, security: Any) -> dict[str, Any]:
    """Return the options of clusters on both batch systems."""
    from distributed.utils import get_ip

    batch = run.config.batch
    scheduler = {"port": batch.port, "dashboard_address": f"{LOOPBACK}:{batch.dashboard_port}"}
    if batch.interface is None:
        scheduler["host"] = get_ip()  # the address that workers call, instead of all addresses
    return {
        "cores": run.threads,
        "processes": 1,
        "memory": batch.memory,
        "job_name": "monojet",
        "log_directory": str(_logs(run)),
        "local_directory": batch.scratch,
        "interface": batch.interface,
        "python": shlex.quote(sys.executable),
        "worker_extra_args": [
            *("--nthreads", "1"),  # tasks at a time; each uses run.threads
            *("--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"),  # it is not encrypted
        ],
        "job_script_prologue": _prologue(),
        "scheduler_options": scheduler,
        "security": security,
        "silence_logs": logging.CRITICAL,
    }


def _slurm(run: Run, options: Mapping[str, Any]) -> Any:
    kind, batch = _dask_jobqueue().SLURMCluster, run.config.batch
    return kind(
        job_cls=_job(kind.job_cls),
        walltime=batch.walltime,
        queue=batch.queue,
        account=batch.account,
        job_extra_directives=list(batch.directives),
        **options,
    )


def _htcondor(run: Run, options: dict[str, Any]) -> Any:
    kind, batch = _dask_jobqueue().HTCondorCluster, run.config.batch
    extra = {}
    if batch.job_flavour:
        extra = {"MY.JobFlavour": f'"{batch.job_flavour}"'}
    if batch.send_credential:
        extra["MY.SendCredential"] = "True"
    extra |= dict(map(directive, batch.directives))
    with contextlib.suppress(ImportError):  # CERN's own settings, where installed
        from dask_lxplus import CernCluster

        kind = CernCluster
        options |= {"container_runtime": "none", "batch_name": "monojet"}  # env.sh suffices
    with warnings.catch_warnings():  # CernCluster resets all filters
        return kind(
            job_cls=_job(kind.job_cls), disk=batch.disk, job_extra_directives=extra, **options
        )


def _job(kind: Any) -> type:
    """Return a subclass of a dask-jobqueue job that runs in bash and reports when it is closed.

    sh cannot source env.sh, and a cluster waits for the status ``closed`` of its jobs.
    """
    from distributed.core import Status

    def init(self: Any, *arguments: Any, security: Any, **named: Any) -> None:
        quoted = copy.copy(security)  # its paths become part of a command line
        for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
            setattr(quoted, name, shlex.quote(getattr(security, name)))
        with warnings.catch_warnings():  # CernCluster's job resets all filters
            kind.__init__(self, *arguments, security=quoted, **named)

    async def close(self: Any) -> None:
        await kind.close(self)
        self.status = Status.closed

    return type("Job", (kind,), {"executable": "/bin/bash", "__init__": init, "close": close})


def _logs(run: Run) -> Path:
    return (run.output / "logs").absolute()


def _prologue() -> list[str]:
    """Return the shell lines of a job, whose environment may be empty, before the worker starts."""
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

    Dask does not replace jobs that have ended (killed, or at their time limit), nor does it notice
    if a worker never joins; so the queue decides here. Each job has a unique name, as the scheduler
    may not have noticed the loss of a worker. Held jobs are reported and not replaced.
    """

    def __init__(self, run: Run, security: Any) -> None:
        self.run, self.cluster = run, cluster(run, security)
        self._names = (f"monojet-{i}" for i in itertools.count())
        # CERN's jobs are spooled: after their end they stay in the queue, with their logs.
        self.spooled = type(self.cluster).__name__ == "CernCluster"
        self._joined: set[str] = set()
        self._vain = self._held = self._waits = 0  # queries in a row
        self._reported: set[str] = set()  # reasons for holding or refusing a job
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None

    def request(self) -> None:
        """Submit all jobs.

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
        """Replace jobs that end from now on; call ``give_up`` if new ones end as well."""
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
        """Query the queue while workers are missing, and replace jobs that have ended.

        Raises:
            EngineError: all jobs are held, or they end before their workers join.
        """
        present = {worker.name for worker in list(self.cluster.scheduler.workers.values())}
        self._joined |= present
        if len(present) >= self.run.workers:
            self._vain = self._held = self._waits = 0
            return
        queued = queue_status.look(self.run.cluster)
        if queued is None:
            return
        ids = {name: job.job_id or "" for name, job in list(self.cluster.workers.items())}
        jobs = {
            name: queued.get(ids.get(name, ""))
            for name in list(self.cluster.worker_spec)
            if name not in present
        }
        self._report_held(jobs)
        self._report_waiting(jobs, len(present))
        held = [job.reason for job in jobs.values() if job and job.state == "held"]
        self._held = self._held + 1 if len(held) == self.run.workers else 0
        if self._held == _MAX_HELD:
            raise EngineError(
                f"--cluster {self.run.cluster}: all jobs are held ({held[0]}): finished parts are "
                "kept: fix the cause and run the same command again to resume"
            )
        missing = {name: ids.get(name, "") for name, job in jobs.items() if job is None}
        if present:
            self._vain = 0
        elif self._in_vain(missing, any(jobs.values())):
            self._vain += 1
        if missing:
            self._request_again(missing)

    def _in_vain(self, missing: Mapping[str, str], any_queued: bool) -> bool:
        """Return whether jobs ended before their workers joined, or all of them are refused."""
        lost = [identity for name, identity in missing.items() if name not in self._joined]
        return any(lost) or bool(lost and not any_queued)

    def _request_again(self, missing: Mapping[str, str]) -> None:
        """Replace jobs that have ended or were refused, given by name and id.

        Raises:
            EngineError: they end before their workers join.
        """
        ended = [identity for identity in missing.values() if identity]
        line = queue_status.last_line(_logs(self.run), ended, self.spooled)
        if self._vain == _MAX_VAIN:
            quoted = f"; last line of their logs: {line}" if line else ""
            raise EngineError(
                f"--cluster {self.run.cluster}: jobs end before their workers join, {_MAX_VAIN} "
                f"times in a row: see {_logs(self.run)}{quoted}"
            )
        if ended:
            quoted = f" (last line of their logs: {line})" if line else ""
            log.info("jobs ended: %d: requesting new ones%s", len(ended), quoted)
        try:
            self._replace(missing)
        except (OSError, ValueError, RuntimeError) as error:
            reason = _reason(error)
            if reason not in self._reported:
                self._reported.add(reason)
                log.warning("jobs refused, trying again later: %s", reason)

    def _report_held(self, jobs: Mapping[str, Queued | None]) -> None:
        """Warn about held jobs, once for each reason."""
        kinds: dict[str, list[Queued]] = {}
        for job in jobs.values():
            if job is not None and job.state == "held":
                kinds.setdefault(queue_status.reason_kind(job.reason), []).append(job)
        for kind in kinds.keys() - self._reported:
            self._reported.add(kind)
            alike = kinds[kind]
            log.warning(
                "jobs held: %d: %s (fix the cause, then %s %s)",
                *(len(alike), alike[0].reason, queue_status.RELEASE[self.run.cluster]),
                " ".join(job.id for job in alike),
            )

    def _report_waiting(self, jobs: Mapping[str, Queued | None], present: int) -> None:
        """Log why jobs wait, at growing intervals."""
        waiting = [job for job in jobs.values() if job is not None and job.state == "waiting"]
        self._waits = self._waits + 1 if waiting else 0
        ratio = self._waits / _FIRST_LINE
        if ratio >= 1 and math.log2(ratio).is_integer():
            reasons = ", ".join(sorted({job.reason for job in waiting if job.reason}))
            log.info(
                "workers: %d of %d; jobs waiting in the queue for %.0f minutes: %d%s (%s %s)",
                *(present, self.run.workers, self._waits * _PERIOD / 60, len(waiting)),
                f": {reasons}" if reasons else "",
                *(queue_status.EXPLAIN[self.run.cluster], waiting[0].id),
            )

    def _replace(self, names: Iterable[str]) -> None:
        """Replace the named jobs, and submit those still missing.

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


def _reason(error: BaseException) -> str:
    """Return the message of the batch system's program, in one line."""
    text = str(error)
    for marker in ("stdout:\n", "stderr:\n"):  # dask-jobqueue's report of a failed command
        _, _, rest = text.partition(marker)
        text = rest if rest.strip() else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines) or type(error).__name__
