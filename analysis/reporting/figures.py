"""Draw all figures of a study in parallel and list them."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime import files
from common.runtime.progress import progress
from plots import style


@dataclass(frozen=True)
class Heading:
    """The heading of the figures that follow, in their list and in the report."""

    title: str


Captioned = tuple[str, Callable[[], Figure], str]
"""Name of a figure, function that draws it, and caption."""

Figures = Callable[[Run], Iterator[Captioned | Heading]]
"""Function that yields the figures of a run, not yet drawn, with headings between them."""


def make(run: Run, figures: Figures, target: Target) -> None:
    """Draw all figures that ``figures`` yields for a run and write their list as the target.

    Each worker process calls ``figures`` once, as the functions that draw may hold much data.
    """
    with style.looks(run.config.processes):
        listed = _listed(figures(run))
    context = multiprocessing.get_context("spawn")  # ROOT and TensorFlow hold threads
    workers = max(1, min(run.workers, len(listed)))
    with (
        progress("draw", len(listed), "figures") as bar,
        ProcessPoolExecutor(workers, context, _Worker.begin, (run, figures)) as pool,
    ):
        names = [figure["name"] for figure in listed]
        for figure, written in zip(listed, pool.map(draw, names), strict=True):
            figure["files"] = written
            bar.advance(1)
    files.write_json(target.output, listed)


def _listed(figures: Iterable[Captioned | Heading]) -> list[dict[str, Any]]:
    """Return the entries of figures in their list, without the names of their files."""
    heading = ""
    found = []
    for one in figures:
        if isinstance(one, Heading):
            heading = one.title
        else:
            name, _, caption = one
            found.append({"name": name, "files": [], "caption": caption, "heading": heading})
    return found


def builds(figures: Iterable[Captioned | Heading]) -> dict[str, Callable[[], Figure]]:
    """Return the functions that draw figures, by name."""
    return {one[0]: one[1] for one in figures if not isinstance(one, Heading)}


def draw(name: str) -> list[str]:
    """Draw and save one figure of the run of this worker process; return the names of its files."""
    worker = _Worker.current()
    with style.looks(worker.run.config.processes):
        figure = worker.builds[name]()
        return [path.name for path in style.save(figure, worker.run.plots / name)]


@dataclass(frozen=True)
class _Worker:
    """What a worker process draws: the figures of one run."""

    run: Run
    figures: Figures

    @functools.cached_property
    def builds(self) -> dict[str, Callable[[], Figure]]:
        """Return the functions that draw the figures, by name."""
        return builds(self.figures(self.run))

    @staticmethod
    def begin(run: Run, figures: Figures) -> None:
        """Set what this process draws. Its inputs are read with the first figure, so that an error
        in them is that of the figure."""
        _current[:] = [_Worker(run, figures)]

    @staticmethod
    def current() -> _Worker:
        """Return what this process draws."""
        (worker,) = _current
        return worker


_current: list[_Worker] = []
