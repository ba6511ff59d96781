"""What carries tasks out: this process, or Dask's workers on this machine or on a cluster.

An engine gives back each task with the number of events it worked on, or with its error, as they
end. A worker that dies is Dask's to replace, and its task is done again elsewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, Protocol

from analysis.config import Batch
from analysis.pipeline import ROOT_DIRECTORY, Run, Stage
from common.errors import (
    ConfigError,
    EngineError,
    InputError,
    MonojetError,
    WorkerError,
    did_you_mean,
)
from common.tasks import Task

log = logging.getLogger("monojet")

CLUSTERS = ("local", "htcondor", "slurm")
DASK = "dask://"

Function = Callable[[Task], int]
Outcome = tuple[Task, "int | MonojetError"]

Outcomes = Generator[Outcome, None, None]

# Their chatter about lost connections; what it means for the user is said by us.
_LOGGERS = (
    "distributed",
    "distributed.client",
    "bokeh",
    "tornado",
    "tornado.application",
    "asyncio",
)
_TIMEOUT = 10  # seconds to reach a scheduler
_AHEAD = 8  # tasks under way a worker


class Engine(Protocol):
    """Carries out tasks."""

    @property
    def dashboard(self) -> str | None:
        """Address of a page that shows the workers, if there is one."""

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        """Apply ``function`` to the tasks, which are drawn as workers become free.

        Raises:
            EngineError: the cluster is lost.
        """

    def close(self) -> None:
        """End the workers."""


def check_cluster(name: str) -> None:
    """Make sure that there is such an engine, and its programs.

    Raises:
        ConfigError: no engine has this name.
        EngineError: its programs are not on the path.
    """
    if name.startswith(DASK):
        return
    if name not in CLUSTERS:
        hint = did_you_mean(name, (*CLUSTERS, DASK + "host:port"))
        raise ConfigError(f"--cluster {name}: no such engine{hint}")
    for cluster, program in (("htcondor", "condor_submit"), ("slurm", "sbatch")):
        if name == cluster and shutil.which(program) is None:
            raise EngineError(
                f"--cluster {name}: no {program} on the path: run this where jobs can be submitted"
            )


class Engines:
    """The engine of a run, started when the first tasks need it, ended on leaving the context."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._dask: Engine | None = None

    def of(self, stage: Stage, n_tasks: int) -> Engine:
        """The engine for so many tasks of a stage.

        Raises:
            EngineError: the cluster cannot be reached, or refuses.
        """
        run = self.run
        if run.cluster == "local" and (min(run.workers, n_tasks) <= 1 or stage.uses_all_cores):
            return _ThisProcess(run.config.batch.retries)
        self._dask = self._dask or _on_dask(run)
        return self._dask

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._dask is not None:
            self._dask.close()


class _ThisProcess:
    dashboard = None

    def __init__(self, retries: int) -> None:
        self.retries = retries

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        for task in tasks:
            for attempt in range(self.retries + 1):
                try:
                    result: int | MonojetError = function(task)
                except MonojetError as error:
                    result = error
                    if isinstance(error, InputError) and attempt < self.retries:
                        log.debug("%s: %s: once more", task, error)
                        continue
                break
            yield task, result

    def close(self) -> None:
        """Nothing to end."""


