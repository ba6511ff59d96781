"""Large arrays from a worker process to its parent, without pickling them through a pipe."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import reduction
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import OutputError

_ALIGNMENT = 64


@dataclass(frozen=True)
class Parcel:
    """Arrays in a temporary file without a name, which is gone with the last process that has it
    open, however that ends. Pickled by multiprocessing's queues as a file descriptor; unpacked
    once."""

    _file: Any
    _size: int
    _places: Mapping[str, tuple[str, tuple[int, ...], int]]  # type, shape, offset

    @classmethod
    def pack(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Parcel:
        """Write the arrays to the file.

        Raises:
            OutputError: the directory of temporary files is full.
        """
        places, end = {}, 0
        for name, array in arrays.items():
            start = -(-end // _ALIGNMENT) * _ALIGNMENT
            places[name] = (array.dtype.str, array.shape, start)
            end = start + array.nbytes
        size = max(end, 1)
        try:
            with tempfile.TemporaryFile(buffering=0) as file:
                file.truncate(size)
                for (_, _, start), array in zip(places.values(), arrays.values(), strict=True):
                    file.seek(start)
                    left = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                    while left:
                        left = left[file.write(left) :]
                return cls(reduction.DupFd(file.fileno()), size, places)
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: cannot write: {error.strerror} ({size / 1e6:.0f} MB "
                "are needed; TMPDIR names another directory)"
            ) from error

    def unpack(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, read from the file as they are used."""
        descriptor = self._file.detach()
        try:
            data = mmap.mmap(descriptor, self._size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return {
            name: np.ndarray(shape, dtype, buffer=data, offset=offset)
            for name, (dtype, shape, offset) in self._places.items()
        }
