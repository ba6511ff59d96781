"""Engines that run tasks: this process, or Dask's workers on this machine or on a cluster.

An engine yields each task, as it ends, with the number of its events or with its error. Dask
replaces a worker that dies and repeats its task on another one.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import shutil
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from analysis.batch import security
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.repository import REPOSITORY
from common.runtime.errors import (
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
RUNNING = (security.DASK, security.TLS)
"""Prefixes of the addresses of running schedulers."""

Function = Callable[[Task], int]
Outcome = tuple[Task, "int | MonojetError"]

Outcomes = Generator[Outcome, None, None]

# Loggers with messages about lost connections; errors of this module replace them.
_LOGGERS = (
    "distributed",
    "distributed.client",
    "bokeh",
    "tornado",
    "tornado.application",
    "asyncio",
)
_TIMEOUT = 10  # seconds to reach a scheduler
_AHEAD = 8  # tasks submitted per worker
_HOW_TO_START = (
    "start the scheduler and workers after `source env.sh`, with the repository on PYTHONPATH: "
    f"{REPOSITORY}"
)


class Engine(Protocol):
    """Runs tasks."""

    @property
    def dashboard(self) -> str | None:
        """Return the address of a page that shows the workers, if any."""

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        """Apply ``function`` to the tasks, which are drawn as workers become free.

        Raises:
            EngineError: the connection to the cluster is lost.
        """

    def close(self) -> None:
        """End the workers."""


def check_cluster(name: str) -> None:
    """Make sure that an engine has this name and that its programs are on the path.

    Raises:
        ConfigError: no engine has this name.
        EngineError: its programs are missing.
    """
    if name.startswith(RUNNING):
        return
    if name not in CLUSTERS:
        hint = did_you_mean(name, (*CLUSTERS, *(f"{scheme}host:port" for scheme in RUNNING)))
        raise ConfigError(f"--cluster {name}: unknown engine{hint}")
    for cluster, program in (("htcondor", "condor_submit"), ("slurm", "sbatch")):
        if name == cluster and shutil.which(program) is None:
            raise EngineError(
                f"--cluster {name}: no {program} on the path: run this where jobs can be submitted"
            )


class Engines:
    """The engine of a run: started when first needed, ended on leaving the context."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._dask: Engine | None = None

    def of(self, stage: PartitionedStage, n_tasks: int) -> Engine:
        """Return the engine for ``n_tasks`` tasks of a stage.

        Raises:
            EngineError: the cluster cannot be reached, or refuses the connection or jobs.
        """
        run = self.run
        here = _ThisProcess(run.config.batch.retries)
        if run.cluster == "local" and (min(run.workers, n_tasks) <= 1 or stage.uses_all_cores):
            return here
        saving = self._saving(n_tasks)
        sure = stage.long_tasks and n_tasks > 2 * run.workers
        if run.cluster != "local" or sure or saving.expected:
            return self._started()
        return _Local(here, self._started, saving)

    def _started(self) -> Engine:
        self._dask = self._dask or _on_dask(self.run)
        return self._dask

    def _saving(self, n_tasks: int) -> Saving:
        cost = self.run.config.batch.start_up
        return Saving(n_tasks, self.run.workers, cost, cost if self._dask is None else cost / 2)

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._dask is not None:
            self._dask.close()


