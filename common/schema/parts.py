"""Report damaged files of parts, the results of single tasks, in one way for all formats."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from common.runtime.errors import BatchError


@contextlib.contextmanager
def damaged_part(path: Path, *others: type[Exception]) -> Iterator[None]:
    """Turn the errors of reading a part's file, and ``others``, into a `BatchError`.

    Raises:
        BatchError: the file is missing, damaged, or has another layout.
    """
    errors: tuple[type[Exception], ...] = (OSError, KeyError, TypeError, ValueError, RuntimeError)
    try:
        yield
    except (*errors, *others) as error:
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise BatchError(f"{path}: damaged part ({cause}): remove it and run again") from error
