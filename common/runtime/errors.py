"""Errors that a user can act on: one line with file, column or key, the cause, and the remedy.

The command line prints the line and exits with status 2; ``-v`` adds tracebacks.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MonojetError(Exception):
    """Base class of all errors of this project."""


class ConfigError(MonojetError):
    """A wrong configuration or command line."""


class InputError(MonojetError):
    """An input file that is missing, damaged, empty or lacks a column."""


class NormalisationError(MonojetError):
    """A missing cross-section or sum of weights of a sample."""


class ScoreError(MonojetError):
    """Scores and events that do not match by key."""


class OutputError(MonojetError):
    """An output directory that is full or not writable."""


class WorkerError(MonojetError):
    """A worker process that died."""


class BatchError(MonojetError):
    """Failed tasks, or parts that are missing or belong to another plan."""


class EngineError(MonojetError):
    """A cluster that cannot be reached, refuses a connection or jobs, or is lost."""


def did_you_mean(name: object, valid: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` with the nearest valid name, else a list of valid names."""
    names = list(valid)
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if nearest:
        return f" (did you mean '{nearest[0]}'?)"
    return f" (valid: {', '.join(names)})" if names else ""
