"""From what the user names to the paths of files; opens nothing."""

from __future__ import annotations

import glob
from collections.abc import Sequence

from common.errors import InputError


def expand(patterns: Sequence[str]) -> list[str]:
    """Paths of the given files and globs; remote ones are passed on as they are.

    Raises:
        InputError: a local pattern matches nothing.
    """
    paths: list[str] = []
    for pattern in patterns:
        found = [pattern] if "://" in pattern else sorted(glob.glob(pattern))
        if not found:
            raise InputError(f"{pattern}: no such file")
        paths += found
    return paths
