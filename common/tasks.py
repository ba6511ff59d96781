"""Work cut into tasks: each makes one part of an output, whoever carries it out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from analysis.pipeline import Run, Target


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
    """A range, the version of its input (``identity``), and the settings and code that are to work
    on it (``recipe``)."""

    range: Range
    identity: str
    recipe: str

    @property
    def key(self) -> str:
        """Names the part: a hash of all that decides its content."""
        where = self.range
        text = f"{self.recipe}\0{self.identity}\0{where.begin}\0{where.end}\0{where.file}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def __str__(self) -> str:
        where = self.range
        if where.end is None:
            return where.file
        return f"{where.file}[{where.begin}:{where.end}]"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a part says of itself."""

    recipe: str
    identity: str
    file: str
    begin: int
    end: int

    def is_of(self, task: Task) -> bool:
        """Whether the part is that of the task."""
        wanted = task.range
        return (
            (self.recipe, self.identity, self.file) == (task.recipe, task.identity, wanted.file)
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


class Parts(Protocol):
    """The parts of an output, in the order of the plan, as they become ready."""

    def __iter__(self) -> Iterator[Part]:
        """The parts; waits for each."""

    @property
    def skipped(self) -> list[Skipped]:
        """Files left out so far."""

    @property
    def single(self) -> bool:
        """Whether the plan has one task only."""


class Product(Protocol):
    """What a stage that works in parts consists of: a module with these names."""

    SUFFIX: str
    LINKS: bool  # whether ``join`` may refer to the parts, which then stay

    def ranges(self, run: Run, target: Target) -> Iterable[Range]:
        """The cut of the work; the same at each call."""

    def make_part(self, run: Run, task: Task, path: Path) -> int:
        """Carry out a task: write its part, whole, to ``path``; returns the events worked on."""

    def provenance(self, path: Path) -> Provenance:
        """What a part says of itself."""

    def join(self, run: Run, target: Target, parts: Parts) -> None:
        """Make the target's output of its parts."""


def part_name(sample: str, key: str, suffix: str) -> str:
    """Name of a part's file."""
    return f"{sample}.{key}{suffix}"