class _Dask:
    def __init__(self, client: Any, cluster: Any | None, batch: Batch, n_workers: int) -> None:
        self.client, self.cluster = client, cluster
        self.retries = batch.retries
        self.ahead = _AHEAD * max(n_workers, 16)
        from analysis.batch.worker import Setup

        client.register_plugin(Setup(Path.cwd()))

    @property
    def dashboard(self) -> str | None:
        return str(self.client.dashboard_link) or None

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        from distributed import as_completed

        tasks = iter(tasks)
        under_way: dict[str, Task] = {}

        def submit(number: int) -> list[Any]:
            batch = list(itertools.islice(tasks, number))
            if not batch:
                return []
            try:
                futures = self.client.map(function, batch, pure=False, retries=self.retries)
            except Exception as error:  # whatever a closed client raises
                raise self._lost() from error
            under_way.update((f.key, task) for f, task in zip(futures, batch, strict=True))
            return list(futures)

        completed = as_completed(submit(self.ahead), with_results=True, raise_errors=False)
        for batch in completed.batches():
            outcomes = []
            for future, result in batch:
                if future.cancelled():
                    raise self._lost()
                outcomes.append((under_way.pop(future.key), _outcome(future, result)))
            del batch, future, result  # the scheduler forgets what nobody holds
            completed.update(submit(len(outcomes)))
            yield from outcomes

    def _lost(self) -> EngineError:
        return EngineError(
            "the connection to the scheduler is lost: the finished parts are kept, run the same "
            "command again to resume"
        )

    def close(self) -> None:
        for closing in (self.client, self.cluster):
            if closing is not None:
                with contextlib.suppress(Exception):  # a lost cluster has nothing to end
                    closing.close()


def _outcome(future: Any, result: Any) -> int | MonojetError:
    if future.status == "finished":
        return int(result)
    error = result[1] if isinstance(result, tuple) else result
    if isinstance(error, MonojetError):
        return error
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkerError(
            f"{error.allowed_failures + 1} workers in turn died of it (killed, or out of memory)"
        )
    return WorkerError(f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}")


def _on_dask(run: Run) -> Engine:
    import dask

    dask.config.set({"logging": dict.fromkeys(_LOGGERS, "critical")})  # before the import
    import distributed

    batch, workers = run.config.batch, run.workers
    cluster = None
    try:
        if run.cluster.startswith(DASK):
            address = "tcp://" + run.cluster.removeprefix(DASK)
            client = distributed.Client(address, timeout=_TIMEOUT)
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
        else:
            cluster = _cluster(run)
            client = distributed.Client(cluster)
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineError(f"--cluster {run.cluster}: {_first_line(error)}") from error
    engine = _Dask(client, cluster, batch, workers)
    log.info("%d workers; dashboard: %s", workers, engine.dashboard)
    return engine


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _cluster(run: Run) -> Any:
    """A new cluster of the kind asked for, its workers asked for."""
    batch = run.config.batch
    if run.cluster == "local":
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=run.workers,
            threads_per_worker=1,
            memory_limit=0,  # our memory does not grow; the machine's limits hold
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    from dask_jobqueue import HTCondorCluster, SLURMCluster

    logs = (run.output / "logs").resolve()
    logs.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "cores": run.threads,
        "processes": 1,
        "memory": batch.memory,
        "log_directory": str(logs),
        "local_directory": batch.scratch,
        "interface": batch.interface,
        "python": sys.executable,
        "worker_extra_args": ["--nthreads", "1"],
        "job_script_prologue": [
            f"cd {ROOT_DIRECTORY}",
            "source ./env.sh",
            f"export PYTHONPATH={ROOT_DIRECTORY}${{PYTHONPATH:+:$PYTHONPATH}}",
            f"cd {Path.cwd()}",
        ],
    }
    if run.cluster == "slurm":
        cluster = SLURMCluster(
            walltime=batch.walltime,
            queue=batch.queue,
            account=batch.account,
            job_extra_directives=list(batch.directives),
            **options,
        )
    else:
        extra = dict(directive(text) for text in batch.directives)
        if batch.job_flavour:
            extra["MY.JobFlavour"] = f'"{batch.job_flavour}"'
        kind = HTCondorCluster
        with contextlib.suppress(ImportError):  # CERN's own settings, where they are installed
            from dask_lxplus import CernCluster

            kind = CernCluster
        cluster = kind(disk=batch.disk, job_extra_directives=extra, **options)
    cluster.scale(jobs=run.workers)
    return cluster


def directive(text: str) -> tuple[str, str]:
    """``name = value`` of a submit file."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"batch.directives: '{text}' is not of the form 'name = value'")
    return name.strip(), value.strip()
