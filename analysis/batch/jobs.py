"""Dask's workers as jobs of HTCondor or Slurm: asked for, and asked for again when they end."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from analysis.batch.engines import directive
from analysis.batch.submit import SETTINGS, SETTINGS_HERE
from analysis.pipeline import ROOT_DIRECTORY, Run
from common.errors import EngineError

log = logging.getLogger("monojet")

_PERIOD = 15.0  # seconds between two looks at the queue, while workers are missing
_PATIENCE = 3  # looks in a row that found jobs ended and no worker

# The user's jobs that have not ended, by their ids, one a line.
_QUEUE = {
    "slurm": ("squeue", "--noheader", "--format=%i", f"--user={os.getuid()}"),
    "htcondor": ("condor_q", "-format", "%d.", "ClusterId", "-format", "%d\n", "ProcId"),
}


def cluster(run: Run) -> Any:
    """A cluster of dask-jobqueue, without any job yet."""
    import dask_jobqueue

    batch = run.config.batch
    logs = _logs(run)
    logs.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "cores": run.threads,
        "processes": 1,
        "memory": batch.memory,
        "job_name": "monojet",
        "log_directory": str(logs),
        "local_directory": batch.scratch,
        "interface": batch.interface,
        "python": shlex.quote(sys.executable),
        "worker_extra_args": ["--nthreads", "1"],  # tasks at a time; each has run.threads
        "job_script_prologue": _prologue(),
        "scheduler_options": {"dashboard_address": ":0"},
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
        extra = {"MY.JobFlavour": f'"{batch.job_flavour}"', "MY.SendCredential": "True"}
    extra |= dict(map(directive, batch.directives))
    kind = dask_jobqueue.HTCondorCluster
    with contextlib.suppress(ImportError):  # CERN's own settings, where they are installed
        from dask_lxplus import CernCluster

        kind = CernCluster
        options["container_runtime"] = "none"  # env.sh brings all that is needed
    return kind(job_cls=_job(kind.job_cls), disk=batch.disk, job_extra_directives=extra, **options)


def _job(kind: Any) -> type:
    """A kind of job of dask-jobqueue, that runs in bash, not in sh which cannot source env.sh, and
    that says when it is closed, without which a cluster does not close."""
    from distributed.core import Status

    async def close(self: Any) -> None:
        await kind.close(self)
        self.status = Status.closed

    return type("Job", (kind,), {"executable": "/bin/bash", "close": close})


def _logs(run: Run) -> Path:
    return (run.output / "logs").absolute()


def _prologue() -> list[str]:
    """What a job does before it starts the worker; it may have an empty environment."""
    root, here = shlex.quote(str(ROOT_DIRECTORY)), shlex.quote(str(Path.cwd()))
    set_here = [name for name in (*SETTINGS, *SETTINGS_HERE) if name in os.environ]
    return [
        'export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"',
        'export HOME="${HOME:-$PWD}"',
        *(f"export {name}={shlex.quote(os.environ[name])}" for name in set_here),
        f"source {root}/env.sh || exit 1",
        f'export PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        f"cd {here} || exit 1",
    ]


class Jobs:
    """Keeps as many jobs in the queue as the run has workers.

    Dask replaces no job that has ended (killed, or at its time limit), and does not know of one
    whose worker never came: here, what the queue says counts. Each job has a name of its own, as
    the scheduler may still believe in a lost worker.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.cluster = run, cluster(run)
        self._names = (f"monojet-{i}" for i in itertools.count())
        self._joined: set[str] = set()
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
        in_vain = 0
        while not self._ending.wait(_PERIOD):
            present = {worker.name for worker in list(self.cluster.scheduler.workers.values())}
            self._joined |= present
            if len(present) >= self.run.workers:
                in_vain = 0
                continue
            ended = [name for name in self._ended() if name not in present]
            if present:
                in_vain = 0
            elif not self._joined.issuperset(ended):
                in_vain += 1
            if in_vain == _PATIENCE:
                give_up(
                    EngineError(
                        f"--cluster {self.run.cluster}: the jobs end before their workers have "
                        f"joined: see {_logs(self.run)}"
                    )
                )
                return
            if ended:
                log.info("jobs ended: %d: asking for new ones", len(ended))
                try:
                    self._replace(ended)
                except (OSError, ValueError, RuntimeError) as error:
                    log.warning("jobs are refused, to be tried again: %s", _reason(error))

    def _ended(self) -> list[str]:
        """The names of the jobs that are not in the queue: they have ended, or were refused."""
        command = _QUEUE[self.run.cluster]
        try:
            found = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=True, timeout=60
            )
        except (OSError, subprocess.SubprocessError) as error:
            log.debug("%s: %s", command[0], error)  # at the next look, perhaps
            return []
        queued = found.stdout.split()
        ids = {name: job.job_id for name, job in list(self.cluster.workers.items())}
        return [name for name in self.cluster.worker_spec if ids.get(name) not in queued]

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


def _reason(error: BaseException) -> str:
    """What the batch system's program says, in one line."""
    text = str(error)
    for marker in ("stdout:\n", "stderr:\n"):  # dask-jobqueue's report of a failed command
        _, _, said = text.partition(marker)
        text = said if said.strip() else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines) or type(error).__name__
