"""Divide the columns of wide tables into blocks that fit on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LIMIT = 148
"""Characters in a line of a table, as it is printed on A4."""

PADDING = 3
"""Characters between two columns."""

LONGEST = 44
"""Characters after which the text of a cell continues on another line."""

TIGHT = 26
"""The same in a table that is too wide otherwise."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and the lengths of the longest word of the title and of the
    longest cell."""

    title: str
    word: int
    cell: int

    def width(self, longest: int) -> int:
        """Return the characters that it takes if cells are broken beyond a length."""
        return PADDING + max(self.word, min(longest, self.cell))


def blocks(columns: Sequence[Column], limit: int = LIMIT) -> list[list[int]]:
    """Return the columns of each block, which all begin with the first one.

    There are as few blocks as possible, of about the same width. Neighbouring columns of one
    subject, as ``Znunu`` and ``Znunu, pfn``, stay together if they fit.
    """
    titles = [column.title for column in columns]
    for longest in (LONGEST, TIGHT):
        widths = [column.width(longest) for column in columns]
        found = _balanced(titles, widths, limit)
        if len(found) < 2:
            break
    return found


def _balanced(titles: Sequence[str], widths: Sequence[int], limit: int) -> list[list[int]]:
    room = limit - widths[0]
    found = _divided(titles, widths, room)
    for narrower in range(room - 1, 0, -1):
        other = _divided(titles, widths, narrower)
        if len(other) > len(found):
            break
        found = other
    return [[0, *columns] for columns in found] or [[0]]


def _divided(titles: Sequence[str], widths: Sequence[int], room: int) -> list[list[int]]:
    """Return the columns but the first in groups that are no wider than ``room``."""
    found: list[list[int]] = []
    left = 0
    for subject in _subjects(titles):
        whole = sum(widths[column] for column in subject)
        if whole > left and whole <= room:  # rather a new block than a divided subject
            left = 0
        for column in subject:
            if not found or widths[column] > left:
                found.append([])
                left = room
            found[-1].append(column)
            left -= widths[column]
    return found


def _subjects(titles: Sequence[str]) -> Iterator[list[int]]:
    """Yield neighbouring columns whose titles have the same text before the first comma."""
    group: list[int] = []
    for column in range(1, len(titles)):
        if group and titles[column].split(",")[0] != titles[group[0]].split(",")[0]:
            yield group
            group = []
        group.append(column)
    if group:
        yield group
