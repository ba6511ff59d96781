"""A process beside this one, for work that may end a process: ROOT reading a damaged file."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from common.errors import MonojetError, WorkerError

log = logging.getLogger("monojet")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Child:
    """Calls functions, one at a time, in a process of its own, started by the first call; where
    that dies the next call starts another. It ends on leaving the context."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

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
        if self._process is None:
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send((function, arguments, named))
            result, error = self._pipe.recv()
        except (EOFError, ConnectionError) as died:
            self._process.join()
            code, self._process = self._process.exitcode, None
            how = signal.Signals(-code).name if code < 0 else f"exit {code}"
            raise WorkerError(f"the process that worked on it died ({how})") from died
        if error is not None:
            raise error
        value: Result = result
        return value

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # threads of ROOT's do not survive a fork
        self._pipe, other = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, log.getEffectiveLevel()), daemon=True
        )
        self._process.start()
        other.close()  # so that its end is noticed


def _serve(pipe: Connection, level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    set_up_log(level)
    with contextlib.suppress(EOFError):
        while True:
            function, arguments, named = pipe.recv()
            result: Any = None
            error: Exception | None = None
            try:
                result = function(*arguments, **named)
            except MonojetError as raised:
                error = raised
                error.__cause__ = error.__context__ = None  # of C++: cannot be sent
            except Exception:
                error = RuntimeError(traceback.format_exc())
            pipe.send((result, error))


def set_up_log(level: int) -> None:
    """Messages as the command line prints them."""
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "monojet:")
    logging.addLevelName(logging.DEBUG, "monojet:")
    log.setLevel(level)
