"""Write dense images to an HDF5 file, for tools that cannot read the sparse ones.

``python -m training.data.export runs/quickstart/images/Z*.h5 --compression cell -o dense.h5``.
Any HDF5 library can read the result, which is compressed with gzip. Described in docs/formats.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from common.runtime import files
from common.runtime.errors import ConfigError, MonojetError, OutputError
from common.runtime.progress import progress
from common.schema.images import CHANNELS, COMPRESSIONS, GRID, N_CHANNELS
from training.data.batches import channel_means, dense, dense_shape
from training.data.image_reader import EventRange, ImageFiles
from training.data.sparse_images import Floats

SCHEMA = 1
COORDINATES = ("eta", "phi")

_EVENTS_PER_CHUNK = 4096  # of a column; each image is a chunk
_BATCH_BYTES = 1 << 25  # dense images in memory
_MARGIN = 1_000_000  # bytes for the metadata of HDF5


def export(
    paths: Sequence[Path],
    output: Path,
    *,
    compression: str,
    size: int = 60,
    coordinates: bool = True,
    standardise: bool = True,
) -> None:
    """Write dense images of all events of some image files, with constant memory.

    Raises:
        ConfigError: the size is out of range, or the output is an input.
        InputError: a file is damaged, or was filled with other settings than the others.
        OutputError: the output cannot be written.
    """
    if not 1 <= size <= GRID[1]:
        raise ConfigError(f"--size {size}: must be between 1 and {GRID[1]}")
    if output.resolve() in {path.resolve() for path in paths}:
        raise ConfigError(f"{output}: is an input file: choose another --output")
    with ImageFiles(paths, [0] * len(paths), compression) as images:
        means = np.ones(N_CHANNELS, np.float32)
        if standardise:
            means = channel_means(images, np.ones(len(images), bool))
        with files.whole(output) as partial:
            try:
                _DenseWriter(images, means, size, coordinates, standardise).write(partial)
            except (OSError, RuntimeError) as error:
                raise OutputError(f"{output}: cannot write: {error}") from error


@dataclass(frozen=True)
class _DenseWriter:
    """Dense images of ``images``, divided by ``means``."""

    images: ImageFiles
    means: Floats
    size: int
    coordinates: bool
    standardise: bool

    def write(self, path: Path) -> None:
        """Write the file."""
        channels = [*CHANNELS, *(COORDINATES if self.coordinates else ())]
        shape = (*dense_shape(self.images.compression, self.size), len(channels))
        step = max(1, _BATCH_BYTES // (4 * math.prod(shape)))
        with (
            h5py.File(path, "w", libver="v110", locking=False) as file,
            progress("export", len(self.images)) as bar,
        ):
            self._create(file, "images", np.float32, *shape)
            self._create(file, "events/source", np.uint16)
            for events in self.images.ranges():
                self._write_columns(file, events)
                found = self.images.read(events)
                for begin in range(0, len(found), step):
                    chosen = np.arange(begin, min(begin + step, len(found)))
                    batch = dense(found, chosen, self.means, self.size, self.coordinates)
                    files.require_space(path, _MARGIN + batch.nbytes)
                    first = events.first + begin
                    file["images"][first : first + len(batch)] = batch
                    bar.advance(len(batch))
            file.attrs.update(
                {
                    "schema": SCHEMA,
                    "compression": self.images.compression,
                    "channels": channels,
                    "standardised": self.standardise,
                    "means": self.means,
                    "sources": [str(path) for path in self.images.paths],
                    **self.images.settings,
                }
            )

    def _create(self, file: h5py.File, name: str, dtype: Any, *shape: int) -> None:
        file.create_dataset(
            name,
            (len(self.images), *shape),
            maxshape=(None, *shape),
            dtype=dtype,
            chunks=(1 if shape else _EVENTS_PER_CHUNK, *shape),
            fletcher32=True,
            compression="gzip",
            compression_opts=1,
        )

    def _write_columns(self, file: h5py.File, events: EventRange) -> None:
        rows = slice(events.first, events.first + events.end - events.begin)
        file["events/source"][rows] = events.file
        for name, column in self.images.columns(events).items():
            if f"events/{name}" not in file:
                self._create(file, f"events/{name}", column.dtype)
            file[f"events/{name}"][rows] = column


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m training.data.export", description="Write dense images for other tools."
    )
    add = made.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGES.h5", help="files of the imaging stage")
    add("--output", "-o", required=True, type=Path, metavar="DENSE.h5")
    add("--compression", choices=COMPRESSIONS, default="cell", help="default: cell")
    add(
        "--size",
        type=int,
        default=60,
        help="rows and columns to keep, except with 'none'; default: 60",
    )
    add(
        "--coordinates",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="add two channels with the cell coordinates (default)",
    )
    scale = made.add_mutually_exclusive_group()
    scale.add_argument(
        "--standardise",
        action="store_true",
        default=True,
        help="divide channels by the mean of their non-zero entries (default)",
    )
    scale.add_argument(
        "--raw", dest="standardise", action="store_false", help="do not standardise channels"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
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
