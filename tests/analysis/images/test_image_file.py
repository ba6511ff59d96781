"""The writer: any blocks make the same file, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.images import image_file
from analysis.images.image_file import ImageColumns, ImageWriter
from analysis.images.losses import Losses
from common.schema.images import SCHEMA

RNG = np.random.default_rng(1)
N_EVENTS = 40
COUNTS = RNG.integers(0, 9, N_EVENTS)


def images() -> ImageColumns:
    n_cells = int(COUNTS.sum())
    columns: dict[str, npt.NDArray[Any]] = {
        "events/met": RNG.uniform(0, 500, N_EVENTS).astype(np.float32),
        "cells/row": RNG.integers(0, 100, n_cells).astype(np.uint8),
        "compression/stochastic/kept_rows": RNG.integers(0, 256, (N_EVENTS, 13)).astype(np.uint8),
    }
    channels = [RNG.uniform(0, 9, n_cells).astype(np.float32) for _ in range(8)]
    offsets = np.concatenate([[0], np.cumsum(COUNTS)]).astype(np.uint64)
    return ImageColumns(offsets, columns, channels, Losses(particles=1))


IMAGES = images()


def write(path: Path, ends: Sequence[int]) -> bytes:
    begin = 0
    with ImageWriter(path) as writer:
        writer.attributes = {"a": 1}
        for end in (*sorted(ends), N_EVENTS):
            block = IMAGES.view(begin, end).copy()
            writer.append(block)
            for array in (block.offsets, *block.columns.values(), *block.channels):
                array[:] = 0  # the memory of a block is used again
            begin = end
    return path.read_bytes()


@pytest.mark.parametrize("round_size", [7, 40, 8192])
@given(ends=st.lists(st.integers(0, N_EVENTS), max_size=6))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_blocks_make_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, round_size: int, ends: list[int]
) -> None:
    monkeypatch.setattr(image_file, "_EVENTS_PER_ROUND", round_size)
    assert write(tmp_path / "blocks.h5", ends) == write(tmp_path / "one.h5", [])


def test_the_file_holds_what_was_appended(tmp_path: Path) -> None:
    write(tmp_path / "x.h5", [3, 17, 18])
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["cells/offsets"], IMAGES.offsets)
        np.testing.assert_array_equal(file["cells/values"], np.stack(IMAGES.channels, axis=1))
        for name, values in IMAGES.columns.items():
            np.testing.assert_array_equal(file[name], values)
        assert file.attrs["schema"] == SCHEMA


def test_every_dataset_is_checksummed(tmp_path: Path) -> None:
    write(tmp_path / "x.h5", [])
    with h5py.File(tmp_path / "x.h5") as file:
        datasets = []
        file.visititems(lambda _, x: datasets.append(x) if isinstance(x, h5py.Dataset) else None)
        assert len(datasets) == 6
        assert all(dataset.fletcher32 for dataset in datasets)


def test_a_file_of_no_events_has_its_datasets(tmp_path: Path) -> None:
    with ImageWriter(tmp_path / "x.h5") as writer:
        writer.append(IMAGES.view(0, 0))
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["cells/offsets"][:].tolist() == [0]
        assert file["cells/values"].shape == (0, 8)
        assert file["events/met"].shape == (0,)
