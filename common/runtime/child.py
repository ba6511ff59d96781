"""Run functions in a separate process, which may crash: ROOT can die of a damaged file."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
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

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Child:
    """A separate process that runs functions, one at a time.

    The first call starts it; after a crash, or `end`, the next call starts a new one. It ends on
    leaving the context, or with this process.
    """

    def __init__(self) -> None:
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process and discard its state."""
        if self._running is not None:
            process, pipe = self._running
            process.kill()
            process.wait()
            pipe.close()
            self._running = None

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


def _start() -> tuple[subprocess.Popen[bytes], Connection]:
    # Not multiprocessing: Dask's workers are daemonic and must not have such children.
    pipe, other = Pipe()
    level, directory = str(log.getEffectiveLevel()), str(Path.cwd())
    with other:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, str(other.fileno()), level, directory],
            cwd=REPOSITORY,  # the modules are found there
            env=os.environ | {PARENT: str(os.getpid())},
            pass_fds=[other.fileno()],
        )
    return process, pipe


def _serve(pipe: Connection, level: int, directory: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    set_up_log(level)
    os.chdir(directory)
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
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
