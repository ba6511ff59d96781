"""Run functions in a separate process, which may crash: ROOT can die of a damaged file.

It is a copy of this process (a fork), which has all modules and ROOT at no cost, if this process
has one thread beside those of numpy: another one may hold a lock, which would stay locked in the
copy. So ROOT's own threads, or those of Dask or pytest-xdist, lead to a new process. The threads of
numpy (OpenBLAS) wait for work, and OpenBLAS itself stops them before a fork.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import ParamSpec, TypeVar

from common.repository import REPOSITORY
from common.runtime.errors import MonojetError, WorkerError

log = logging.getLogger("monojet")

PARENT = "MONOJET_PARENT"
"""Environment variable of such a process: the parent process reports its exit."""

_TASKS = Path("/proc/self/task")


def _threads() -> set[str]:
    """Return the threads of this process, in Python and in libraries; none if unknown."""
    try:
        return {path.name for path in _TASKS.iterdir()}
    except OSError:  # not Linux
        return set()


_harmless: set[str] = set()


def ignore_present_threads() -> None:
    """Regard the threads that libraries have started so far, if Python has none, as harmless to a
    fork. Call it when numpy is imported and before ROOT starts."""
    if threading.active_count() == 1:
        _harmless.update(_threads() - {str(os.getpid())})


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Child:
    """A separate process that runs functions, one at a time.

    The first call starts it; after a crash, or `end`, the next call starts a new one. It ends on
    leaving the context, or with this process.
    """

    def __init__(self) -> None:
        self._running: tuple[_Forked | subprocess.Popen[bytes], Connection] | None = None
        self._owner = os.getpid()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process and discard its state."""
        self._disown()
        if self._running is not None:
            process, pipe = self._running
            process.kill()
            process.wait()
            pipe.close()
            self._running = None

    def _disown(self) -> None:
        """Forget the process in a copy of the process that started it."""
        if self._owner != os.getpid():
            self._running, self._owner = None, os.getpid()

    def call(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Call a module-level function and return its result; both and all arguments are pickled.

        Raises:
            WorkerError: the process died; the message names the signal or exit code, not the work.
            MonojetError: raised by the function.
            RuntimeError: the function raised another exception, whose traceback is the text.
        """
        self._disown()
        self._running = self._running or _start()
        process, pipe = self._running
        try:
            pipe.send((function, arguments, named))
            result, error = pipe.recv()
        except (EOFError, ConnectionError) as died:
            code = process.wait()
            self.end()
            how = signal.Signals(-code).name if code < 0 else f"exit {code}"
            raise WorkerError(f"the process that worked on it died ({how})") from died
        if error is not None:
            raise error
        value: Result = result
        return value


class _Forked:
    """A copy of this process, as `subprocess.Popen` describes another."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        """Return the exit code, or the negative number of the signal that ended it."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code


def _start() -> tuple[_Forked | subprocess.Popen[bytes], Connection]:
    # Not multiprocessing: Dask's workers are daemonic and must not have such children.
    pipe, other = Pipe()
    with other:
        return (_fork(other) if _has_one_thread() else _new(other)), pipe


def _has_one_thread() -> bool:
    """Return whether this process has one thread beside those of numpy; False if unknown."""
    return threading.active_count() == 1 and len(_threads() - _harmless) == 1


def _new(pipe: Connection) -> subprocess.Popen[bytes]:
    level, directory = str(log.getEffectiveLevel()), str(Path.cwd())
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", __name__, str(pipe.fileno()), level, directory],
        cwd=REPOSITORY,  # the modules are found there
        env=os.environ | {PARENT: str(os.getpid())},
        pass_fds=[pipe.fileno()],
    )


def _fork(pipe: Connection) -> _Forked:
    sys.stdout.flush()
    sys.stderr.flush()
    parent, level = os.getpid(), log.getEffectiveLevel()
    pid = os.fork()
    if pid:
        return _Forked(pid)
    code: object = 1
    try:
        os.environ[PARENT] = str(parent)
        _leave_files(pipe.fileno())
        _leave_signals_and_log()
        _serve(pipe, level)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code if isinstance(code, int) else 1)  # nothing of the parent is cleaned up here


def _leave_files(kept: int) -> None:
    """Let go of the parent's files and of the locks on them, other than the standard ones.

    Their numbers stay taken, by ``/dev/null``: else an object of the parent that closes its file
    would close another one, opened later.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in (kept, null):
            with contextlib.suppress(OSError):  # that of the listing is closed already
                os.fstat(number)
                os.dup2(null, number, inheritable=False)
    os.close(null)


def _leave_signals_and_log() -> None:
    """Handle signals and log as a new process does."""
    faulthandler.disable()
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL):
        signal.signal(number, signal.SIG_DFL)  # ROOT's actions
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    for logger in (logging.getLogger(), log):
        logger.handlers.clear()


def _serve(pipe: Connection, level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    set_up_log(level)
    with contextlib.suppress(EOFError):
        while True:
            function, arguments, named = pipe.recv()
            try:
                result = function(*arguments, **named)
                pipe.send((result, None))
            except MonojetError as error:
                error.__cause__ = error.__context__ = None  # C++ exceptions cannot be pickled
                pipe.send((None, error))
            except Exception:  # including results that cannot be pickled
                pipe.send((None, RuntimeError(traceback.format_exc())))


def set_up_log(level: int) -> None:
    """Send log messages of this level and above to stderr, as the command line prints them."""
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "monojet:")
    logging.addLevelName(logging.DEBUG, "monojet:")
    log.setLevel(level)


if __name__ == "__main__":
    os.chdir(sys.argv[3])
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
