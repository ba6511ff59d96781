"""Tasks: units of work, each of which makes one part of an output in any process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Range:
    """Entries [begin, end) of an input file of a sample.

    ``end`` is None for the whole of a file that the plan has not opened.
    """

    sample: str
    file: str
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A range, the version of its input, and the hash of the settings and code that process it."""

    range: Range
    input_version: str
    code_settings_hash: str

    @property
    def key(self) -> str:
        """Return a hash of all that decides the content of the part; it names the part's file."""
        where = self.range
        words = (self.code_settings_hash, self.input_version, where.begin, where.end, where.file)
        return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:20]

    def __str__(self) -> str:
        where = self.range
        if where.end is None:
            return where.file
        return f"{where.file}[{where.begin}:{where.end}]"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a part records about its origin."""

    code_settings_hash: str
    input_version: str
    file: str
    begin: int
    end: int

    def matches(self, task: Task) -> bool:
        """Return whether the part was made for the task."""
        wanted = task.range
        return (
            (self.code_settings_hash, self.input_version, self.file)
            == (task.code_settings_hash, task.input_version, wanted.file)
            and self.begin == wanted.begin
            and wanted.end in (self.end, None)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part and its file."""

    task: Task
    path: Path


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input file that was skipped, and why."""

    file: str
    error: str


def part_name(sample: str, key: str, suffix: str) -> str:
    """Return the name of a part's file."""
    return f"{sample}.{key}{suffix}"
