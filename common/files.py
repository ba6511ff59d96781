"""Files appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.errors import OutputError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, renamed to ``path`` at the end, removed on any error.

    Raises:
        OutputError: the directory is full or cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partials(directory: Path, name: str = "*") -> None:
    """Drop what processes that were killed have left half-written in a directory."""
    for partial in directory.glob(f".{name}.*.partial"):
        partial.unlink(missing_ok=True)


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
