"""Write files atomically: under a temporary name in the same folder, then renamed.

The temporary name is ``.<file>.<writer>.<token>.partial``. Writer and token are random, as process
ids and host names are ambiguous where containers or several machines share a file system. The
writer is a run; its workers write in its name (`written_by`), and it removes what they leave
behind. Files of other writers are removed by age only.
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

_ABANDONED = 24 * 3600.0  # seconds since the last change, after which a file counts as abandoned
_writer = ContextVar("writer", default=WRITER)


@contextlib.contextmanager
def written_by(writer: str) -> Iterator[None]:
    """Write in the name of another process, which removes the leftovers of this one if killed."""
    before = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(before)


def _beside(path: Path) -> Path:
    """Return a new temporary name in the folder of ``path``."""
    return path.with_name(f".{path.name}.{_writer.get()}.{secrets.token_hex(4)}.partial")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` at the end, remove it on any error.

    Raises:
        OutputError: the directory is full or not writable.
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
    """Give a function that returns new temporary paths beside ``path``; remove them at the end."""
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
    """Remove unfinished files of a directory.

    These are files of this process and of those that wrote in its name, all of which must have
    ended, and files of other writers that have not changed for a day.
    """
    for partial in directory.glob(f".{name}.*.partial"):
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - partial.stat().st_mtime
            if partial.name.split(".")[-3] == WRITER or age > _ABANDONED:
                partial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with whole(path) as partial:
        partial.write_text(text)


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file atomically; refuse NaN and infinities, which JSON does not define."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def require_space(path: Path, n_bytes: int) -> None:
    """Make sure that ``n_bytes`` more fit beside ``path``, also within quotas.

    HDF5 cannot recover from a full disk; so this allocates a file of that size and removes it.

    Raises:
        OutputError: the space is not sufficient.
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
    """Make a directory and write a test file to it.

    Raises:
        OutputError: the directory cannot be made or is not writable.
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
            f"{directory}: cannot write to this folder ({error.strerror}): free some space or "
            "choose another --output"
        ) from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other runs from writing to a directory at the same time.

    The lock ends with the process. File systems without locks are not protected.

    Raises:
        OutputError: another run holds the lock.
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
    """Open and lock a file; try again if its last holder removed it meanwhile, as the lock of a
    removed file excludes nobody.

    Raises:
        OutputError: another run holds the lock.
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
                f"{path.parent}: another run is writing to this folder ({owner}): wait for its "
                "end, or choose another --output"
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
    """Yield the folders for caches, by preference: beside the Python environment, then the user's
    cache folder, in case the first is not writable."""
    yield Path(sys.prefix) / "lib" / "monojet"
    cache = os.environ.get("XDG_CACHE_HOME")
    yield (Path(cache) if cache else Path.home() / ".cache") / "monojet"
