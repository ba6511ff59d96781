"""What the batch systems and servers of the tests have in common."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # users' paths often lack sbin

PATIENCE = 30.0
"""Seconds until a daemon that is not up, or a job that does not end, is an error."""


class Daemons(Protocol):
    """The daemons of a batch system."""

    def start(self) -> None:
        """Start them; return when they take jobs."""

    def stop(self) -> None:
        """End all jobs and daemons."""


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for a condition; return whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition, which must come true in time."""
    assert until(condition, seconds)


def free_ports(n: int, address: str = "127.0.0.1") -> list[int]:
    """Return different ports of an address that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind((address, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def environment_without(*prefixes: str) -> dict[str, str]:
    """Return this process's variables, without those of a batch system that the tests run in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def processes_with(is_ours: Callable[[list[str]], bool], program: str = "") -> list[int]:
    """Return the processes of a program whose variables (``NAME=value``) are ours."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            if is_ours(variables) and (process / "comm").read_text().startswith(program):
                found.append(int(process.name))
    return found


def send(number: signal.Signals, processes: Iterable[int]) -> None:
    """Send a signal to processes, some of which may have ended."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def last_lines(logs: Iterable[Path]) -> Iterator[str]:
    """Give the name and the end of each log."""
    for path in sorted(logs):
        if path.is_file():
            yield f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}"


def main(make: Callable[[Path], Daemons], usage: str) -> Daemons | None:
    """Do what the command line asks for, ``start DIR`` or ``stop DIR``; return what was started."""
    match sys.argv[1:]:
        case ["start", directory]:
            instance = make(Path(directory).resolve())
            try:
                instance.start()
            except BaseException:
                instance.stop()
                raise
            return instance
        case ["stop", directory]:
            make(Path(directory).resolve()).stop()
            return None
        case _:
            sys.exit(f"usage: {usage}")
