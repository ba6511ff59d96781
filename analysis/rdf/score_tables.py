"""C++ tables of network scores, in which events in RDataFrame find theirs by key."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from common.runtime.errors import ScoreError
from common.schema.scores import read_scores
from cpp_helpers import calls
from cpp_helpers.errors import cause_of


def load_scores(path: Path, networks: tuple[str, ...], rows: slice = slice(None)) -> None:
    """Fill the C++ tables of networks 0, 1, ... with rows of a score file, unless they hold them.

    Raises:
        InputError: the file is damaged, or lacks a network.
        ScoreError: two events have the same key.
    """
    _load_scores(path, time_of_change(path), networks, rows.start, rows.stop)


@functools.lru_cache(maxsize=1)
def _load_scores(
    path: Path, changed: int, networks: tuple[str, ...], start: int | None, stop: int | None
) -> None:
    columns = read_scores(path, networks, slice(start, stop))
    run = np.ascontiguousarray(columns["run_number"], np.uint32)
    event = np.ascontiguousarray(columns["event_number"], np.uint64)
    for number, network in enumerate(networks):
        scores = np.ascontiguousarray(columns[network], np.float32)
        try:
            calls.call("fill_scores", number, run, event, scores)
        except Exception as error:
            raise ScoreError(f"{path}: {cause_of(error)}") from error


def time_of_change(path: Path) -> int:
    """Return the time of the last change in ns; 0 if unknown."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
