"""Draw all figures of a study in parallel and list them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

from matplotlib.figure import Figure

from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime import files
from common.runtime.progress import progress
from plots import style

Captioned = tuple[str, Callable[[], Figure], str]
"""Name of a figure, function that draws it, and caption."""

Figures = Callable[[Run], Iterator[Captioned]]


def make(run: Run, figures: Figures, target: Target) -> None:
    """Draw all figures that ``figures`` yields for a run and write their list as the target."""
    captions = {name: caption for name, _, caption in figures(run)}
    made = []
    context = multiprocessing.get_context("spawn")  # ROOT and TensorFlow hold threads
    with (
        progress("draw", len(captions), "figures") as bar,
        ProcessPoolExecutor(min(run.workers, len(captions)), context) as pool,
    ):
        drawn = pool.map(draw, [(run, figures, name) for name in captions])
        for name, written in zip(captions, drawn, strict=True):
            made.append({"name": name, "files": written, "caption": captions[name]})
            bar.advance(1)
    files.write_json(target.output, made)


def draw(task: tuple[Run, Figures, str]) -> list[str]:
    """Draw and save one figure of a run; return the names of its files."""
    run, figures, wanted = task
    build = next(build for name, build, _ in figures(run) if name == wanted)
    return [path.name for path in style.save(build(), run.plots / wanted)]
