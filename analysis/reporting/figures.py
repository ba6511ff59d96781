"""Draw all figures of a study in parallel and list them."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from analysis.reporting import workers
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
    """Draw all figures that ``figures`` yields for a run and write their list as the target."""
    with style.looks(run.config.processes):
        found = list(figures(run))
    listed = _listed(found)
    functions = builds(found)
    in_order = [*reversed(functions)]  # the last have most panels; so the workers end together
    draw_one = functools.partial(draw, run.config.processes, run.plots)
    number = max(1, min(run.workers, len(functions)))
    with (
        progress("draw", len(functions), "figures") as bar,
        ProcessPoolExecutor(number, workers.context(), gc.freeze) as pool,
    ):
        files_of = pool.map(draw_one, in_order, (functions[name] for name in in_order))
        for figure, written in zip(reversed(listed), files_of, strict=True):
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


def draw(
    described: Mapping[str, style.Described], folder: Path, name: str, build: Callable[[], Figure]
) -> list[str]:
    """Draw a figure of a run, whose processes are described, and save it in a folder; return the
    names of its files."""
    with style.looks(described):
        return [path.name for path in style.save(build(), folder / name)]
