"""From what the user names to the paths of files; opens no data file."""

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
    """An input file, and its number of events where that is known without opening it."""

    path: str
    n_events: int | None = None


def listed(patterns: Sequence[str]) -> list[Listed]:
    """The given files and globs; remote ones are passed on as they are, and so is a path without a
    file, of which `validate` tells together with all other problems. A pattern that ends in
    ``.txt`` is a list: a file a line and, if known, its number of events.

    Raises:
        InputError: a glob matches nothing, a list cannot be read, or a file is there
            twice.
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
        raise InputError(f"{path}: given {times} times: its events would be counted as often")
    return found


def expand(patterns: Sequence[str]) -> list[str]:
    """The paths of `listed`."""
    return [file.path for file in listed(patterns)]


def _lines(path: str) -> Iterator[Listed]:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot read the list of files: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a list of files, a path a line: not a text") from error
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) > 2 or (len(words) == 2 and not words[1].isdigit()):
            raise InputError(
                f"{path}: line {number}: not a file and, after it, a number of events: {line}"
            )
        yield Listed(words[0], int(words[1]) if len(words) == 2 else None)
