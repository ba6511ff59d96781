"""What a C++ exception says, as one line."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from cpp_helpers import declare


def failure_of(error: BaseException) -> str:
    """Why an event loop failed: what ROOT reported first since `forget_errors`, and what it then
    made of it."""
    reported = str(declare().take_first_error()).strip().split("\n")[0]
    return f"{reported}: {cause_of(error)}" if reported else cause_of(error)


def forget_errors() -> None:
    """What ROOT reports from here on may be the cause of a failure."""
    declare().take_first_error()


def cause_of(error: BaseException) -> str:
    """The cause in what cppyy makes of a C++ exception: without the signature of the function, and
    without the places in ROOT's sources that RNTuple adds."""
    text = str(error).split("\nAt:")[0].strip()
    line = text.splitlines()[-1] if text else type(error).__name__
    line = line.removesuffix("(unchecked RResult access!)").strip()
    return re.sub(r"^(RException|runtime_error|out_of_range|logic_error): *", "", line)


class Diagnostics:
    """What the C++ compiler says while `diagnostics` listens."""

    def __init__(self) -> None:
        self.text = ""

    def first_error(self) -> str:
        """Its first error, without the place in the text that was compiled; empty if none."""
        found = re.search(r"error: (?:static assertion failed.*': )?(.+)", self.text)
        return found[1] if found else ""


@contextlib.contextmanager
def diagnostics(said: Diagnostics) -> Iterator[None]:
    """Keep in ``said`` what cling prints to the process's standard error, past Python and ROOT,
    about code that does not compile. Where nothing fails it is passed on."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except BaseException:
            said.text = _text(caught)
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        os.write(2, _text(caught).encode())


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
