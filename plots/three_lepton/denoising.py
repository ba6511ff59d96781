"""Pictures of events: clean, with noise, and after a denoising autoencoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from plots import style
from plots.results import opened

COLUMNS = ("clean", "noisy", "reconstruction")
_DECADES = 4.0


@style.styled()
def pictures(path: Path, k: int = 3) -> Figure:
    """Draw the first events of a file, one per row: clean, noisy and reconstructed.

    Each row has one logarithmic scale; empty cells are white.

    Args:
        path: file of pictures of a denoising autoencoder.
        k: the largest number of events.
    """
    with opened(path) as file:
        columns = [file[name][:k].astype(np.float64) for name in COLUMNS]
        processes = [
            p.decode() if isinstance(p, bytes) else str(p) for p in file.attrs["process"][:k]
        ]
    n_events = len(columns[0])
    n_rows, n_columns = columns[0].shape[1:]
    width = 4.2
    height = min(max(width * n_rows / max(n_columns, 1), 1.5), 6.0) + 0.45
    figure = Figure(
        figsize=(1.6 + 3 * width, 0.8 + height * max(n_events, 1)), layout="constrained"
    )
    grid = figure.subplots(max(n_events, 1), 3, sharex=True, sharey=True, squeeze=False)
    for line, *images, process in zip(grid, *columns, processes, strict=False):
        norm = style.log_norm(np.stack(images), _DECADES)
        for axes, image, name in zip(line, images, COLUMNS, strict=True):
            drawn = axes.imshow(
                np.where(image > 0, image, np.nan), cmap=style.SCALE, norm=norm, origin="lower"
            )
            prefix = f"{style.process(process).label}: " if name == COLUMNS[0] else ""
            axes.set_title(prefix + name, loc="left")
            total = float(image.sum())
            axes.set_title(rf"$\Sigma$ = {total:.4g} GeV", loc="right", fontsize=10)
        line[0].set_ylabel("row")
        figure.colorbar(drawn, ax=list(line), label="cell [GeV]", extend="min", pad=0.01)
    for axes in grid[-1]:
        axes.set_xlabel("column")
    style.heading(figure, text=style.network(path.stem))
    return figure
