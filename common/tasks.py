"""Work cut into tasks: each makes one part of an output, whoever carries it out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Range:
    """Entries [begin, end) of an input of a sample; without ``end`` the whole of a file that the
    plan has not opened."""

    sample: str
    file: str
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A range, the version of its input (``input_version``), and the settings and code that are to work
    on it (``code_settings_hash``)."""

    range: Range
    input_version: str
    code_settings_hash: str

    @property
    def key(self) -> str:
        """Names the part: a hash of all that decides its content."""
        where = self.range
        text = f"{self.code_settings_hash}\0{self.input_version}\0{where.begin}\0{where.end}\0{where.file}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def __str__(self) -> str:
        where = self.range
        if where.end is None:
            return where.file
        return f"{where.file}[{where.begin}:{where.end}]"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a part says of itself."""

    code_settings_hash: str
    input_version: str
    file: str
    begin: int
    end: int

    def is_of(self, task: Task) -> bool:
        """Whether the part is that of the task."""
        wanted = task.range
        return (
            (self.code_settings_hash, self.input_version, self.file)
            == (task.code_settings_hash, task.input_version, wanted.file)
            and self.begin == wanted.begin
            and wanted.end in (self.end, None)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part, where it lies."""

    task: Task
    path: Path


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input file that was left out, and why."""

    file: str
    error: str


def part_name(sample: str, key: str, suffix: str) -> str:
    """Name of a part's file."""
    return f"{sample}.{key}{suffix}"
