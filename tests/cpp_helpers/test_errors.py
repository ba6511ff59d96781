from __future__ import annotations

import pytest

from common.runtime.errors import InputError, ScoreError
from cpp_helpers.errors import cause_of, event_loop_errors, forget_errors


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


def test_a_failed_event_loop_names_the_file() -> None:
    forget_errors()
    with (
        pytest.raises(InputError, match=r"^a\.root: the event loop failed: no score$"),
        event_loop_errors("a.root"),
    ):
        raise RuntimeError("void f() =>\n    runtime_error: no score")
    with pytest.raises(ScoreError, match="^a.root: "), event_loop_errors("a.root", ScoreError):
        raise RuntimeError("no score")
    with pytest.raises(InputError, match="^ours$"), event_loop_errors("a.root", ScoreError):
        raise InputError("ours")
