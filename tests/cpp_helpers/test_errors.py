from __future__ import annotations

import pytest

from cpp_helpers.errors import cause_of


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("void f() =>\n    runtime_error: no score for run 1", "no score for run 1"),
        (
            "double g() =>\n    RException: page checksum verification failed (unchecked RResult "
            "access!)\nAt:\n  void h() [/source.cxx:92]\n",
            "page checksum verification failed",
        ),
        ("plain", "plain"),
        ("", "RuntimeError"),
    ],
)
def test_the_cause_is_one_line_without_signatures(text: str, cause: str) -> None:
    assert cause_of(RuntimeError(text)) == cause
