"""Dense images in an HDF5 file of their own, for tools that do not read the sparse one.

``python -m training.data.export runs/quickstart/images/Z*.h5 --compression cell -o dense.h5``. Any HDF5
library reads the result: it is compressed with gzip. Described in docs/formats.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from common.runtime import files
from common.runtime.errors import ConfigError, MonojetError, OutputError
from common.runtime.progress import progress
from training.data.dataset import (
    CHANNELS,
    COMPRESSIONS,
    GRID,
    N_CHANNELS,
    Floats,
    ImageFiles,
    channel_means,
    dense,
)

SCHEMA = 1
COORDINATES = ("eta", "phi")

_EVENTS_A_CHUNK = 4096  # of a column; an image is a chunk of its own
_BATCH_BYTES = 1 << 25  # of dense images in memory
_MARGIN = 1_000_000  # bytes for HDF5's own bookkeeping


def export(
    paths: Sequence[Path],
    output: Path,
    *,
    compression: str,
    size: int = 60,
    coordinates: bool = True,
    standardise: bool = True,
) -> None:
    """Write the dense images of all events of some image files, with memory that does not grow.

    Raises:
        ConfigError: the size cannot be, or the output is an input.
        InputError: a file is damaged, or was not filled as the others.
        OutputError: the output cannot be written.
    """
    if not 1 <= size <= GRID[1]:
        raise ConfigError(f"--size {size}: from 1 to {GRID[1]}")
    if output.resolve() in {path.resolve() for path in paths}:
        raise ConfigError(f"{output}: is one of the image files: choose another --output")
    with ImageFiles(paths, [0] * len(paths), compression) as images:
        means = np.ones(N_CHANNELS, np.float32)
        if standardise:
            means = channel_means(images, np.ones(len(images), bool))
        with files.whole(output) as partial:
            try:
                _write(partial, images, means, size, coordinates, standardise)
            except (OSError, RuntimeError) as error:
                raise OutputError(f"{output}: cannot write: {error}") from error


def _write(
    path: Path,
    images: ImageFiles,
    means: Floats,
    size: int,
    coordinates: bool,
    standardise: bool,
) -> None:
    n_rows, n_columns = GRID if images.compression == "none" else (size, size)
    channels = [*CHANNELS, *(COORDINATES if coordinates else ())]
    shape = (n_rows, n_columns, len(channels))
    step = max(1, _BATCH_BYTES // (4 * n_rows * n_columns * len(channels)))
    with (
        h5py.File(path, "w", libver="v110", locking=False) as file,
        progress("export", len(images)) as bar,
    ):

        def create(name: str, dtype: Any, *shape: int) -> h5py.Dataset:
            return file.create_dataset(
                name,
                (len(images), *shape),
                maxshape=(None, *shape),
                dtype=dtype,
                chunks=(1 if shape else _EVENTS_A_CHUNK, *shape),
                fletcher32=True,
                compression="gzip",
                compression_opts=1,
            )

        dense_images = create("images", np.float32, *shape)
        source = create("events/source", np.uint16)
        for events in images.ranges():
            there = slice(events.first, events.first + events.end - events.begin)
            source[there] = events.file
            for name, column in images.columns(events).items():
                if f"events/{name}" not in file:
                    create(f"events/{name}", column.dtype)
                file[f"events/{name}"][there] = column
            found = images.read(events)
            for begin in range(0, len(found), step):
                chosen = np.arange(begin, min(begin + step, len(found)))
                batch = dense(found, chosen, means, size, coordinates)
                files.require_space(path, _MARGIN + batch.nbytes)
                dense_images[events.first + begin : events.first + begin + len(batch)] = batch
                bar.advance(len(batch))
        file.attrs.update(
            {
                "schema": SCHEMA,
                "compression": images.compression,
                "channels": channels,
                "standardised": standardise,
                "means": means,
                "sources": [str(path) for path in images.paths],
                **images.settings,
            }
        )


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m training.data.export", description="Write dense images for other tools."
    )
    add = made.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGES.h5", help="files of the imaging stage")
    add("--output", "-o", required=True, type=Path, metavar="DENSE.h5")
    add("--compression", choices=COMPRESSIONS, default="cell", help="default: cell")
    add("--size", type=int, default=60, help="rows and columns kept; 'none' keeps all; default: 60")
    add(
        "--coordinates",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="two channels with the coordinates of the cells (the default)",
    )
    scale = made.add_mutually_exclusive_group()
    scale.add_argument(
        "--standardise",
        action="store_true",
        default=True,
        help="divide by the mean of the entries of these events that are not 0 (the default)",
    )
    scale.add_argument("--raw", dest="standardise", action="store_false", help="do not divide")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        export(
            options.images,
            options.output,
            compression=options.compression,
            size=options.size,
            coordinates=options.coordinates,
            standardise=options.standardise,
        )
    except MonojetError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
