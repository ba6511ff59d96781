"""What a C++ exception says, as one line."""

from __future__ import annotations

import re


def cause_of(error: BaseException) -> str:
    """The cause in what cppyy makes of a C++ exception: without the signature of the function, and
    without the places in ROOT's sources that RNTuple adds."""
    text = str(error).split("\nAt:")[0].strip()
    line = text.splitlines()[-1] if text else type(error).__name__
    line = line.removesuffix("(unchecked RResult access!)").strip()
    return re.sub(r"^(RException|runtime_error|out_of_range|logic_error): *", "", line)
