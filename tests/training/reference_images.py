"""Image files of the images of the independent reference."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.images.image_file import ImageColumns
from analysis.images.losses import Losses
from tests import reference
from tests.reference import Address, Image
from tests.training.image_files import write_columns

RUN = 5
Bytes = npt.NDArray[np.uint8]


def random_image(rng: np.random.Generator, cells: Sequence[Address]) -> Image:
    image = np.zeros((reference.N_ROWS, reference.N_COLUMNS, reference.N_CHANNELS), np.float32)
    for cell in cells:
        values = rng.exponential(1, reference.N_CHANNELS) * (1, 1, 1, 30, 1, 0.1, 50, 0.1)
        image[cell] = values * (rng.random(reference.N_CHANNELS) < 0.5)
        image[cell][reference.PT_ALL] = 1 + rng.exponential(10)
        image[cell][reference.CHARGE] = rng.integers(-1, 2)
        if len(cells) < 40:
            image[cell][reference.PT_E] = 0  # an electron is rare
    return image.astype(np.float64)


@functools.cache
def images() -> tuple[Image, ...]:
    """No cell, one, some, too many rows and columns for a crop, one full row, one full column."""
    rng = np.random.default_rng(1)
    some = [tuple(cell) for cell in rng.integers((100, 126), size=(40, 2)).tolist()]
    many = [(i, (37 * i) % 126) for i in range(100)]
    row, column = [(40, j) for j in range(126)], [(i, 40) for i in range(100)]
    return tuple(random_image(rng, cells) for cells in ([], [(9, 9)], some, many, row, column))


def hash_of(event: int) -> int:
    return reference.event_hash(1, RUN, event)


def _columns(events: Sequence[int]) -> ImageColumns:
    """The images of some events as the image action writes them."""
    cells = [reference.non_empty(images()[event]) for event in events]
    flat = np.array([cell for event in cells for cell in event], np.uint8).reshape(-1, 2)
    values = [
        images()[event][cell] for event, found in zip(events, cells, strict=True) for cell in found
    ]

    def compressed(name: str) -> tuple[Bytes, Bytes]:
        new = [
            address
            for event, found in zip(events, cells, strict=True)
            for address in reference.moved(found, reference.compression(name, hash_of(event)))
        ]
        lines = np.array(new, np.uint8).reshape(-1, 2)
        return lines[:, 0], lines[:, 1]

    kept = [
        reference.stochastic_lines(reference.with_coordinates(images()[event]), hash_of(event))
        for event in events
    ]

    def bits(axis: int, n_lines: int) -> Bytes:
        mask = np.array([[line in lines[axis] for line in range(n_lines)] for lines in kept])
        return np.packbits(mask, axis=1, bitorder="little")

    n = len(events)
    columns: dict[str, npt.NDArray[Any]] = {
        "events/run_number": np.full(n, RUN, np.uint32),
        "events/event_number": np.array(events, np.uint64),
        "events/fold": np.array(events, np.uint8) % 2,
        "events/weight": np.ones(len(events)),
        "cells/row": flat[:, 0],
        "cells/column": flat[:, 1],
        "compression/stochastic/kept_rows": bits(0, reference.N_ROWS),
        "compression/stochastic/kept_columns": bits(1, reference.N_COLUMNS),
    }
    for name in ("cell", "rowcol", "stochastic"):
        row, column = compressed(name)
        columns |= {f"compression/{name}/row": row, f"compression/{name}/column": column}
    channels = np.array(values, np.float32).reshape(-1, reference.N_CHANNELS).T
    offsets = np.cumsum([0, *map(len, cells)]).astype(np.uint64)
    return ImageColumns(offsets, columns, list(channels), Losses())


def write(path: Path, *blocks: Sequence[int]) -> Path:
    """An image file of some events, block by block."""
    return write_columns(path, *map(_columns, blocks))
