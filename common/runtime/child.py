"""A process beside this one, for work that may end a process: ROOT reading a damaged file."""

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
"""In the environment of such a process: the parent tells of its end."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Child:
    """Calls functions, one at a time, in a process of its own, started by the first call; where
    that has died or was ended the next call starts another. It ends on leaving the context, or
    with this process."""

    def __init__(self) -> None:
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process, and with it all that the functions have left in it."""
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
        """What a function of a module returns; it, its arguments and what it returns are pickled.

        Raises:
            WorkerError: the process died; the message says how, without a subject.
            MonojetError: as the function does.
            RuntimeError: any other exception of it, as text.
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
    # Not of multiprocessing, whose workers may be Dask's, which may have no children.
    pipe, other = Pipe()
    level, directory = str(log.getEffectiveLevel()), str(Path.cwd())
    with other:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, str(other.fileno()), level, directory],
            cwd=REPOSITORY,  # where modules are
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
                error.__cause__ = error.__context__ = None  # of C++: cannot be sent
                pipe.send((None, error))
            except Exception:  # to send what cannot be pickled, too
                pipe.send((None, RuntimeError(traceback.format_exc())))


def set_up_log(level: int) -> None:
    """Messages as the command line prints them."""
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "monojet:")
    logging.addLevelName(logging.DEBUG, "monojet:")
    log.setLevel(level)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
