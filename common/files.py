"""Files appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common.errors import OutputError

_HOST = socket.gethostname().split(".")[0]
_pieces = itertools.count()


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, renamed to ``path`` at the end, removed on any error.

    Raises:
        OutputError: the directory is full or cannot be written.
    """
    partial = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.partial")
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
        given.append(path.with_name(f".{path.name}.{next(_pieces)}.{_HOST}.{os.getpid()}.partial"))
        return given[-1]

    try:
        yield new
    finally:
        for piece in given:
            with contextlib.suppress(OSError):
                piece.unlink(missing_ok=True)


def remove_partials(directory: Path, name: str = "*") -> None:
    """Drop what processes of this machine that were killed have left half-written in a
    directory."""
    for partial in directory.glob(f".{name}.{_HOST}.*.partial"):
        if not _is_alive(int(partial.name.split(".")[-2])):
            partial.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


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
    probe = path.with_name(f".{path.name}.{os.getpid()}.space")
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
    probe = directory / f".probe.{os.getpid()}"
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
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise OutputError(
                f"{directory}: another run is writing there ({owner}): wait for its end, or choose "
                "another --output"
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        file.truncate(0)
        file.write(f"process {os.getpid()} on {_HOST}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
