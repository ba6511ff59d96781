from __future__ import annotations

import os
import signal
import time

import pytest

from analysis.workers import map_ordered
from common.errors import InputError, WorkerError


def slow_square(x: int) -> int:
    time.sleep(0.05 * (x % 3))
    return x * x


def die(x: int) -> int:
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def complain(x: int) -> int:
    raise InputError(f"task {x}")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    assert list(map_ordered(slow_square, range(9), workers)) == [(x, x * x) for x in range(9)]


def test_a_killed_worker_is_an_error() -> None:
    with pytest.raises(WorkerError, match="died"):
        list(map_ordered(die, range(5), 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_reaches_the_caller(workers: int) -> None:
    with pytest.raises(InputError, match="task 0"):
        list(map_ordered(complain, range(5), workers))
