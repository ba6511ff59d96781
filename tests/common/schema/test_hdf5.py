"""HDF5 files are opened whoever holds a lock."""

from __future__ import annotations

import fcntl
from pathlib import Path

import h5py
import pytest

from common.schema import hdf5


def test_a_lock_of_another_is_no_obstacle(tmp_path: Path) -> None:
    """As the one that a child process holds which started while the file was written."""
    path = tmp_path / "images.h5"
    hdf5.create_file(path, ["events"]).close()
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            h5py.File(path, locking=True)
        with hdf5.open_file(path) as file:
            assert list(file) == ["events"]
        hdf5.create_file(path, ["truth"]).close()
    with hdf5.open_file(path) as file:
        assert list(file) == ["truth"]
