"""What carries tasks out: this process, or Dask's workers on this machine or on a cluster.

An engine gives back each task with the number of events it worked on, or with its error, as they
end. A worker that dies is Dask's to replace, and its task is done again elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import shutil
import urllib.request
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
"""How the addresses of schedulers begin that run already."""

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
_HOW_TO_START = (
    "start the scheduler and workers after `source env.sh`, with the repository on PYTHONPATH: "
    f"{REPOSITORY}"
)
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
    if name.startswith(RUNNING):
        return
    if name not in CLUSTERS:
        hint = did_you_mean(name, (*CLUSTERS, *(f"{scheme}host:port" for scheme in RUNNING)))
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

    def of(self, stage: PartitionedStage, n_tasks: int) -> Engine:
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


@dataclass(frozen=True)
class _Sendable:
    """A function whose errors can be sent: not so the exceptions of C++ that caused them."""

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
        from distributed.utils import format_dashboard_link

        try:
            if self.client.cluster is None:
                link = str(self.client.dashboard_link or "")
            else:
                port = self.client.cluster.scheduler_info["services"]["dashboard"]
                link = format_dashboard_link(security.LOOPBACK, port)
            with _OPENER.open(link, timeout=_TIMEOUT) as page:
                return None if b"Dask needs bokeh" in page.read(100) else link
        except (OSError, ValueError, KeyError):  # a scheduler without one, or behind a firewall
            return None

    def give_up(self, error: EngineError) -> None:
        """End the tasks under way with this error."""
        self._failure = error
        self.client.close()

    def map(self, function: Function, tasks: Iterable[Task]) -> Outcomes:
        from distributed import as_completed

        tasks = iter(tasks)
        under_way: dict[str, Task] = {}

        def submit(number: int) -> list[Any]:
            batch = list(itertools.islice(tasks, number))
            if not batch:
                return []
            try:
                futures = self.client.map(
                    _Sendable(function), batch, pure=False, retries=self.retries
                )
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
            # To submit costs milliseconds, whether one task or many.
            if len(under_way) <= self.ahead // 2:
                completed.update(submit(self.ahead - len(under_way)))
            yield from outcomes

    def _lost(self) -> EngineError:
        return self._failure or EngineError(
            "the connection to the scheduler is lost: the finished parts are kept, run the same "
            "command again to resume"
        )

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a lost cluster has nothing to end
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
            f"{error.allowed_failures + 1} workers in turn died of it (killed, out of memory, or "
            "crashed as ROOT read it)"
        )
    return WorkerError(f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}")


def _on_dask(run: Run) -> Engine:
    import dask

    dask.config.set(
        {
            "logging": dict.fromkeys(_LOGGERS, "critical"),  # before the import
            # A worker holds no task but the one it does: no other is blamed for its death.
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.admin.low-level-log-length": 1000,  # of the scheduler: memory stays flat
        }
    )
    import distributed
    import distributed.gc

    # Another is taken for the dashboard, whose address is shown.
    warnings.filterwarnings("ignore", r"\s*Port \d+ is already in use")
    try:
        with contextlib.ExitStack() as opened:
            if run.cluster.startswith(RUNNING):
                address, trusted = security.known(run.cluster)
                client = distributed.Client(address, security=trusted, timeout=_TIMEOUT)
                engine = _Dask(opened.enter_context(client), run)
            elif run.cluster == "local":
                cluster = opened.enter_context(_local(run))
                engine = _Dask(opened.enter_context(distributed.Client(cluster)), run)
            else:
                from analysis.batch.jobs import Jobs

                own = opened.enter_context(security.credentials(run.output.absolute()))
                jobs = opened.enter_context(Jobs(run, own))
                jobs.ask()
                engine = _Dask(opened.enter_context(distributed.Client(jobs.cluster)), run)
                jobs.watch(engine.give_up)
            _set_up_workers(run, engine.client, opened)
            # Its callback would swallow a Ctrl-C that comes while garbage is collected.
            distributed.gc.disable_gc_diagnosis(force=True)
            engine.opened = opened.pop_all()
    except MonojetError:
        raise
    except Exception as error:  # of Dask, of the network, of the workers
        raise EngineError(f"--cluster {run.cluster}: {_said(error, run)}") from error
    dashboard = engine.dashboard
    shown = f"; dashboard: {dashboard}" if dashboard else ""
    if engine.present:
        log.info("%d workers%s", engine.present, shown)
    elif run.cluster.startswith(RUNNING):
        log.info("waiting for workers: %s has none yet%s; %s", run.cluster, shown, _HOW_TO_START)
    else:
        log.info("waiting for workers: %d jobs asked for%s", run.workers, shown)
    return engine


def _set_up_workers(run: Run, client: Any, opened: contextlib.ExitStack) -> None:
    """Let the workers declare the helpers, those that are there and those to come.

    Raises:
        EngineError: they, or the scheduler, cannot import this project.
    """
    from analysis.batch.worker import Setup

    name = f"monojet-{client.id}"  # a scheduler may serve several runs

    def forget() -> None:
        with contextlib.suppress(Exception):  # not all workers have it
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


def _said(error: BaseException, run: Run) -> str:
    """Why there is no engine, in one line."""
    if run.cluster.startswith(RUNNING):
        said = security.refusal(error)
        if said is not None:
            return said
    elif any(getattr(e, "errno", None) == errno.EADDRINUSE for e in security.causes(error)):
        return f"port {run.config.batch.port} of this machine is taken: choose another batch.port"
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _local(run: Run) -> Any:
    from distributed import LocalCluster, Security

    return LocalCluster(
        n_workers=run.workers,
        threads_per_worker=1,
        memory_limit=0,  # our memory does not grow; the machine's limits hold
        host=security.LOOPBACK,
        security=Security.temporary(),  # this machine may have other users
        dashboard_address=f"{security.LOOPBACK}:{run.config.batch.dashboard_port}",
        silence_logs=logging.CRITICAL,
    )
