"""Small image files for the tests of this room, written as the imaging stage writes them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from analysis.images.image_file import ImageColumns, ImageWriter
from analysis.images.losses import Losses
from common.schema.hdf5 import open_file
from common.schema.images import CHANNELS
from training.data.image_reader import ImageFiles
from training.data.sparse_images import Images

N_ROWS, N_COLUMNS = 100, 126
ATTRIBUTES: dict[str, Any] = {
    "particle_threshold_GeV": 1.0,
    "jet_threshold_GeV": 20.0,
    "region": "",
    "detector": "",
    "folds": 2,
    "grid_shape": (N_ROWS, N_COLUMNS),
    "channels": list(CHANNELS),
}

Lines = npt.NDArray[np.uint8]


def image_columns(
    n_events: int, run_number: int = 1, seed: int = 1, most_cells: int = 40, hard: float = 0.0
) -> ImageColumns:
    """Random images; ``hard`` is added to the transverse momentum of each event's first cell.

    Folds alternate. The addresses of every compression are those of the thesis, but the stochastic
    one keeps no empty line.
    """
    rng = np.random.default_rng((seed, run_number))
    counts = rng.integers(1, most_cells + 1, n_events)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    new: dict[str, list[Lines]] = {}
    kept: dict[str, list[npt.NDArray[np.bool_]]] = {"rows": [], "columns": []}
    for count in counts:
        flat = np.sort(rng.choice(N_ROWS * N_COLUMNS, count, replace=False))
        row, column = flat // N_COLUMNS, flat % N_COLUMNS
        rows, new_row = np.unique(row, return_inverse=True)
        columns, new_column = np.unique(column, return_inverse=True)
        in_row = np.concatenate([np.arange(n) for n in np.bincount(new_row)])
        kept["rows"].append(np.isin(np.arange(N_ROWS), rows))
        kept["columns"].append(np.isin(np.arange(N_COLUMNS), columns))
        for name, lines in (
            ("cells/row", row),
            ("cells/column", column),
            ("compression/cell/row", new_row),
            ("compression/cell/column", in_row),
            *((f"compression/{c}/row", new_row) for c in ("rowcol", "stochastic")),
            *((f"compression/{c}/column", new_column) for c in ("rowcol", "stochastic")),
        ):
            new.setdefault(name, []).append(lines.astype(np.uint8))
    values = rng.exponential(5, (offsets[-1], len(CHANNELS))).astype(np.float32)
    values *= rng.random(values.shape) < 0.5
    values[:, 0] += 1
    values[offsets[:-1], 0] += hard
    values[:, 2] = rng.integers(-1, 2, len(values))
    columns_: dict[str, npt.NDArray[Any]] = {k: np.concatenate(v) for k, v in new.items()}
    for name, masks in kept.items():
        bits = np.packbits(np.array(masks), axis=1, bitorder="little")
        columns_[f"compression/stochastic/kept_{name}"] = bits
    columns_ |= {
        "events/run_number": np.full(n_events, run_number, np.uint32),
        "events/event_number": np.arange(n_events, dtype=np.uint64),
        "events/weight": np.ones(n_events),
        "events/fold": (np.arange(n_events) % 2).astype(np.uint8),
        "events/met_phi": rng.uniform(-np.pi, np.pi, n_events).astype(np.float32),
        "events/leading_jet_phi": rng.uniform(-np.pi, np.pi, n_events).astype(np.float32),
        "events/pass_SR": np.arange(n_events) % 3 == 0,
    }
    return ImageColumns(offsets.astype(np.uint64), columns_, list(values.T), Losses())


def write_columns(path: Path, *blocks: ImageColumns, **attributes: Any) -> Path:
    """An image file of some blocks; ``attributes`` replace those of `ATTRIBUTES`."""
    with ImageWriter(path) as writer:
        writer.attributes = ATTRIBUTES | attributes
        for block in blocks:
            writer.append(block)
    return path


def write_images(path: Path, n_events: int, run_number: int = 1, **options: Any) -> Path:
    """A file of random images."""
    return write_columns(path, image_columns(n_events, run_number, **options))


def read_all(paths: Sequence[Path], labels: Sequence[int], compression: str) -> Images:
    """All events of some files in memory."""
    with ImageFiles(paths, labels, compression) as files:
        return files.read_selected([(r, np.arange(r.end - r.begin)) for r in files.ranges()])


def flip_a_bit(path: Path, dataset: str, chunk: int = 0) -> None:
    """Damage a file in the middle of a chunk of a dataset."""
    with open_file(path) as file:  # it may be open elsewhere in this process
        found = file[dataset].id.get_chunk_info(chunk)
    with path.open("r+b") as content:
        content.seek(found.byte_offset + found.size // 2)
        (byte,) = content.read(1)
        content.seek(-1, 1)
        content.write(bytes([byte ^ 1]))


def reweighted(path: Path, to: Path, weight: Any) -> Path:
    """A copy of an image file with other weights."""
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        file["events/weight"][:] = weight
    return to
