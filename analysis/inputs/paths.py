"""Paths of files from patterns and lists; no data file is opened."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from common.runtime.errors import InputError

LIST_SUFFIX = ".txt"


class Listed(NamedTuple):
    """An input file, with its number of events if a list states it."""

    path: str
    n_events: int | None = None


def listed(patterns: Sequence[str]) -> list[Listed]:
    """Return the files of patterns: paths, globs and lists.

    Remote paths are returned unchanged, and so are paths of missing files, which `validate` reports
    with all other problems. A pattern that ends in ``.txt`` is a list: one file per line,
    optionally with its number of events.

    Raises:
        InputError: a glob matches nothing, a list cannot be read, or a file occurs twice.
    """
    found: list[Listed] = []
    for pattern in patterns:
        if pattern.endswith(LIST_SUFFIX):
            found += _lines(pattern)
        elif "://" in pattern:
            found.append(Listed(pattern))
        else:
            paths = sorted(glob.glob(pattern))
            if not paths and glob.has_magic(pattern):
                raise InputError(f"{pattern}: no such file")
            found += map(Listed, paths or [pattern])
    really = [file.path if "://" in file.path else os.path.realpath(file.path) for file in found]
    if len({*really}) < len(found):
        path, times = Counter(really).most_common(1)[0]
        raise InputError(f"{path}: given {times} times: its events would be counted {times} times")
    return found


def expand(patterns: Sequence[str]) -> list[str]:
    """Return the paths of `listed`."""
    return [file.path for file in listed(patterns)]


def _lines(path: str) -> Iterator[Listed]:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot read the list of files: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file with one path per line") from error
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) > 2 or (len(words) == 2 and not words[1].isdigit()):
            raise InputError(
                f"{path}: line {number}: expected a file and its optional number of events: {line}"
            )
        yield Listed(words[0], int(words[1]) if len(words) == 2 else None)
