"""Work in a process of its own."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common.runtime import child as child_module
from common.runtime.child import PARENT, Child
from common.runtime.errors import InputError, WorkerError


def fail() -> None:
    raise InputError("file: cause")


def divide(a: int, b: int) -> float:
    return a / b


@pytest.fixture(autouse=True, params=["forked", "new"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of this process, whatever threads it has, or a new one."""
    monkeypatch.setattr(child_module, "_has_one_thread", lambda: request.param == "forked")
    kind: str = request.param
    return kind


STATE: list[int] = []


def state() -> list[int]:
    return STATE


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


def test_only_a_copy_has_the_state_of_this_process(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "STATE", [1])
    with Child() as child:
        assert child.call(state) == ([1] if kind == "forked" else [])
        assert child.call(os.getenv, PARENT) == str(os.getpid())
        assert child.call(signal.getsignal, signal.SIGINT) == signal.SIG_IGN
        assert child.call(signal.getsignal, signal.SIGTERM) == signal.SIG_DFL


def test_locks_of_this_process_are_left(tmp_path: Path) -> None:
    with Child() as child:
        with (tmp_path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            child.call(os.getpid)
        with (tmp_path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_end_within_a_function_is_an_exit() -> None:
    with Child() as child, pytest.raises(WorkerError, match="exit 4"):
        child.call(sys.exit, 4)


def test_it_ends_with_this_process() -> None:
    code = (
        "import os\nfrom common.runtime.child import Child\n"
        "print(Child().call(os.getpid), flush=True)\nos._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    process = Path(f"/proc/{int(done.stdout)}/stat")
    end = time.monotonic() + 30
    while process.exists() and process.read_text().split()[2] != "Z":  # nobody may wait for it
        assert time.monotonic() < end
        time.sleep(0.05)


def test_threads_prevent_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert not child_module._has_one_thread()
    done.set()
    thread.join()
