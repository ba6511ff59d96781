"""Show the progress of long steps on stderr: a bar on a terminal, occasional lines in a log."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol

log = logging.getLogger("monojet")

SECONDS_BETWEEN_LINES = 20.0


class Progress(Protocol):
    """The object to which a step reports its progress."""

    def advance(self, amount: float) -> None:
        """Count ``amount`` more as done."""


class _Lines:
    def __init__(self, description: str, total: float, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self.start = 0.0, time.monotonic()
        self.last = self.start

    def advance(self, amount: float) -> None:
        self.done += amount
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES:
            self.last = now
            rate = self.done / (now - self.start)
            left = (self.total - self.done) / rate if rate else float("inf")
            log.info(
                "%s: %.0f of %.0f %s, %s/s, %.0f s left",
                self.description,
                self.done,
                self.total,
                self.unit,
                _rate(rate),
                left,
            )


class _Bar:
    def __init__(self, description: str, total: float, unit: str) -> None:
        from rich import progress
        from rich.console import Console

        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn(unit),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task(description, total=total)

    def advance(self, amount: float) -> None:
        self.bar.advance(self.task, amount)


@contextlib.contextmanager
def progress(description: str, total: float, unit: str = "events") -> Iterator[Progress]:
    """Show the progress of one step; silent if the log level is above INFO."""
    if sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
        bar = _Bar(description, total, unit)
        with bar.bar:
            yield bar
    else:
        yield _Lines(description, total, unit)


class TaskProgress:
    """Progress of tasks: numbers of done and failed tasks, events per second, remaining time."""

    def __init__(self, description: str, total: int) -> None:
        self.description, self.total = description, total
        self.done = self.failed = self.events = 0
        self._bar: Any = None
        if sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
            self._bar = _Bar(description, total, "tasks").bar

    def __enter__(self) -> TaskProgress:
        self._start = self._last = time.monotonic()
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, events: int = 0, failed: int = 0) -> None:
        """Count one more task as done, or as failed."""
        self.done += 1 - failed
        self.failed += failed
        self.events += events
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, description=self._rates())
            return
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            ended = self.done + self.failed
            left = (self.total - ended) / ended * (now - self._start)
            log.info("%s, %d of %d tasks, %.0f s left", self._rates(), ended, self.total, left)

    def _rates(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-9)
        # Tasks whose parts existed already count no events and give no rate.
        rate = f", {_rate(self.events / seconds)} events/s" if self.events else ""
        return f"{self.description}: {self.failed} failed{rate}"


def _rate(rate: float) -> str:
    """Return a rate with at least two digits: ``0.15``, ``3.2``, ``1234``."""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
