"""Errors and messages of ROOT and C++, as single lines."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from common.runtime.errors import InputError, MonojetError
from cpp_helpers import calls


@contextlib.contextmanager
def event_loop_errors(path: str, kind: type[MonojetError] = InputError) -> Iterator[None]:
    """Turn a C++ exception thrown while events are read into an error that names the file.

    Raises:
        MonojetError: the event loop failed; an `InputError`, or of another ``kind``.
    """
    try:
        yield
    except MonojetError:
        raise
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise kind(f"{path}: the event loop failed: {failure_of(error)}") from error


def failure_of(error: BaseException) -> str:
    """Return the cause of a failed event loop: the first error that ROOT has reported since
    `forget_errors`, and the exception."""
    reported = calls.text("take_first_error").strip().split("\n")[0]
    return f"{reported}: {cause_of(error)}" if reported else cause_of(error)


def forget_errors() -> None:
    """Forget the errors that ROOT has reported so far."""
    calls.call("take_first_error")


def cause_of(error: BaseException) -> str:
    """Return the message of a C++ exception, without the signature of the function that cppyy adds
    and the places in ROOT's sources that RNTuple adds."""
    text = str(error).split("\nAt:")[0].strip()
    line = text.splitlines()[-1] if text else type(error).__name__
    line = line.removesuffix("(unchecked RResult access!)").strip()
    return re.sub(r"^(RException|runtime_error|out_of_range|logic_error): *", "", line)


class Diagnostics:
    """Messages of the C++ compiler, kept by `diagnostics`."""

    def __init__(self) -> None:
        self.text = ""

    def first_error(self) -> str:
        """Return the first error, without its place in the compiled text; empty if none."""
        found = re.search(r"error: (?:static assertion failed.*': )?(.+)", self.text)
        return found[1] if found else ""


@contextlib.contextmanager
def diagnostics(messages: Diagnostics) -> Iterator[None]:
    """Keep in ``messages`` what cling prints to the standard error of the process, past Python and
    ROOT, about code that does not compile. Print it as usual if nothing fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.text = _text(caught)
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        os.write(2, _text(caught).encode())


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
