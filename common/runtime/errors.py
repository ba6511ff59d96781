"""Errors a user can act on: one line that names the file, column or key, the cause and the remedy.

The command line prints the line and exits with 2; tracebacks are shown with ``-v`` only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MonojetError(Exception):
    """Base of all errors of this project."""


class ConfigError(MonojetError):
    """A configuration or command line that cannot be carried out."""


class InputError(MonojetError):
    """An input file that is missing, damaged, empty or lacks a column."""


class NormalisationError(MonojetError):
    """A sample without cross-section or sum of weights."""


class ScoreError(MonojetError):
    """Scores and events that do not match by key."""


class OutputError(MonojetError):
    """An output directory that is full or cannot be written."""


class WorkerError(MonojetError):
    """A worker process that died."""


class BatchError(MonojetError):
    """Tasks that failed, or parts that are missing or do not belong to the plan."""


class EngineError(MonojetError):
    """A cluster that cannot be reached, refuses, or is lost."""


def did_you_mean(name: object, valid: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the nearest valid name, else the list of valid names."""
    names = list(valid)
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if nearest:
        return f" (did you mean '{nearest[0]}'?)"
    return f" (valid: {', '.join(names)})" if names else ""
