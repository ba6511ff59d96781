from __future__ import annotations

import logging
import re
import sys
import time

import pytest

from common.runtime.progress import TaskProgress, progress


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set, of a process without a terminal."""
    time_ = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: time_[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    return time_


def test_a_line_tells_tasks_failures_rate_and_time_left(
    caplog: pytest.LogCaptureFixture, now: list[float]
) -> None:
    with caplog.at_level(logging.INFO, "monojet"), TaskProgress("imaging", 10) as bar:
        now[0] = 10
        bar.advance(events=500)
        assert not caplog.messages  # sparse
        now[0] = 20
        bar.advance(failed=1)
        now[0] = 25
        bar.advance(events=500)
        now[0] = 40
        bar.advance(events=1000)
    assert caplog.messages == [
        "imaging: 1 failed, 25 events/s, 2 of 10 tasks, 80 s left",
        "imaging: 1 failed, 50 events/s, 4 of 10 tasks, 60 s left",
    ]


def test_a_terminal_has_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    logging.getLogger("monojet").setLevel(logging.INFO)
    with TaskProgress("imaging", 2) as bar:
        bar.advance(events=10)
        bar.advance(failed=1)
    assert re.search(r"imaging: 1 failed, \d+ events/s", capsys.readouterr().err)


def test_no_rate_is_shown_as_0(caplog: pytest.LogCaptureFixture, now: list[float]) -> None:
    caplog.set_level(logging.INFO, "monojet")
    with TaskProgress("imaging", 4) as tasks, progress("draw", 17, "figures") as figures:
        now[0] = 30
        tasks.advance()  # its part was there
        figures.advance(4)
    assert caplog.messages == [
        "imaging: 0 failed, 1 of 4 tasks, 90 s left",
        "draw: 4 of 17 figures, 0.13/s, 98 s left",
    ]
