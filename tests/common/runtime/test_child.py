"""Work in a process of its own."""

from __future__ import annotations

import os
import signal

import pytest

from common.runtime.child import Child
from common.runtime.errors import InputError, WorkerError


def fail() -> None:
    raise InputError("file: cause")


def divide(a: int, b: int) -> float:
    return a / b


def test_results_and_errors_come_back() -> None:
    with Child() as child:
        assert child.call(os.getpid) == child.call(os.getpid) != os.getpid()
        assert child.call(divide, 6, b=3) == 2
        with pytest.raises(InputError, match="^file: cause$"):
            child.call(fail)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            child.call(divide, 1, 0)


def test_a_process_that_dies_is_an_error_and_replaced() -> None:
    with Child() as child:
        first = child.call(os.getpid)
        with pytest.raises(WorkerError, match="SIGSEGV"):
            child.call(signal.raise_signal, signal.SIGSEGV)
        with pytest.raises(WorkerError, match="exit 3"):
            child.call(os._exit, 3)
        last = child.call(os.getpid)
        assert last not in (first, os.getpid())
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)
