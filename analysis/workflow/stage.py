"""Stages: each is one object in a module ``…_stage`` beside the code that it runs.

Such a module holds ``STAGE`` and the functions that return its targets. It imports the code that it
runs inside a function, so that ``--list`` and ``--help`` import neither ROOT nor Keras. To add a
stage, add its module and the module's name to `analysis.workflow.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.tasks import Part, Provenance, Range, Skipped, Task

Study = str
"""The part of the configuration that a stage belongs to: `Config.studies`."""


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """Attributes of both kinds of stages.

    ``targets`` returns the outputs for a run. The stages that must run before follow from the
    inputs of these; ``after`` names further ones, whose outputs are no inputs. ``tables`` are
    printed at the end.
    """

    name: str
    summary: str
    reads: str
    writes: str
    targets: Callable[[Run], list[Target]]
    study: Study | None = None
    after: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage(_Stage):
    """A stage that runs in one process: ``run(run, targets, done)`` calls ``done(target)`` after
    each target."""

    run: Callable[[Run, Sequence[Target], Done], None]


@dataclass(frozen=True, kw_only=True)
class PartitionedStage(_Stage):
    """A stage whose work is divided into tasks, which any process may carry out.

    ``work`` imports and returns the functions. ``uses_all_cores`` means that on one machine a
    single process is as fast as several; ``long_tasks`` that most tasks take seconds.
    """

    work: Callable[[], PartitionedWork]
    uses_all_cores: bool = False
    long_tasks: bool = False


AnyStage = Stage | PartitionedStage


@dataclass(frozen=True, kw_only=True)
class PartitionedWork:
    """How the parts of an output are made and merged.

    ``ranges`` divides the work, in the same way at each call. ``make_part`` carries out a task,
    writes its part atomically and returns the number of events. ``provenance`` reads the origin of
    a part. ``merge`` makes the output from its parts. ``suffix`` is that of a part's file; with
    ``links`` an output may link to its parts, which then must stay. ``prepare`` compiles what tasks
    like one run, before other processes start.
    """

    ranges: Callable[[Run, Target], Iterable[Range]]
    make_part: Callable[[Run, Task, Path], int]
    provenance: Callable[[Path], Provenance]
    merge: Callable[[Run, Target, Parts], None]
    suffix: str
    links: bool = False
    prepare: Callable[[Run, Task], None] | None = None


class Parts(Protocol):
    """The parts of an output, in the order of the plan, as they become ready."""

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts; wait for each."""

    @property
    def skipped(self) -> list[Skipped]:
        """Return the files skipped so far."""

    @property
    def single(self) -> bool:
        """Return whether the plan has only one task."""
