from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analysis.parcels import Parcel
from analysis.workers import map_ordered
from common.errors import OutputError

ARRAYS: dict[str, npt.NDArray[Any]] = {
    "empty": np.empty(0, np.float32),
    "bytes": np.arange(7, dtype=np.uint8),
    "matrix": np.arange(12, dtype=np.float64).reshape(3, 4),
    "flags": np.array([True, False]),
    "strided": np.arange(10)[::3],
}


def pack(_: int) -> Parcel:
    return Parcel.pack(ARRAYS)


def test_arrays_arrive_as_they_were_sent() -> None:
    for _, parcel in map_ordered(pack, range(3), 2):
        found = parcel.unpack()
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arrays = pack(0).unpack()  # opens a socket for good
    before = len(list(Path("/proc/self/fd").iterdir()))
    arrays = pack(0).unpack()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    del arrays
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_full_directory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full takes no byte."""
    full = Path("/dev/full").open("wb", 0)  # noqa: SIM115  (Parcel.pack closes it)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(OutputError, match="TMPDIR names another directory"):
        Parcel.pack(ARRAYS)
