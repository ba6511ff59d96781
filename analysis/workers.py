"""A pool of worker processes that hands results back in the order of the tasks."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from common.errors import WorkerError

Task = TypeVar("Task")
Result = TypeVar("Result")


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group: the parent decides, the workers are then ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A parent that is killed can decide nothing: its workers end with it.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def map_ordered(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[tuple[Task, Result], None, None]:
    """Apply ``function`` to each task in ``workers`` processes; results in the tasks' order.

    With one worker the tasks run in this process. Processes are spawned, not forked: ROOT and
    TensorFlow hold threads that a fork would break. At most a few tasks a worker are under way,
    so that results waiting for their turn do not fill the memory. Closing the generator ends the
    workers: use ``contextlib.closing``.

    Raises:
        WorkerError: a worker died (killed, or out of memory).
    """
    if workers == 1:
        for task in tasks:
            yield task, function(task)
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    waiting: collections.deque[tuple[Task, concurrent.futures.Future[Result]]]
    waiting = collections.deque()
    try:
        for task in tasks:
            waiting.append((task, pool.submit(function, task)))
            if len(waiting) > 3 * workers:
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        while waiting:
            oldest, future = waiting.popleft()
            yield oldest, future.result()
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process died (killed, or out of memory): run again to resume, "
            "with fewer --workers if memory is short"
        ) from error
    except BaseException:
        for process in list((pool._processes or {}).values()):
            with contextlib.suppress(Exception):
                process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
