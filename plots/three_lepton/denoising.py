"""Event images without noise, with it, and after it has been taken out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from plots import style
from plots.results import opened

PARTS = ("clean", "noisy", "reconstruction")
_DECADES = 4.0


@style.styled()
def pictures(path: Path, k: int = 3) -> Figure:
    """The first events of a file, a row each: clean, noisy and reconstructed.

    A row has one logarithmic scale; white cells are empty.

    Args:
        path: pictures that a network cleaned.
        k: how many events, if there are so many.
    """
    with opened(path) as file:
        parts = [file[part][:k].astype(np.float64) for part in PARTS]
        processes = [
            p.decode() if isinstance(p, bytes) else str(p) for p in file.attrs["process"][:k]
        ]
    events = len(parts[0])
    rows, columns = parts[0].shape[1:]
    width = 4.2
    height = min(max(width * rows / max(columns, 1), 1.5), 6.0) + 0.45
    figure = Figure(figsize=(1.6 + 3 * width, 0.8 + height * max(events, 1)), layout="constrained")
    grid = figure.subplots(max(events, 1), 3, sharex=True, sharey=True, squeeze=False)
    for line, *images, process in zip(grid, *parts, processes, strict=False):
        norm = style.log_norm(np.stack(images), _DECADES)
        for axes, image, part in zip(line, images, PARTS, strict=True):
            drawn = axes.imshow(
                np.where(image > 0, image, np.nan), cmap=style.SCALE, norm=norm, origin="lower"
            )
            of = f"{style.process(process).label}: " if part == PARTS[0] else ""
            axes.set_title(of + part, loc="left")
            total = float(image.sum())
            axes.set_title(rf"$\Sigma$ = {total:.4g} GeV", loc="right", fontsize=10)
        line[0].set_ylabel("row")
        figure.colorbar(drawn, ax=list(line), label="cell [GeV]", extend="min", pad=0.01)
    for axes in grid[-1]:
        axes.set_xlabel("column")
    style.heading(figure, text=style.network(path.stem))
    return figure