@dataclass
class Saving:
    """Whether further workers would save time, judged by the tasks that this process has done.

    ``start_up`` is what the first task costs beyond its work, ``cost`` what workers cost. Both are
    estimates; a choice between engines changes no result. ``first`` and ``others`` are the times
    of the tasks done. All times are in s.
    """

    n_tasks: int
    workers: int
    start_up: float
    cost: float
    done: int = 0
    first: float = 0.0
    others: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a task that is done."""
        if self.done:
            self.others += seconds
        else:
            self.first = seconds
        self.done += 1

    @property
    def expected(self) -> bool:
        """Return whether workers are expected to save more than they cost."""
        if not self.cost:
            return True
        left = self.n_tasks - self.done
        if not self.done or left < 2:
            return False
        more = self.done - 1
        pace = self.others / more if more else max(self.first - self.start_up, 0)
        return pace * left * (1 - 1 / min(self.workers, left)) > self.cost


@dataclass(frozen=True)
class _Local:
    """The process of the run, until Dask workers on this machine are expected to save time."""

    here: _ThisProcess
    workers: Callable[[], Engine]
    saving: Saving
    dashboard: None = None

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        tasks = iter(tasks)
        while not self.saving.expected:
            start = time.perf_counter()
            outcome = next(self.here.map(function, tasks), None)
            if outcome is None:
                return
            self.saving.add(time.perf_counter() - start)
            yield outcome
        yield from self.workers().map(function, tasks)

    def close(self) -> None:
        """Nothing to end: the workers serve later stages."""


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
                        log.debug("%s: %s: trying again", task, error)
                        continue
                break
            yield task, result

    def close(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True)
class _Sendable:
    """A function whose errors can be pickled: without their causes, exceptions of C++."""

    function: Function

    def __call__(self, task: Task) -> int:
        try:
            return self.function(task)
        except MonojetError as error:
            error.__cause__ = error.__context__ = None
            raise


class _Dask:
    def __init__(self, client: Any, run: Run) -> None:
        self.client = client
        self.opened = contextlib.ExitStack()
        self.retries = run.config.batch.retries
        self.present = len(client.scheduler_info(n_workers=-1)["workers"])
        self.ahead = _AHEAD * max(self.present, run.workers, 16)
        self._failure: EngineError | None = None

    @property
    def dashboard(self) -> str | None:
        import urllib.request

        from distributed.utils import format_dashboard_link

        try:
            if self.client.cluster is None:
                link = str(self.client.dashboard_link or "")
            else:
                port = self.client.cluster.scheduler_info["services"]["dashboard"]
                link = format_dashboard_link(security.LOOPBACK, port)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(link, timeout=_TIMEOUT) as page:
                return None if b"Dask needs bokeh" in page.read(100) else link
        except (OSError, ValueError, KeyError):  # no dashboard, or behind a firewall
            return None

    def give_up(self, error: EngineError) -> None:
        """End the running tasks with this error."""
        self._failure = error
        self.client.close()

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        from distributed import as_completed

        tasks = iter(tasks)
        submitted: dict[str, Task] = {}

        def submit(number: int) -> list[Any]:
            batch = list(itertools.islice(tasks, number))
            if not batch:
                return []
            try:
                futures = self.client.map(
                    _Sendable(function), batch, pure=False, retries=self.retries
                )
            except Exception as error:  # a closed client raises errors of several types
                raise self._lost() from error
            submitted.update((f.key, task) for f, task in zip(futures, batch, strict=True))
            return list(futures)

        completed = as_completed(submit(self.ahead), with_results=True, raise_errors=False)
        for batch in completed.batches():
            outcomes = []
            for future, result in batch:
                if future.cancelled():
                    raise self._lost()
                outcomes.append((submitted.pop(future.key), _outcome(future, result)))
            del batch, future, result  # lets the scheduler release the results
            # A submission takes milliseconds, whether of one task or many.
            if len(submitted) <= self.ahead // 2:
                completed.update(submit(self.ahead - len(submitted)))
            yield from outcomes

    def _lost(self) -> EngineError:
        return self._failure or EngineError(
            "the connection to the scheduler is lost: finished parts are kept: run the same "
            "command again to resume"
        )

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the cluster may be lost
            self.opened.close()


def _outcome(future: Any, result: Any) -> int | MonojetError:
    if future.status == "finished":
        return int(result)
    error = result[1] if isinstance(result, tuple) else result
    if isinstance(error, MonojetError):
        return error
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkerError(
            f"the task killed {error.allowed_failures + 1} workers in turn (killed by the system, "
            "out of memory, or a crash in ROOT)"
        )
    return WorkerError(f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}")


def _on_dask(run: Run) -> Engine:
    import dask

    dask.config.set(
        {
            "logging": dict.fromkeys(_LOGGERS, "critical"),  # must precede the import
            # A worker holds only the task that it runs, so that no other is blamed for its death.
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.admin.low-level-log-length": 1000,  # bounds the scheduler's memory
        }
    )
    import distributed
    import distributed.gc

    # Dask then takes another port for the dashboard, whose address is logged.
    warnings.filterwarnings("ignore", r"\s*Port \d+ is already in use")
    try:
        with contextlib.ExitStack() as opened:
            if run.cluster.startswith(RUNNING):
                address, trusted = security.running_scheduler(run.cluster)
                client = distributed.Client(address, security=trusted, timeout=_TIMEOUT)
                engine = _Dask(opened.enter_context(client), run)
            elif run.cluster == "local":
                cluster = opened.enter_context(_local(run))
                engine = _Dask(opened.enter_context(distributed.Client(cluster)), run)
            else:
                from analysis.batch.dask_jobs import Jobs

                own = opened.enter_context(security.credentials(run.output.absolute()))
                jobs = opened.enter_context(Jobs(run, own))
                jobs.request()
                engine = _Dask(opened.enter_context(distributed.Client(jobs.cluster)), run)
                jobs.watch(engine.give_up)
            _set_up_workers(run, engine.client, opened)
            # Its callback would swallow a Ctrl-C during garbage collection.
            distributed.gc.disable_gc_diagnosis(force=True)
            engine.opened = opened.pop_all()
    except MonojetError:
        raise
    except Exception as error:  # from Dask, the network or the workers
        raise EngineError(f"--cluster {run.cluster}: {_cause(error, run)}") from error
    _log_workers(engine, run)
    return engine


def _log_workers(engine: _Dask, run: Run) -> None:
    dashboard = engine.dashboard
    shown = f"; dashboard: {dashboard}" if dashboard else ""
    if engine.present:
        log.info("%d workers%s", engine.present, shown)
    elif run.cluster.startswith(RUNNING):
        log.info("waiting for workers: %s has none yet%s; %s", run.cluster, shown, _HOW_TO_START)
    else:
        log.info("waiting for workers: %d jobs requested%s", run.workers, shown)


def _set_up_workers(run: Run, client: Any, opened: contextlib.ExitStack) -> None:
    """Let present and future workers load the C++ helpers.

    Raises:
        EngineError: the scheduler or the workers cannot import this project.
    """
    from analysis.batch.worker import Setup

    name = f"monojet-{client.id}"  # a scheduler may serve several runs

    def forget() -> None:
        with contextlib.suppress(Exception):  # some workers may lack it
            if client.status == "running":
                client.unregister_worker_plugin(name)

    for where, call in (("scheduler", client.run_on_scheduler), ("workers", client.run)):
        try:
            call(find_spec, "analysis.batch")
        except ModuleNotFoundError as error:
            raise EngineError(
                f"--cluster {run.cluster}: its {where} cannot import '{error.name}'; "
                f"{_HOW_TO_START}"
            ) from error
    opened.callback(forget)
    client.register_plugin(Setup(Path.cwd()), name)


def _cause(error: BaseException, run: Run) -> str:
    """Return why the engine cannot start, in one line."""
    if run.cluster.startswith(RUNNING):
        refusal = security.refusal(error)
        if refusal is not None:
            return refusal
    elif any(getattr(e, "errno", None) == errno.EADDRINUSE for e in security.causes(error)):
        return f"port {run.config.batch.port} of this machine is in use: choose another batch.port"
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _local(run: Run) -> Any:
    from distributed import LocalCluster, Security

    return LocalCluster(
        n_workers=run.workers,
        threads_per_worker=1,
        memory_limit=0,  # memory use does not grow; the machine's limits apply
        host=security.LOOPBACK,
        security=Security.temporary(),  # keeps other users of this machine out
        dashboard_address=f"{security.LOOPBACK}:{run.config.batch.dashboard_port}",
        silence_logs=logging.CRITICAL,
    )
