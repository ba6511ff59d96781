"""Files appear whole or not at all: written beside their place, then renamed.

What is written beside a place has the name ``.<file>.<writer>.<token>.partial``. Both words are
random: the number of a process and the name of a host tell nothing where containers or several
machines share a file system. The writer is a run, whose workers write in its name (`written_by`):
what they leave behind is the run's to remove. Of other writers only age tells that they are dead.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

from common.runtime.errors import OutputError

WRITER = secrets.token_hex(4)
"""The name of this process as a writer."""

_ABANDONED = 24 * 3600.0  # seconds without a change, after which nobody writes a partial any more
_writer = ContextVar("writer", default=WRITER)


@contextlib.contextmanager
def written_by(writer: str) -> Iterator[None]:
    """Write in the name of another process, which removes what this one leaves if it is killed."""
    before = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(before)


def _beside(path: Path) -> Path:
    """Return a new name."""
    return path.with_name(f".{path.name}.{_writer.get()}.{secrets.token_hex(4)}.partial")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, renamed to ``path`` at the end, removed on any error.

    Raises:
        OutputError: the directory is full or cannot be written.
    """
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def pieces(path: Path) -> Iterator[Callable[[], Path]]:
    """Gives new names beside ``path`` to write pieces of it to, which are removed at the end."""
    given: list[Path] = []

    def new() -> Path:
        given.append(_beside(path))
        return given[-1]

    try:
        yield new
    finally:
        for piece in given:
            with contextlib.suppress(OSError):
                piece.unlink(missing_ok=True)


def remove_partials(directory: Path, name: str = "*") -> None:
    """Drop what was left half-written in a directory: by this process and those that wrote in its
    name, all of which must have ended, and by others a day ago."""
    for partial in directory.glob(f".{name}.*.partial"):
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - partial.stat().st_mtime
            if partial.name.split(".")[-3] == WRITER or age > _ABANDONED:
                partial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with whole(path) as partial:
        partial.write_text(text)


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file whole; NaN and infinities are refused, as they are no JSON."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def require_space(path: Path, n_bytes: int) -> None:
    """Make sure that ``n_bytes`` more fit beside ``path``, quotas included.

    HDF5 cannot recover from a full disk: it is asked before, by allocating a file and dropping it.

    Raises:
        OutputError: they do not fit.
    """
    probe = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with probe.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(n_bytes, 1))
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write: {error.strerror} ({n_bytes / 1e6:.1f} MB more are needed)"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def require_writable(directory: Path) -> None:
    """Make the directory and try it.

    Raises:
        OutputError: it cannot be made or written.
    """
    probe = _beside(directory / "probe")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        raise OutputError(
            f"{directory}: cannot write the output there ({error.strerror}): free some space or "
            "choose another --output"
        ) from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other runs from writing to a directory at the same time. The lock goes with the process,
    however that ends. On a file system without locks there is none.

    Raises:
        OutputError: another run holds it.
    """
    path = directory / ".lock"
    with _own_lock(path) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname().split('.')[0]}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _own_lock(path: Path) -> TextIO:
    """Open and lock a file. One that its last holder removed in between keeps nobody out: there it
    is tried again.

    Raises:
        OutputError: another run holds it.
    """
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise OutputError(
                f"{path.parent}: another run is writing there ({owner}): wait for its end, or "
                "choose another --output"
            ) from error
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                return file
            file.close()
            raise
        file.close()


def cache_folders() -> Iterator[Path]:
    """Yield where things can be kept from one run to the next: beside the Python environment, or in
    the user's cache where that cannot be written."""
    yield Path(sys.prefix) / "lib" / "monojet"
    cache = os.environ.get("XDG_CACHE_HOME")
    yield (Path(cache) if cache else Path.home() / ".cache") / "monojet"
